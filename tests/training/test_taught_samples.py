from pathlib import Path

import numpy as np

from weakspot.data import ObjectAnnotation, Sample
from weakspot.data.rle import encode_rle
from weakspot.training.taught_samples import join_taught, read_taught, write_taught


def test_all_that_teaches_is_read_back(tmp_path):
    mask = encode_rle(np.eye(4, dtype=bool))
    objects = (
        ObjectAnnotation("red", (1.5, 2.0, 3.0, 4.0)),
        ObjectAnnotation("red", point=(0.0, 0.0)),
        ObjectAnnotation("blue", mask=mask),
        ObjectAnnotation("green", mask_files=(tmp_path / "mask.png",)),
        ObjectAnnotation("label only"),
    )
    samples = [
        Sample("a", tmp_path / "é 1.png", "", objects, (480, 640)),
        Sample("empty", tmp_path / "empty.png"),
    ]
    write_taught(tmp_path, samples)
    assert read_taught(tmp_path) == samples


def test_a_run_that_was_not_taught_has_none(tmp_path):
    assert read_taught(tmp_path) == []


def test_what_is_said_now_replaces_what_was_said_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    box = ObjectAnnotation("red", (1.0, 2.0, 3.0, 4.0))
    before = [Sample(name, tmp_path / f"{name}.png", objects=(box,)) for name in "abc"]
    write_taught(tmp_path, before)
    now = [Sample("again", Path("a.png")), Sample("d", Path("d.png"), objects=(box,))]  # the same file
    joined = join_taught(tmp_path, now, forget=[Path("c.png")])
    assert [sample.image_id for sample in joined] == ["again", "d", "b"]
