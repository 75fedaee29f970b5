"""A training whose loss is not finite stops in that epoch and keeps the best one before."""

import math

import pytest
import torch
from refusals import refused
from small_runs import rows, small, weights, write_discs

import weakspot as ws
from weakspot.training.lightning_module import WsolModule


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_discs(tmp_path_factory.mktemp("data"), {"train": 8, "val": 4})


def diverge_in(epoch, monkeypatch, value=math.nan):
    step = WsolModule.training_step

    def training_step(self, batch, batch_idx):
        return step(self, batch, batch_idx) * (value if self.current_epoch + 1 == epoch else 1)

    monkeypatch.setattr(WsolModule, "training_step", training_step)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_best_epoch_before_is_kept(value, data, tmp_path, monkeypatch):
    diverge_in(2, monkeypatch, value)
    with refused("loss-not-finite", "epoch 2", "0.0001", "--lr", tmp_path / "run"):
        small(data, tmp_path / "run", epochs=4, lr=1e-4)
    assert [row["epoch"] for row in rows(tmp_path / "run")] == [1]
    assert all(torch.from_numpy(value).isfinite().all() for value in weights(tmp_path / "run").values())
    assert ws.Localizer(tmp_path / "run").class_names == ("blue", "red")


def test_nothing_is_kept_if_the_first_epoch_diverges(data, tmp_path):
    with refused("loss-not-finite", "NaN in epoch 1", "1e+20", "--lr"):
        small(data, tmp_path / "run", lr=1e20, freeze="none")
    assert not (tmp_path / "run").exists()
