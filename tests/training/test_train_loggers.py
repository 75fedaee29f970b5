import csv

import pytest
from lightning.pytorch.loggers import CSVLogger
from small_runs import assert_same, rows, small

from weakspot.errors import InputError
from weakspot.training.loggers import LOGGERS, check_loggers, make_loggers


def test_the_csv_logger_writes_into_the_run_folder_what_the_rows_say(scenes, tmp_path):
    run = small(scenes, tmp_path / "run", logger=("csv",))
    (file,) = run.rglob("metrics.csv")
    with file.open(newline="") as opened:
        told = list(csv.DictReader(opened))
    losses = [float(row["val_loss"]) for row in told if row["val_loss"]]
    assert losses == pytest.approx([row["val_loss"] for row in rows(run)], abs=1e-5)
    assert [float(row["train_loss"]) for row in told if row["train_loss"]] == pytest.approx(
        [row["train_loss"] for row in rows(run)], abs=1e-5
    )
    assert_same(run, small(scenes, tmp_path / "other"))


def test_tensorboard_writes_its_events_into_the_run_folder(scenes, tmp_path):
    run = small(scenes, tmp_path / "run", logger="tensorboard")
    (events,) = run.rglob("events.out.tfevents.*")
    assert b"val_loss" in events.read_bytes()


def test_loggers_of_lightning_are_taken_as_they_are(tmp_path):
    mine = CSVLogger(tmp_path)
    assert make_loggers([mine], tmp_path) == [mine]
    assert make_loggers([], tmp_path) == []


def test_an_unknown_logger_is_refused_with_one_that_is_near():
    with pytest.raises(InputError, match="no logger 'tensorbord'") as refused:
        check_loggers(["csv", "tensorbord"])
    assert refused.value.hint == "Did you mean tensorboard?"


@pytest.mark.parametrize(("name", "package"), [("wandb", "wandb"), ("tensorboard", "tensorboard")])
def test_a_logger_without_its_package_says_what_to_install(name, package, tmp_path, monkeypatch):
    def missing(*_, **__):
        raise ModuleNotFoundError(package)

    monkeypatch.setattr(f"lightning.pytorch.loggers.{LOGGERS[name][0]}", missing)
    with pytest.raises(InputError, match=f"needs the package {package}") as refused:
        make_loggers([name], tmp_path)
    assert refused.value.hint == f"Run: pip install {package}"
