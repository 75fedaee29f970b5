"""Learning rates, frozen weights, the metrics of epochs, and which epoch is kept."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_networks import built
from small_runs import SMALL, rows, small, weights
from torch import nn

from weakspot import Localizer
from weakspot.data import read_dataset
from weakspot.models.networks import Criterion, parse_method
from weakspot.training.lightning_module import OptimizerConfig, WsolModule, _combined_seed, _warmup_cosine
from weakspot.training.options import TrainOptions
from weakspot.training.setup import set_up


def make_module(method="cam", *, frozen=False, steps=100, **options):
    network = built(method, classes=2, **options)
    config = OptimizerConfig(parse_method(method), frozen, lr=1e-3, weight_decay=0.1, seed=0, steps=steps)
    return WsolModule(network.network, Criterion(), network.preprocessing, config, 2)


def groups_by_name(module):
    names = {id(parameter): name for name, parameter in module.network.named_parameters()}
    groups = module.configure_optimizers()["optimizer"].param_groups
    return {names[id(parameter)]: group for group in groups for parameter in group["params"]}


@pytest.mark.parametrize("method", ["cam", "acol", "spg", "ts_cam"])
def test_heads_have_ten_times_the_learning_rate_and_only_weights_decay(method):
    module = make_module(method)
    groups = groups_by_name(module)
    assert groups.keys() == {name for name, _ in module.network.named_parameters()}
    for name, parameter in module.network.named_parameters():
        assert groups[name]["initial_lr"] == pytest.approx(1e-2 if name.startswith("head.") else 1e-3)
        assert groups[name]["weight_decay"] == (0.1 if parameter.dim() > 1 else 0)


def test_norms_do_not_decay():
    module = make_module(backbone="test_resnet")
    norms = [name for name, layer in module.network.named_modules() if isinstance(layer, nn.BatchNorm2d)]
    assert norms
    assert {groups_by_name(module)[f"{name}.weight"]["weight_decay"] for name in norms} == {0}


def test_a_frozen_backbone_is_not_trained():
    module = make_module(frozen=True)
    assert all(name.startswith("head.") for name in groups_by_name(module))
    assert not any(parameter.requires_grad for parameter in module.network.trunk.parameters())
    head = {name for name in module.network.state_dict() if name.startswith("head.")}
    assert set(module.trainable_state_dict()) == head
    module.train()
    assert not module.network.trunk.training
    assert module.network.head.training


def test_the_learning_rate_warms_up_and_decays_to_zero_as_a_cosine():
    factor = _warmup_cosine(100)
    assert [factor(step) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1])
    assert factor(5) == 1
    assert factor(5 + 95 // 2 + 0.5) == pytest.approx(0.5)
    assert factor(100) == pytest.approx(0)
    assert factor(120) == pytest.approx(0)
    decay = [factor(step) for step in range(5, 101)]
    assert decay == sorted(decay, reverse=True)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_runs_have_a_learning_rate(steps):
    assert _warmup_cosine(steps)(0) > 0


def test_seeds_of_steps_differ():
    keys = [
        (seed, epoch, step, rank) for seed in range(3) for epoch in range(3) for step in range(9) for rank in (0, 1)
    ]
    assert len({_combined_seed(*key) for key in keys}) == len(keys)


def test_the_metrics_of_a_run_are_json_of_plain_numbers(scenes_run):
    history = [json.loads(line) for line in (scenes_run / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in history] == [1, 2]
    for row in history:
        assert set(row) == {"epoch", "step", "train_loss", "val_loss", "val_accuracy", "lr", "seconds"}
    # lr is the learning rate of the next step; an epoch has 5 steps
    assert [row["lr"] for row in history] == pytest.approx([1e-4 * _warmup_cosine(10)(step) for step in (5, 10)])


def test_the_validation_score_is_the_accuracy_of_the_model(scenes_run, scenes):
    localizer = Localizer(scenes_run)
    validation = read_dataset(scenes).of_split("val")
    correct = [localizer(sample.path).label == sample.annotations[0].label for sample in validation]
    best = min(rows(scenes_run), key=lambda row: row["val_loss"])
    assert best["val_accuracy"] == pytest.approx(np.mean(correct), abs=1e-6)


@pytest.mark.parametrize("method", ["cam", "has"])  # cached features, and a backbone that runs in each epoch
def test_a_frozen_backbone_keeps_its_weights(method, scenes, frozen_run, tmp_path):
    options = {**SMALL, "freeze": "backbone", "method": method}
    initial = set_up(read_dataset(scenes), TrainOptions(**options)).built.network.state_dict()
    trained = weights(frozen_run if method == "cam" else small(scenes, tmp_path / "run", **{**options, "epochs": 1}))
    backbone = [name for name in initial if name.startswith("trunk.")]
    assert any("running_mean" in name for name in backbone)
    assert all(np.array_equal(initial[name].numpy(), trained[name]) for name in backbone)
    head = [name for name in initial if name.startswith("head.")]
    assert not all(np.array_equal(initial[name].numpy(), trained[name]) for name in head)


def test_cached_features_equal_those_of_a_backbone_that_runs(scenes, frozen_run, tmp_path, monkeypatch):
    monkeypatch.setattr("weakspot.training.feature_cache.MAX_CACHE_BYTES", 0)
    uncached = small(scenes, tmp_path / "run", freeze="backbone", lr=0.01)
    assert "The features do not fit into memory" in (uncached / "train.log").read_text()
    for row, expected in zip(rows(uncached), rows(frozen_run), strict=True):
        assert row == pytest.approx(expected, abs=1e-4)
    for name, value in weights(frozen_run).items():
        np.testing.assert_allclose(weights(uncached)[name], value, atol=1e-4, err_msg=name)


def test_accumulated_gradients_equal_those_of_a_larger_batch(scenes, frozen_run, tmp_path):
    options = {"batch_size": 2, "accumulate_grad_batches": 2}
    accumulated = small(scenes, tmp_path / "run", freeze="backbone", lr=0.01, **options)
    assert [row["step"] for row in rows(accumulated)] == [row["step"] for row in rows(frozen_run)] == [5, 10]
    for name, value in weights(frozen_run).items():
        np.testing.assert_allclose(weights(accumulated)[name], value, atol=1e-5, err_msg=name)


def centered(network):
    """Return the weights as a run saves them: without the mean over the classes."""
    state = {name: value.clone() for name, value in network.state_dict().items()}
    means = {name: value.mean(dim=0, keepdim=True) for name, value in state.items() if ".classifier." in name}
    return {name: value - means[name] if name in means else value for name, value in state.items()}


@pytest.fixture
def weights_of_epochs(monkeypatch):
    """The weights after each epoch, as a run would save them."""
    states, original = [], WsolModule.on_train_epoch_end

    def end(module):
        states.append(centered(module.network))
        original(module)

    monkeypatch.setattr(WsolModule, "on_train_epoch_end", end)
    return states


@pytest.mark.parametrize(("losses", "best"), [((3, 1, 2), 1), ((3, 2, 1), 2), ((1, 1, 1), 0)])
def test_the_weights_of_the_first_best_epoch_are_kept(losses, best, scenes, tmp_path, weights_of_epochs, monkeypatch):
    remaining, end = iter(losses), WsolModule.on_train_epoch_end

    def end_with_loss(module):
        loss = torch.tensor(next(remaining))
        monkeypatch.setattr(module.val_loss, "compute", lambda: loss)
        end(module)

    monkeypatch.setattr(WsolModule, "on_train_epoch_end", end_with_loss)
    run = small(scenes, tmp_path / "run", epochs=3, lr=0.01, batch_size=10, quality="plain")
    saved = weights(run)
    for epoch, state in enumerate(weights_of_epochs):
        equal = all(np.array_equal(saved[name], value.numpy()) for name, value in state.items())
        assert equal == (epoch == best)
    assert f"Best epoch: {best + 1}," in (run / "train.log").read_text()


def test_the_last_epoch_is_kept_without_validation(scenes, tmp_path, weights_of_epochs, monkeypatch):
    def set_up_without_validation(*arguments):
        setup = set_up(*arguments)
        empty = replace(setup.data.validation, samples=(), pixels=())
        return replace(setup, data=replace(setup.data, validation=empty))

    monkeypatch.setattr("weakspot.training.run.set_up", set_up_without_validation)
    run = small(scenes, tmp_path / "run", lr=0.01, batch_size=10, quality="plain")
    saved = weights(run)
    assert all(np.array_equal(saved[name], value.numpy()) for name, value in weights_of_epochs[-1].items())
    assert "Best epoch: 2; threshold" in (run / "train.log").read_text()
