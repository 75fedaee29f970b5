import re
from pathlib import Path

from small_runs import TINY_SCENES, TINY_TRAINING
from squares import write

from weakspot.cli.app import main
from weakspot.models.checkpoint import read_metadata


def test_the_thresholds_of_a_run_are_refitted_and_printed(tmp_path, monkeypatch, capsys, one_thread):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "data", TINY_SCENES)
    assert main(["train", "data", *TINY_TRAINING.split(), "--output", "run"]) == 0
    capsys.readouterr()
    assert main(["threshold", "run", "data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("GT-known Loc of 4 boxes")
    assert [line[:28].strip() for line in lines[1:4]] == [
        "thresholds of the run",
        "all shifted alike",
        "one for each class",
    ]
    assert all(0 <= float(line[28:]) <= 100 for line in lines[1:4])
    threshold = float(re.search(r"the threshold (\d\.\d\d)", lines[4])[1])
    assert abs(read_metadata(Path("run")).info.threshold - threshold) <= 0.005


def test_what_is_not_a_run_or_a_data_set_is_refused(tmp_path, capsys):
    assert main(["threshold", str(tmp_path / "run"), str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_thresholds_are_not_refitted_to_predictions_unless_asked_for(tmp_path, monkeypatch, capsys, one_thread):
    """The boxes of one image have scores: a person has not confirmed them."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "data", TINY_SCENES)
    assert main(["train", "data", *TINY_TRAINING.split(), "--output", "run"]) == 0
    file = tmp_path / "data" / "annotations.csv"
    header, *rows = file.read_text().splitlines()
    file.write_text("\n".join([f"{header},score", *(f"{row},{'0.9' * (i == 0)}" for i, row in enumerate(rows))]))
    for words, boxes, said in (([], 3, "left out"), (["--use-predictions"], 4, "as if")):
        capsys.readouterr()
        assert main(["threshold", "run", "data", *words]) == 0
        out, err = capsys.readouterr()
        assert f"of {boxes} boxes" in out
        assert err.startswith("note: 1 label is a prediction")
        assert said in err
