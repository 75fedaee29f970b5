from pathlib import Path

from squares import Scene, write

from weakspot.cli.app import main
from weakspot.models.checkpoint import read_metadata

TINY = "--backbone test_efficientnet --weights none --input-size 64 --workers 0 --batch-size 4 --epochs 1"
SCENES = (
    Scene("red/a", (("red", (20, 10, 80, 60)),), "train"),
    Scene("red/b", (("red", (30, 10, 90, 60)),), "train"),
    Scene("green/c", (("green", (50, 30, 110, 75)),), "train"),
    Scene("green/d", (("green", (10, 20, 70, 65)),), "val"),
)


def test_a_run_is_taught_and_the_scores_are_printed(tmp_path, monkeypatch, capsys, one_thread):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "data", SCENES)
    assert main(["train", "data", *TINY.split(), "--output", "run"]) == 0
    capsys.readouterr()
    assert main(["teach", "run", "data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "4 boxes" in lines[0]
    assert all(0 <= float(line[28:]) <= 100 for line in lines[1:4])
    assert lines[4].startswith("run ")
    assert "4 boxes" in read_metadata(Path("run")).threshold_from


def test_what_is_not_a_run_or_has_no_boxes_is_refused(tmp_path, capsys):
    assert main(["teach", str(tmp_path / "run"), str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
