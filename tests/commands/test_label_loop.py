"""The whole round: train, localize, label in every format, a person corrects, and what comes back is scored and learnt."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from weakspot.cli import main
from weakspot.data import read_dataset
from weakspot.data.synthetic import Setting, write_scenes
from weakspot.models.weights import read_header

pytestmark = pytest.mark.usefixtures("one_thread")

FORMATS = ("coco", "yolo", "voc", "labelstudio", "csv", "masks")
SMALL = ("--backbone=test_efficientnet", "--weights=none", "--input-size=64", "--workers=0", "--epochs=1")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Sixteen scenes, what a small run finds in them, and labels of it in every format."""
    folder = tmp_path_factory.mktemp("round")
    scenes = write_scenes(folder / "scenes", {"train": 12, "val": 4}, Setting(2, size=64))
    assert main(["train", str(scenes), *SMALL, f"--output={folder / 'run'}"]) == 0
    found = ["--model", str(folder / "run"), "--boxes", "all", "--save-masks", "--output", str(folder / "found")]
    assert main(["localize", str(scenes / "images"), *found]) == 0
    formats = [f"--format={name}" for name in FORMATS]
    assert main(["label", str(folder / "found"), str(scenes), *formats, "--output", str(folder / "labels")]) == 1
    return folder


@pytest.fixture
def here(labelled, tmp_path, monkeypatch):
    shutil.copytree(labelled / "labels", tmp_path / "labels", symlinks=True)
    monkeypatch.chdir(tmp_path)
    return labelled


def cells(file):
    with Path(file).open(newline="") as lines:
        return list(csv.DictReader(lines))
