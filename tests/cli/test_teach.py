from pathlib import Path

from PIL import Image
from small_graphs import run_folder
from small_runs import TINY_SCENES, TINY_TRAINING
from squares import write

from weakspot.cli.app import main


def test_a_run_is_taught_and_the_scores_are_printed(tmp_path, monkeypatch, capsys, one_thread):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("weakspot.training.lesson._FEW_FOLDS", 2)
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


def test_boxes_of_a_class_that_the_run_lacks_are_refused_with_the_class_that_was_meant(tmp_path, capsys):
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (8, 8), (80 * i, 0, 0)).save(tmp_path / "data" / name / f"{i}.png")
    (tmp_path / "run").mkdir()
    run = run_folder(tmp_path / "run")
    typo = tmp_path / "typo.csv"
    typo.write_text("image_id,class,xmin,ymin,xmax,ymax\ncat/0,cta,0,0,4,4\ncat/1,cta,0,0,4,4\ndog/0,dog,0,0,4,4\n")
    assert main(["teach", str(run), str(tmp_path / "data"), "--boxes", str(typo)]) == 2
    *_, problem, hint = capsys.readouterr().err.splitlines()
    assert "2 boxes, masks or points (cta) are of no class of" in problem
    assert hint == "Did you mean cat?"
