"""Lightning loggers of a run."""

import csv

import pytest
from lightning.pytorch.loggers import CSVLogger
from refusals import refused
from small_runs import assert_same, rows, small

from weakspot.training.loggers import LOGGERS, check_loggers, make_loggers


def test_loggers_write_the_metrics_into_the_run_folder_and_change_no_weight(scenes, scenes_run, tmp_path):
    run = small(scenes, tmp_path / "run", logger=("csv", "tensorboard"))
    (file,) = run.rglob("metrics.csv")
    with file.open(newline="") as opened:
        logged = list(csv.DictReader(opened))
    for name in ("train_loss", "val_loss"):
        values = [float(row[name]) for row in logged if row[name]]
        assert values == pytest.approx([row[name] for row in rows(run)], abs=1e-5)
    (events,) = run.rglob("events.out.tfevents.*")
    assert b"val_loss" in events.read_bytes()
    assert_same(run, scenes_run)


def test_instances_of_lightning_loggers_are_returned_unchanged(tmp_path):
    instance = CSVLogger(tmp_path)
    assert make_loggers([instance], tmp_path) == [instance]
    assert make_loggers([], tmp_path) == []


def test_an_unknown_logger_is_refused_with_a_similar_name():
    with refused("unknown-logger", "'tensorbord'", "tensorboard?"):
        check_loggers(["csv", "tensorbord"])


@pytest.mark.parametrize("name", ["wandb", "tensorboard"])
def test_a_logger_without_its_package_is_refused(name, tmp_path, monkeypatch):
    def missing(*_, **__):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(f"lightning.pytorch.loggers.{LOGGERS[name][0]}", missing)
    with refused("not-installed", f"pip install {LOGGERS[name][1]}"):
        make_loggers([name], tmp_path)
