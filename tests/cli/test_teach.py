from pathlib import Path

from small_runs import TINY_SCENES, TINY_TRAINING
from squares import write

from weakspot.cli.app import main


def test_a_run_is_taught_and_the_scores_are_printed(tmp_path, monkeypatch, capsys, one_thread):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("weakspot.training.teach._FEW_FOLDS", 2)
    write(tmp_path / "data", TINY_SCENES)
    assert main(["train", "data", *TINY_TRAINING.split(), "--output", "run"]) == 0
    capsys.readouterr()
    assert main(["teach", "run", "data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "4 boxes" in lines[0]
    assert all(0 <= float(line[28:]) <= 100 for line in lines[1:4])
    assert lines[4].startswith("run ")
    finds_nothing = float(lines[3][28:]) == 0
    assert Path("run/taught.jsonl").exists() != finds_nothing


def test_what_is_not_a_run_or_has_no_boxes_is_refused(tmp_path, capsys):
    assert main(["teach", str(tmp_path / "run"), str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
