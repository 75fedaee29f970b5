import json

import pytest
from PIL import Image

import weakspot as ws
from weakspot.cli import demo as module
from weakspot.cli.app import main
from weakspot.cli.demo import IMAGES, METHODS, TRAINED, demo, demo_training, sample_image


def test_the_demo_finds_the_objects_and_writes_what_it_found(tmp_path):
    outcome = demo(tmp_path / "demo")
    labels = {name: found[0].label for name, found in outcome.localizations.items()}
    assert labels == {
        "chelsea.png": "Egyptian cat",
        "coffee.png": "espresso",
        "motorcycle_left.png": "moped",
        "rocket.jpg": "missile",
    }
    rows = [json.loads(line) for line in outcome.rows.read_text().splitlines()]
    assert len(rows) == len(IMAGES) * len(METHODS)
    with Image.open(outcome.sheet) as sheet:
        assert sheet.width > 1200
    x1, _, x2, _ = outcome.localizations["rocket.jpg"][0].box
    assert x1 < 320 < x2  # the rocket stands in the middle


@pytest.fixture
def quick(monkeypatch):
    """A training of seconds: few scenes, at a small size."""
    monkeypatch.setattr(module, "COUNTS", {"train": 16, "val": 8, "test": 8})
    small = {"epochs": 1, "width": 8, "input_size": 64, "batch_size": 8}
    methods = {
        name: (method, small | ({"width": None} if method == "cam" else {})) for name, (method, _) in TRAINED.items()
    }
    monkeypatch.setattr(module, "TRAINED", methods)


@pytest.mark.exhaustive
def test_the_demo_trains_on_labels_and_the_command_prints_a_table_and_the_files(tmp_path, capsys, monkeypatch, quick):
    outcome = demo_training(tmp_path)
    assert list(outcome.evaluation.rows) == ["cam", "acol", "centred Gaussian", "full-image box"]
    assert outcome.evaluation.rows["acol"].metrics.keys() >= {"GT-known Loc", "PxAP"}
    assert [ws.Localizer(run).method for run in outcome.runs.values()] == ["cam", "acol"]
    with Image.open(outcome.sheet) as sheet:
        assert sheet.width > 3 * 224
    (tmp_path / "runs" / "left").mkdir()
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["demo", "--output", str(tmp_path)]) == 0
    again = {run for run in (tmp_path / "runs").iterdir() if not run.is_symlink()}
    assert again == set(outcome.runs.values())  # what an earlier demo wrote is replaced
    printed = capsys.readouterr().out
    assert "Egyptian cat" in printed
    assert str(tmp_path / "contact-sheet.png") in printed
    assert "full-image box" in printed
    assert str(tmp_path / "trained.png") in printed


def test_the_images_are_there():
    assert all(sample_image(name).is_file() for name in IMAGES)
