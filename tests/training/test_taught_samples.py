from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from refusals import refused
from small_graphs import run_folder

from weakspot.data import ObjectAnnotation, Sample
from weakspot.data.rle import encode_rle
from weakspot.training.taught_samples import TAUGHT, join_taught, read_taught, write_taught


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
        Sample("uncertain", tmp_path / "b.png", by_uncertainty=True),
    ]
    write_taught(tmp_path, samples)
    assert read_taught(tmp_path) == samples


def test_a_run_that_was_not_taught_has_none(tmp_path):
    assert read_taught(tmp_path) == []


def test_what_is_said_now_replaces_what_was_said_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    box = ObjectAnnotation("red", (1.0, 2.0, 3.0, 4.0))
    before = [Sample(name, tmp_path / f"{name}.png", objects=(box,)) for name in "abc"]
    for sample in before:
        Image.new("RGB", (8, 8)).save(sample.path)
    write_taught(tmp_path, before)
    now = [Sample("again", Path("a.png")), Sample("d", Path("d.png"), objects=(box,))]  # the same file
    joined = join_taught(tmp_path, now, forget=[Path("c.png")])
    assert [sample.image_id for sample in joined] == ["again", "d", "b"]


def test_what_teaches_nothing_does_not_replace_what_was_said_before(tmp_path):
    run = run_folder(tmp_path, background_index=3)
    box = (1.0, 2.0, 3.0, 4.0)
    before = [Sample(name, tmp_path / f"{name}.png", objects=(ObjectAnnotation("cat", box),)) for name in "abcdef"]
    for sample in before:
        sample.path.touch()
    write_taught(run, before)
    objects = {
        "a": [ObjectAnnotation("cta", box)],
        "b": [ObjectAnnotation("cat")],
        "c": [ObjectAnnotation("cta", box), ObjectAnnotation("dog", point=(1.0, 2.0))],
        "d": [],
        "e": [ObjectAnnotation("None")],
        "f": [ObjectAnnotation("cta", box), ObjectAnnotation("cat")],
    }
    now = [Sample(name, tmp_path / f"{name}.png", objects=tuple(items)) for name, items in objects.items()]
    joined = join_taught(run, now)
    assert joined[:6] == now
    assert [sample.image_id for sample in joined[6:]] == ["a", "b", "f"]


def test_what_missing_images_have_taught_is_not_lost(tmp_path):
    before = [Sample(str(i), tmp_path / f"{i}.png") for i in range(20)]
    for sample in before:
        sample.path.touch()
    write_taught(tmp_path, before)
    for sample in before[:2]:
        sample.path.unlink()
    assert join_taught(tmp_path, []) == before  # a tenth
    before[2].path.unlink()
    with refused("image-not-found", "3 of 20"):
        join_taught(tmp_path, [])
    assert len(join_taught(tmp_path, [], forget=[sample.path for sample in before[:3]])) == 17


@pytest.mark.parametrize("row", ["{}", '{"image": "a", "image_id": "a", "objects": [1]}', '{"image": 1, "objects": 2}'])
def test_a_file_that_something_else_has_changed_is_refused(row, tmp_path):
    (tmp_path / TAUGHT).write_text(row)
    with refused("row-invalid", TAUGHT):
        read_taught(tmp_path)


def test_the_file_of_a_model_without_its_folder_has_none(tmp_path):
    (tmp_path / "model.safetensors").touch()
    assert read_taught(tmp_path / "model.safetensors") == []
