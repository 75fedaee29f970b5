"""The training rule: what learns how fast, what stays, and which epoch is kept."""

import json

import numpy as np
import pytest
import torch
from small_networks import built
from small_runs import rows, small, weights
from torch import nn

from weakspot.models.networks import Criterion, parse_method
from weakspot.training.lightning_module import OptimizerConfig, WsolModule, _mixed, _schedule


def learner(method="cam", *, frozen=False, steps=100, **options):
    found = built(method, classes=2, **options)
    rule = OptimizerConfig(parse_method(method), frozen, lr=1e-3, weight_decay=0.1, seed=0, steps=steps)
    return WsolModule(found.network, Criterion(), found.preprocessing, rule, 2)


def groups(one):
    return one.configure_optimizers()["optimizer"].param_groups


def by_name(one):
    names = {id(parameter): name for name, parameter in one.network.named_parameters()}
    return {names[id(parameter)]: group for group in groups(one) for parameter in group["params"]}


@pytest.mark.parametrize("method", ["cam", "acol", "spg", "ts_cam"])
def test_heads_learn_ten_times_as_fast_and_only_weights_decay(method):
    one = learner(method)
    found = by_name(one)
    assert found.keys() == {name for name, _ in one.network.named_parameters()}
    for name, parameter in one.network.named_parameters():
        assert found[name]["initial_lr"] == pytest.approx(1e-2 if name.startswith("head.") else 1e-3)
        assert found[name]["weight_decay"] == (0.1 if parameter.dim() > 1 else 0)


def test_norms_do_not_decay():
    one = learner(backbone="test_resnet")
    norms = [name for name, module in one.network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert {by_name(one)[f"{name}.weight"]["weight_decay"] for name in norms} == {0}


def test_a_frozen_trunk_does_not_learn():
    one = learner(frozen=True)
    assert all(name.startswith("head.") for name in by_name(one))
    assert not any(parameter.requires_grad for parameter in one.network.trunk.parameters())
    assert set(one.learnt()) == {name for name in one.network.state_dict() if name.startswith("head.")}
    one.train()
    assert not one.network.trunk.training
    assert one.network.head.training


def test_the_rate_warms_up_and_falls_to_zero_as_a_cosine():
    factor = _schedule(100)
    assert [factor(step) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1])
    assert factor(5) == 1
    assert factor(5 + 95 // 2 + 0.5) == pytest.approx(0.5)
    assert factor(100) == pytest.approx(0)
    assert factor(120) == pytest.approx(0)
    falling = [factor(step) for step in range(5, 101)]
    assert falling == sorted(falling, reverse=True)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_runs_have_a_rate(steps):
    assert _schedule(steps)(0) > 0


def test_seeds_of_steps_differ():
    found = {
        _mixed(seed, epoch, step, rank)
        for seed in range(3)
        for epoch in range(3)
        for step in range(9)
        for rank in (0, 1)
    }
    assert len(found) == 3 * 3 * 9 * 2


def test_the_rate_of_each_epoch_is_written_down(scenes, tmp_path):
    found = rows(small(scenes, tmp_path / "run", epochs=4, lr=1e-3))
    # what is written is the rate of the next step: 5 steps an epoch
    assert [row["lr"] for row in found] == pytest.approx([1e-3 * _schedule(20)(step) for step in (5, 10, 15, 20)])


@pytest.mark.parametrize("method", ["cam", "has"])  # features that are computed once, and a trunk that runs
def test_a_frozen_trunk_comes_out_as_it_went_in(method, scenes, tmp_path):
    few = small(scenes, tmp_path / "few", freeze="backbone", method=method, epochs=1, seed=1)
    many = small(scenes, tmp_path / "many", freeze="backbone", method=method, epochs=3, seed=1)
    first, second = weights(few), weights(many)
    trunk = [name for name in first if name.startswith("trunk.")]
    assert any("running_mean" in name for name in trunk)
    assert all(np.array_equal(first[name], second[name]) for name in trunk)
    head = [name for name in first if name.startswith("head.")]
    assert not all(np.array_equal(first[name], second[name]) for name in head)


def test_features_that_are_computed_once_are_those_of_a_trunk_that_runs(scenes, tmp_path, monkeypatch):
    options = {"freeze": "backbone", "lr": 0.01, "epochs": 2}
    once = small(scenes, tmp_path / "once", **options)
    monkeypatch.setattr("weakspot.training.feature_cache.MAX_CACHE_BYTES", 0)
    each = small(scenes, tmp_path / "each", **options)
    assert "The features are too many to be kept" in (each / "train.log").read_text()
    for found, expected in zip(rows(each), rows(once), strict=True):
        assert found == pytest.approx(expected, abs=1e-4)
    for name, value in weights(once).items():
        np.testing.assert_allclose(weights(each)[name], value, atol=1e-4, err_msg=name)


def centred(network):
    """The weights as a run keeps them: less what all classes have in common."""
    state = {name: value.clone() for name, value in network.state_dict().items()}
    common = {name: value.mean(dim=0, keepdim=True) for name, value in state.items() if ".classifier." in name}
    return {name: value - common[name] if name in common else value for name, value in state.items()}


class Diary:
    """Keeps the weights of each epoch, and has the validation losses that are wanted."""

    def __init__(self, monkeypatch, losses):
        self.weights = []
        losses = iter(losses)
        original = WsolModule.on_train_epoch_end

        def end(learner):
            self.weights.append(centred(learner.network))
            wanted = next(losses)
            monkeypatch.setattr(learner.val_loss, "compute", lambda: torch.tensor(wanted))
            original(learner)

        monkeypatch.setattr(WsolModule, "on_train_epoch_end", end)


@pytest.mark.parametrize(("losses", "kept"), [((3, 1, 2), 1), ((3, 2, 1), 2), ((1, 1, 1), 0), ((1, 2, 3), 0)])
def test_the_weights_of_the_first_best_epoch_are_kept(losses, kept, scenes, tmp_path, monkeypatch):
    diary = Diary(monkeypatch, losses)
    run = small(scenes, tmp_path / "run", epochs=3, lr=0.01)
    found = weights(run)
    for epoch, state in enumerate(diary.weights):
        same = all(np.array_equal(found[name], value.numpy()) for name, value in state.items())
        assert same == (epoch == kept)
    assert f"epoch {kept + 1} is kept" in (run / "train.log").read_text()


def test_the_last_epoch_is_kept_where_nothing_validates(scenes, tmp_path, monkeypatch):
    from weakspot.training.setup import set_up

    def without(*words):
        from dataclasses import replace

        found = set_up(*words)
        grounds = found.grounds
        empty = replace(grounds.validation, readable=(), pixels=())
        return replace(found, grounds=replace(grounds, validation=empty))

    monkeypatch.setattr("weakspot.training.run.set_up", without)
    states = []
    original = WsolModule.on_train_epoch_end

    def end(learner):
        original(learner)
        states.append(centred(learner.network))

    monkeypatch.setattr(WsolModule, "on_train_epoch_end", end)
    run = small(scenes, tmp_path / "run", lr=0.01)
    assert all(np.array_equal(weights(run)[name], value.numpy()) for name, value in states[-1].items())
    assert "epoch 2 is kept; threshold" in (run / "train.log").read_text()


def test_the_rows_of_a_run_are_json_of_plain_numbers(scenes, tmp_path):
    run = small(scenes, tmp_path / "run")
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    for line in lines:
        assert set(json.loads(line)) == {"epoch", "step", "train_loss", "val_loss", "val_accuracy", "lr", "seconds"}


def test_the_validation_score_is_the_share_of_images_that_the_model_gets_right(scenes, tmp_path):
    from weakspot import Localizer
    from weakspot.data import read_dataset

    run = small(scenes, tmp_path / "run", epochs=1, lr=0.01)
    localizer = Localizer(run)
    held = [example for example in read_dataset(scenes).samples if example.split == "val"]
    right = [localizer(example.path).label == example.annotations[0].label for example in held]
    assert rows(run)[0]["val_accuracy"] == pytest.approx(np.mean(right), abs=1e-6)


def test_accumulated_gradients_are_those_of_a_larger_batch(scenes, tmp_path):
    options = {"freeze": "backbone", "lr": 0.01, "epochs": 2}
    small_steps = small(scenes, tmp_path / "small", **options, batch_size=5, accumulate_grad_batches=2)
    large_steps = small(scenes, tmp_path / "large", **options, batch_size=10)
    assert [row["step"] for row in rows(small_steps)] == [row["step"] for row in rows(large_steps)] == [2, 4]
    for name, value in weights(large_steps).items():
        np.testing.assert_allclose(weights(small_steps)[name], value, atol=1e-5, err_msg=name)
