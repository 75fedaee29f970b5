import shutil
from collections import Counter
from dataclasses import replace

import pytest
from small_runs import small

from weakspot.data import read_dataset
from weakspot.inference.wide_boxes import WideBoxes
from weakspot.models.checkpoint import read_metadata, rewrite_metadata
from weakspot.training.wide_boxes import count_wide_boxes


@pytest.fixture(scope="module")
def samples(discs):
    return read_dataset(discs).samples


def with_threshold(run, folder, threshold):
    copy, metadata = shutil.copytree(run, folder / "run"), read_metadata(run)
    info = replace(metadata.info, threshold=threshold, class_thresholds=())
    rewrite_metadata(copy, replace(metadata, info=info))
    return copy


def test_boxes_are_counted_at_the_threshold_of_the_run(discs_run, samples, tmp_path):
    fitting, low = (
        count_wide_boxes(discs_run, samples),
        count_wide_boxes(with_threshold(discs_run, tmp_path, 0.01), samples),
    )
    assert fitting.boxes == low.boxes == Counter(sample.annotations[0].label for sample in samples)
    assert fitting.wide.total() < low.wide.total()
    assert any("cover the image" in note for note in low.notes())


def test_a_hundred_images_suffice_and_some_have_no_class(discs_run, samples):
    many = [*samples[:60], *samples[:60]]
    assert count_wide_boxes(discs_run, many).boxes.total() == 60
    unknown = [replace(sample, objects=(replace(sample.objects[0], label="other"),)) for sample in samples[:3]]
    assert count_wide_boxes(discs_run, unknown).boxes.total() == count_wide_boxes(discs_run, []).boxes.total() == 0


def test_training_tells_them_before_its_last_line(scenes, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "weakspot.training.finalize.count_wide_boxes", lambda *_: WideBoxes(Counter(cat=10), Counter(cat=9))
    )
    run = small(scenes, tmp_path / "run", freeze="backbone", epochs=1)
    *_, sentence, advice, last = (run / "train.log").read_text().splitlines()
    assert "9 of 10 boxes of cat" in sentence
    assert "weakspot threshold" in advice
    assert "threshold" in last
