"""Messages of a run on stderr and in its log file."""

import logging

import pytest
from small_runs import small

from weakspot.training.messages import log_messages
from weakspot.training.progress import ProgressCallback

logger = logging.getLogger("weakspot.training.test")
ROW = {"epoch": 2, "step": 5, "train_loss": 0.25, "val_loss": 0.5, "val_accuracy": 1.0, "seconds": 1.5}
LINE = "epoch 2 of 3: loss 0.250, val loss 0.500, val accuracy 1.000 (1.5 s, 2 s left)"


@pytest.mark.parametrize("terminal", [False, True])
def test_an_epoch_is_a_message_unless_the_bar_shows_it_and_always_logged(terminal, tmp_path, capsys, monkeypatch):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")  # rich then treats the console as a terminal
    with log_messages(enabled=True) as log_to:
        log_to(tmp_path / "train.log")
        ProgressCallback(3).report_epoch(ROW)
    assert (tmp_path / "train.log").read_text() == f"{LINE}\n"
    assert capsys.readouterr().err == ("" if terminal else f"{LINE}\n")


def test_the_bar_shows_epochs_on_a_terminal(scenes, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    run = small(scenes, tmp_path / "run")
    err, lines = capsys.readouterr().err, (run / "train.log").read_text().splitlines()
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert [line.split(":")[0] for line in epochs] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert ["s left)" in line for line in epochs] == [False, True]
    assert "epoch 2 of 2, loss " in err
    assert "\nepoch 2 of 2: loss" not in err
    assert lines[-1] in err


def test_messages_before_the_file_is_known_come_first_and_once(tmp_path, capsys):
    with log_messages(enabled=True) as log_to:
        logger.info("one")
        log_to(tmp_path / "train.log")
        logger.info("two")
        logger.debug("three")
    logger.info("after the run")
    assert (tmp_path / "train.log").read_text() == "one\ntwo\nthree\n"
    assert capsys.readouterr().err == "one\ntwo\n"


def test_processes_other_than_rank_zero_write_nothing(tmp_path, capsys):
    with log_messages(enabled=False) as log_to:
        logger.info("one")
        log_to(tmp_path / "train.log")
        logger.info("two")
    assert not (tmp_path / "train.log").exists()
    assert capsys.readouterr().err == ""
