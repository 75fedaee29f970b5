"""Learning curves of a run."""

from xml.etree import ElementTree

import pytest

from weakspot.training.finalize import learning_curves

EPOCH = {"epoch": 1, "step": 5, "train_loss": 0.7, "lr": 0.1, "seconds": 1.0}


@pytest.mark.parametrize(("score", "name"), [("val_accuracy", "validation accuracy"), ("val_f1", "validation F1")])
def test_losses_and_the_score_are_plotted_and_the_first_best_epoch_is_marked(score, name):
    losses = (0.9, 0.5, 0.5)
    history = [{**EPOCH, "epoch": i + 1, "val_loss": loss, score: 0.5} for i, loss in enumerate(losses)]
    svg = learning_curves(history).decode()
    ElementTree.fromstring(svg)
    axes = ("epoch", "loss", "fraction of validation images")
    for text in (*axes, "training loss", "validation loss", name, "best: epoch 2"):
        assert f">{text}<" in svg


def test_a_run_without_validation_has_one_curve_and_equal_metrics_give_equal_files():
    history = [EPOCH, {**EPOCH, "epoch": 2}]
    svg = learning_curves(history)
    assert b">training loss<" in svg
    assert b"validation loss" not in svg
    assert b"best:" not in svg
    assert learning_curves(history) == svg
