from xml.etree import ElementTree

import pytest

from weakspot.training.curves import learning_curves

ONE = {"epoch": 1, "step": 5, "train_loss": 0.7, "lr": 0.1, "seconds": 1.0}
WORDS = ["epoch", "loss", "training loss", "validation loss"]


def drawn(rows):
    svg = learning_curves(rows).decode()
    ElementTree.fromstring(svg)
    return svg


@pytest.mark.parametrize(("score", "name"), [("val_accuracy", "validation accuracy"), ("val_f1", "validation F1")])
def test_losses_and_the_score_are_drawn_and_the_first_best_epoch_is_marked(score, name):
    losses = (0.9, 0.5, 0.5)
    rows = [{**ONE, "epoch": i + 1, "val_loss": loss, score: 0.5} for i, loss in enumerate(losses)]
    svg = drawn(rows)
    for word in (*WORDS, name, "kept: epoch 2", "share of validation images"):
        assert f">{word}<" in svg


def test_a_run_without_validation_has_one_curve():
    svg = drawn([ONE, {**ONE, "epoch": 2}])
    assert ">training loss<" in svg
    assert "validation loss" not in svg
    assert "kept" not in svg


def test_the_same_rows_give_the_same_picture():
    assert learning_curves([ONE]) == learning_curves([ONE])
