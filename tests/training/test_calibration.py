import shutil
from dataclasses import replace

import pytest
from small_runs import disc

from weakspot.data import read_dataset
from weakspot.inference.localizer import Localizer
from weakspot.models.checkpoint import read_metadata
from weakspot.models.run_files import MODEL_FILE
from weakspot.ops.iou import box_iou
from weakspot.training.calibration import MIN_BOXES, calibrate_run


@pytest.fixture(scope="module")
def samples(discs):
    """The discs with the boxes that they were drawn in; every third box is elsewhere, so that some are wrong."""
    drawn = [with_drawn_box(sample) for sample in read_dataset(discs).samples]
    return [elsewhere(sample) if i % 3 == 0 else sample for i, sample in enumerate(drawn)]


def with_drawn_box(sample):
    (item,) = sample.objects
    seed = int(sample.path.stem) + 64 * (sample.split == "val")
    return replace(sample, objects=(replace(item, box=tuple(map(float, disc(item.label, seed)[1]))),))


def copy_run(run, folder):
    return shutil.copytree(run, folder / "run")


def elsewhere(sample):
    (item,) = sample.objects
    return replace(sample, objects=(replace(item, box=(0.0, 0.0, 3.0, 3.0)),))


def test_a_run_learns_how_often_its_boxes_are_right(discs_run, samples, tmp_path):
    run = copy_run(discs_run, tmp_path)
    weight, bias = calibrate_run(run, samples)
    assert read_metadata(run).info.calibration == (weight, bias)
    localizer = Localizer(run, backend="torch", uncertainty=True)
    found = [localizer(sample.path, classes=[sample.objects[0].label]) for sample in samples]
    right = [box_iou(one.box[None], s.annotations[0].boxes).max() >= 0.5 for one, s in zip(found, samples, strict=True)]
    predicted = [one.box_confidences[0] / one.score for one in found]
    assert 0 < sum(right) < len(right)
    assert sum(predicted) == pytest.approx(sum(right), rel=1e-3)  # as of any logistic regression with a bias


def test_the_probability_is_part_of_an_exported_file_and_not_of_other_thresholds(discs_run, samples, tmp_path):
    run = copy_run(discs_run, tmp_path)
    calibrate_run(run, samples)
    localizer = Localizer(run, backend="torch", uncertainty=True)
    assert localizer.config.calibration == read_metadata(run).info.calibration != ()
    assert localizer.with_options(boxes="all").config.calibration == localizer.config.calibration
    assert localizer.with_options(threshold=0.123).config.calibration == ()
    assert Localizer(run, backend="torch", threshold=0.123).config.calibration == ()


def test_too_few_boxes_or_only_right_ones_give_no_calibration(discs_run, samples, tmp_path):
    run = copy_run(discs_run, tmp_path)
    before = (run / MODEL_FILE).read_bytes()
    assert calibrate_run(run, samples[: MIN_BOXES - 1]) == ()
    assert calibrate_run(run, [replace(sample, objects=()) for sample in samples]) == ()
    assert calibrate_run(run, [elsewhere(sample) for sample in samples]) == ()
    assert (run / MODEL_FILE).read_bytes() == before


def test_a_calibration_that_no_longer_holds_is_removed(discs_run, samples, tmp_path):
    run = copy_run(discs_run, tmp_path)
    assert calibrate_run(run, samples) != ()
    assert calibrate_run(run, [elsewhere(sample) for sample in samples]) == ()
    assert read_metadata(run).info.calibration == ()
