import json

from PIL import Image

from weakspot.cli import main
from weakspot.commands.demo import METHODS, PHOTOS, demo, photo_path


def test_the_demo_finds_the_objects_and_writes_what_it_found(tmp_path):
    outcome = demo(tmp_path / "demo")
    labels = {name: found[0].label for name, found in outcome.found.items()}
    assert labels == {
        "chelsea.png": "Egyptian cat",
        "coffee.png": "espresso",
        "motorcycle_left.png": "moped",
        "rocket.jpg": "missile",
    }
    rows = [json.loads(line) for line in outcome.rows.read_text().splitlines()]
    assert len(rows) == len(PHOTOS) * len(METHODS)
    with Image.open(outcome.sheet) as sheet:
        assert sheet.width > 1200
    x1, _, x2, _ = outcome.found["rocket.jpg"][0].box
    assert x1 < 320 < x2  # the rocket stands in the middle


def test_the_command_prints_a_table_and_the_files(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["demo", "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "Egyptian cat" in printed
    assert str(tmp_path / "contact-sheet.png") in printed


def test_the_photos_are_there():
    assert all(photo_path(name).is_file() for name in PHOTOS)
