"""What is told of a run, and what its log keeps of it."""

import pytest
from small_runs import small

from weakspot.training.progress import Log


@pytest.mark.parametrize("terminal", [False, True])
def test_the_log_has_every_epoch_on_a_terminal_or_not(terminal, scenes, tmp_path, capsys, monkeypatch):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the console for a terminal then
    run = small(scenes, tmp_path / "run")
    told, kept = capsys.readouterr().err, (run / "train.log").read_text()
    assert [line.split(":")[0] for line in kept.splitlines()[1:3]] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert ("\nepoch 1 of 2: loss" in told) is not terminal  # there the bar has it
    assert ["s left)" in line for line in kept.splitlines()[1:3]] == [False, True]  # features are computed in the first
    assert kept.splitlines()[-1] in told
    assert ("epoch 2 of 2, loss " in told) is terminal


def test_lines_from_before_there_is_a_file_come_first_and_once(tmp_path, capsys):
    log = Log()
    log("one")
    log.keep_in(tmp_path / "train.log")
    log("two")
    log.keep("three")
    assert (tmp_path / "train.log").read_text() == "one\ntwo\nthree\n"
    assert capsys.readouterr().err == "one\ntwo\n"


def test_processes_beside_the_first_say_nothing(tmp_path, capsys):
    log = Log(aloud=False)
    log("one")
    log.keep_in(tmp_path / "train.log")
    log("two")
    assert not (tmp_path / "train.log").exists()
    assert capsys.readouterr().err == ""
