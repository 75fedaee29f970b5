"""What is written at the end of a run."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from weakspot.data import ObjectAnnotation, Sample
from weakspot.training.finalize import _held_out, learning_curves

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


@pytest.mark.parametrize(
    ("in_training", "in_validation", "count"),
    [
        pytest.param(10, 29, 0, id="too few to calibrate on"),
        pytest.param(10, 40, 40, id="all"),
        pytest.param(0, 40, 0, id="they must teach"),
        pytest.param(0, 70, 30, id="enough for both"),
    ],
)
def test_boxes_that_teach_a_run_do_not_calibrate_it(in_training, in_validation, count):
    box, label = ObjectAnnotation("red", (0.0, 0.0, 4.0, 4.0)), ObjectAnnotation("red")
    training, validation = (
        [Sample(f"{i}", Path(f"{i}"), objects=(box if i < boxed else label,)) for i in range(boxed + 5)]
        for boxed in (in_training, in_validation)
    )
    held_out = _held_out(training, validation, seed=0)
    assert len(held_out) == count
    assert all(sample.objects == (box,) for sample in held_out)
    assert held_out == _held_out(training, validation, seed=0)
