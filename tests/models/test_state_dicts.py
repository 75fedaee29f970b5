import pytest
import torch
from refusals import refused

from weakspot.errors import ModelError
from weakspot.models.state_dicts import find_state_dict, match_names

STATE = {"conv.weight": torch.ones(2), "conv.bias": torch.zeros(1)}
OTHER = {"conv.weight": torch.zeros(2), "conv.bias": torch.zeros(1)}
OPTIMIZER = {"state": {0: {"step": torch.ones(1)}}, "param_groups": [{"lr": 0.1}]}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"model_state_dict": STATE, "optimizer_state_dict": OPTIMIZER, "loss": 0.1},
        {"net": STATE, "acc": 90.0},
        {"model": STATE, "model_ema": OTHER},
        {"model_ema": STATE, "optimizer": {}},
        {"model": {"state_dict": STATE}, "epoch": 1},
        {"classifier": STATE, "epoch": 1, "loss": torch.ones(3)},
        {"weights": torch.ones(3), "my_model": STATE, "config": {}},
    ],
)
def test_the_state_dict_of_a_checkpoint_is_found(content):
    assert find_state_dict(content) is STATE


@pytest.mark.parametrize(
    "content", [[STATE], {"first": STATE, "second": OTHER}, {"epoch": 3}, None, STATE["conv.bias"]]
)
def test_other_content_has_no_state_dict(content):
    assert find_state_dict(content) is None


def prefixed(prefix, state=STATE):
    return {prefix + name: value for name, value in state.items()}


@pytest.mark.parametrize(
    "weights",
    [
        STATE,
        prefixed("module."),
        prefixed("_orig_mod."),
        prefixed("module._orig_mod."),
        prefixed("net.") | {"loss.weight": torch.ones(1)},
        prefixed("lit.classifier.net."),
        {"conv._orig_mod.weight": STATE["conv.weight"], "conv._orig_mod.bias": STATE["conv.bias"]},
        prefixed("ema.", OTHER) | prefixed("model."),
    ],
)
def test_prefixes_of_wrappers_are_removed(weights):
    found = match_names(weights, STATE)
    assert set(found) == set(STATE)
    assert all(found[name] is STATE[name] for name in STATE)


def test_several_models_in_one_file_are_refused():
    with refused("weights-mismatch", "student., teacher.", kind=ModelError):
        match_names(prefixed("student.") | prefixed("teacher.", OTHER), STATE)


def test_names_that_do_not_fit_are_kept():
    weights = STATE | {"extra.weight": torch.ones(1)}
    assert match_names(weights, STATE) == weights
    assert match_names(STATE, ["features.weight"]) == STATE
