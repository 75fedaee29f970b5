import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from refusals import refused

from weakspot.data import read_dataset
from weakspot.inference.export import export
from weakspot.inference.localizer import Localizer
from weakspot.models.checkpoint import load_run, read_metadata, rewrite_metadata
from weakspot.models.run_files import MODEL_FILE
from weakspot.ops.iou import box_iou
from weakspot.training import lesson as module
from weakspot.training.box_areas import typical_areas
from weakspot.training.refit import Comparison
from weakspot.training.taught_samples import read_taught
from weakspot.training.teach import edges_choose, teach
from weakspot.training.thresholds import thresholds_without_boxes
from weakspot.training.validation_images import write_validation


@pytest.fixture
def run(discs_run, tmp_path):
    """A run that has seen labels only."""
    return shutil.copytree(discs_run, tmp_path / "run")


@pytest.fixture(scope="module")
def taught(discs_run, boxed, tmp_path_factory):
    """A run that the boxes of forty images have taught, the result, and the steps that were reported."""
    run, steps = shutil.copytree(discs_run, tmp_path_factory.mktemp("taught") / "run"), []
    training = [sample for sample in boxed.samples if sample.split == "train"]
    result = teach(run, training[:40], on_progress=lambda done, count: steps.append(done / count))
    return run, result, steps


def overlaps(run, samples):
    localizer = Localizer(run, backend="torch")
    return np.array(
        [
            box_iou(localizer(s.path, classes=[s.objects[0].label]).box[None], np.array([s.objects[0].box])).max()
            for s in samples
        ]
    )


def test_boxes_improve_the_boxes_of_other_images(taught, discs_run, boxed):
    run, result, _ = taught
    validation = [sample for sample in boxed.samples if sample.split == "val"]
    before, after = overlaps(discs_run, validation), overlaps(run, validation)
    assert (after >= 0.5).mean() >= (before >= 0.5).mean()
    assert after.mean() > before.mean()
    assert (result.boxes, result.pairs, result.classes) == (40, 40, 2)
    assert result.after >= result.before


def test_the_run_has_the_head_and_its_thresholds_and_the_network_is_the_same(taught, discs_run, boxed):
    run, result, _ = taught
    localizer, before = Localizer(run, backend="torch"), Localizer(discs_run, backend="torch")
    head = localizer.torch_backend.classifier.foreground
    assert head.objects.share.item() == pytest.approx(result.share)
    assert result.share > 0
    found, expected = localizer.model.state_dict(), before.model.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    metadata = read_metadata(run)
    assert metadata.info.threshold == localizer.threshold
    assert metadata.info.calibration == ()
    assert metadata.info.typical_areas == typical_areas(boxed.samples[:40], metadata.info.class_names)
    assert "40 boxes" in metadata.threshold_from


def test_progress_reaches_the_end_in_equal_steps(taught):
    steps = taught[2]
    assert steps == sorted(steps)
    assert steps[-1] == 1


def heads_of(*runs):
    heads = (Localizer(run, backend="torch").torch_backend.classifier.foreground for run in runs)
    return [torch.cat([value.flatten().float() for value in head.state_dict().values()]) for head in heads]


@pytest.mark.usefixtures("few_steps")
def test_what_taught_a_run_before_teaches_it_again_unless_it_should_be_forgotten(taught, run, boxed, tmp_path):
    again, forgetful = (shutil.copytree(taught[0], tmp_path / name) for name in ("again", "forgetful"))
    training = [sample for sample in boxed.samples if sample.split == "train"]
    before, new = training[:40], training[38:46]  # two images are in both
    assert teach(again, new).remembered == 38
    assert [sample.path for sample in read_taught(again)] == [sample.path for sample in [*new, *before[:38]]]
    at_once = shutil.copytree(run, tmp_path / "at once")
    teach(at_once, [*new, *before[:38]])
    assert torch.equal(*heads_of(again, at_once))
    assert teach(forgetful, new, forget=[sample.path for sample in before]).remembered == 0
    teach(run, new)
    assert torch.equal(*heads_of(forgetful, run))


@pytest.mark.usefixtures("few_steps")
def test_edges_of_validation_images_choose_the_thresholds_of_a_head(run, boxed):
    validation = boxed.samples[24:49]
    write_validation(run, validation)
    steps = set()
    result = teach(run, boxed.samples[:24], on_progress=lambda _, count: steps.add(count))
    assert steps == {4 * 10}  # three heads decide whether a fourth one helps
    metadata, localizer = read_metadata(run), Localizer(run, backend="torch")
    localizer.set_foreground_head(localizer.torch_backend.classifier.foreground)  # as it is while it is taught
    expected = thresholds_without_boxes(localizer, validation)
    assert result.by_edges
    assert not result.has_thresholds
    assert metadata.info.threshold == pytest.approx(expected.value)
    assert metadata.threshold_from == f"{expected.source}, after 24 boxes taught a head"


@pytest.mark.usefixtures("few_steps")
def test_a_damaged_validation_image_is_named_and_the_boxes_choose_the_thresholds(run, boxed, tmp_path, caplog):
    (tmp_path / "damaged.png").write_bytes(b"no image")
    write_validation(run, [*boxed.samples[24:49], replace(boxed.samples[24], path=tmp_path / "damaged.png")])
    result = teach(run, boxed.samples[:24])
    assert not result.by_edges
    assert result.share > 0
    assert "damaged.png" in caplog.text


@pytest.mark.usefixtures("few_steps")
def test_uncertain_images_of_a_review_teach_and_choose_no_thresholds(run, boxed, monkeypatch):
    counts, compare = [], module.compare_thresholds

    def counted(scores, *values, **named):
        counts.append(len(scores))
        return compare(scores, *values, **named)

    monkeypatch.setattr(module, "compare_thresholds", counted)
    uncertain = [replace(sample, by_uncertainty=True) for sample in boxed.samples[8:12]]
    assert teach(run, [*boxed.samples[:8], *uncertain]).pairs == 12
    assert counts == [8, 8]  # without and with the head


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize(
    ("validation", "teaching"),
    [
        pytest.param(slice(24, 43), slice(24), id="fewer than 20 images"),
        pytest.param(slice(24, 49), slice(49), id="images that teach"),
        pytest.param(slice(24, 49), slice(23), id="fewer than 24 boxes"),
    ],
)
def test_edges_choose_no_thresholds_without_enough(run, boxed, validation, teaching):
    write_validation(run, boxed.samples[validation])
    assert not teach(run, boxed.samples[teaching]).by_edges


def test_a_run_stays_as_it_is_if_no_box_is_right(run, boxed):
    """The boxes are those of other images, as all objects are larger."""
    corners = [replace(s, objects=(replace(s.objects[0], box=(0.0, 0.0, 2.0, 2.0)),)) for s in boxed.samples[:6]]
    written = (run / MODEL_FILE).read_bytes()
    result = teach(run, corners)
    assert (result.is_better, result.finds_nothing, result.after) == (False, True, 0)
    assert (run / MODEL_FILE).read_bytes() == written
    assert read_taught(run) == []


@pytest.mark.usefixtures("few_steps")
def test_without_a_head_scores_are_those_of_the_run(run, boxed):
    """The maps that teach are finer than those of a run without a head, and their boxes differ."""
    validation = [sample for sample in boxed.samples if sample.split == "val"]
    right = 100 * (overlaps(run, validation) >= 0.5).mean()
    assert teach(run, validation).before == pytest.approx(right)


@pytest.mark.exhaustive
def test_an_exported_file_has_the_head(taught, boxed, tmp_path):
    localizer = Localizer(taught[0], backend="torch")
    export(localizer, tmp_path / "taught.onnx", images=[sample.path for sample in boxed.samples[:4]])
    exported = Localizer(tmp_path / "taught.onnx")
    for sample in boxed.samples[:4]:
        expected = localizer(sample.path, classes=["red"])
        found = exported(sample.path, classes=["red"])
        assert np.abs(found.heatmap - expected.heatmap).max() < 0.05
        assert np.abs(found.box - expected.box).max() <= 2


def test_images_without_boxes_are_refused(run, boxed, discs):
    written = (run / MODEL_FILE).read_bytes()
    with refused("missing-annotations", 0):
        teach(run, read_dataset(discs).samples)
    with refused("missing-annotations", 1):
        teach(run, boxed.samples[:1])
    (item,) = boxed.samples[0].objects
    two_classes = replace(boxed.samples[0], objects=(item, replace(item, label="blue")))
    with refused("missing-annotations", 1):
        teach(run, [two_classes])
    assert (run / MODEL_FILE).read_bytes() == written


def test_a_run_without_a_foreground_head_is_refused(run, boxed):
    metadata = read_metadata(run)
    rewrite_metadata(run, replace(metadata, info=replace(metadata.info, quality="plain", class_thresholds=())))
    with refused("method-unsupported", run):
        teach(run, boxed.samples)


def compared(score):
    return Comparison(0, score, 0, 0.5, (), improves=True)


def of_shares(without, head):
    """Scores and comparisons of maps without a head, and with one of share 0.2."""
    return {share: np.zeros((6, 1)) for share in (0.0, 0.2)}, {0.0: without, 0.2: head}


@pytest.mark.usefixtures("few_steps")
def test_a_run_stays_as_it_is_if_boxes_teach_nothing_better(run, boxed, monkeypatch):
    """Boxes that no threshold and no head can find."""
    far = tuple(
        replace(s, objects=(replace(s.objects[0], box=(i % 2 * 60.0, 0.0, i % 2 * 60.0 + 4, 4.0)),))
        for i, s in enumerate(boxed.samples[:6])
    )
    metadata, written = read_metadata(run), (run / MODEL_FILE).read_bytes()
    monkeypatch.setattr(module, "_compare_shares", lambda *_: of_shares(compared(80), compared(20)))
    result = teach(run, far)
    assert (result.is_better, result.share) == (True, 0.0)  # thresholds alone are better than those of the run
    assert read_metadata(run).info.threshold == 0.5 != metadata.info.threshold
    (run / MODEL_FILE).write_bytes(written)
    worse = replace(compared(80), before=90.0, improves=False)
    monkeypatch.setattr(module, "_compare_shares", lambda *_: of_shares(worse, compared(20)))
    result = teach(run, far)
    assert (result.is_better, result.before, result.after) == (False, 90, 90)
    assert (run / MODEL_FILE).read_bytes() == written
    assert len(read_taught(run)) == 6  # they teach with what comes later


@pytest.mark.usefixtures("few_steps")
def test_a_run_that_forgets_is_as_labels_alone_made_it(run, boxed, monkeypatch):
    written = read_metadata(run)
    wrong = boxed.samples[:6]
    monkeypatch.setattr(module, "_compare_shares", lambda *_: of_shares(compared(80), compared(85)))
    assert teach(run, wrong).is_better
    assert read_metadata(run).untaught == written
    assert has_objects(run)
    monkeypatch.setattr(
        module,
        "_compare_shares",
        lambda *_: of_shares(replace(compared(80), before=90.0, improves=False), compared(20)),
    )
    assert not teach(run, boxed.samples[6:12], forget=[sample.path for sample in wrong]).is_better
    assert read_metadata(run) == written
    assert not has_objects(run)
    assert [sample.path for sample in read_taught(run)] == [sample.path for sample in boxed.samples[6:12]]


@pytest.mark.usefixtures("few_steps")
def test_a_second_round_is_compared_with_what_labels_alone_had_made(run, boxed, monkeypatch):
    seen = []

    def compare(_pairs, _probabilities, info):
        seen.append(info)
        return of_shares(compared(80), compared(85))

    monkeypatch.setattr(module, "_compare_shares", compare)
    before = read_metadata(run).info
    teach(run, boxed.samples[:6])
    assert read_metadata(run).info.threshold == 0.5 != before.threshold
    teach(run, boxed.samples[6:12])
    assert seen == [before, before]


@pytest.mark.parametrize(
    ("scored", "images", "choose"),
    [(23, 20, False), (24, 20, True), (99, 20, True), (100, 20, False), (24, 19, False)],
)
def test_edges_leave_thresholds_to_few_or_many_boxes(boxed, scored, images, choose):
    pairs = SimpleNamespace(scored=np.arange(scored))
    assert edges_choose(pairs, boxed.samples[:images]) == choose


def has_objects(run):
    return load_run(run).foreground.objects is not None
