import os
import pickle
from argparse import Namespace

import numpy as np
import pytest
import torch
from nets import PooledNet
from refusals import refused
from safetensors.torch import save_file
from torch import nn

from weakspot.errors import ModelError
from weakspot.models.weights import load_weights, read_weights


def trained():
    torch.manual_seed(7)
    return PooledNet()


def saved(path, content):
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    return path


def prefixed(prefix, state):
    return {prefix + name: value for name, value in state.items()}


@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        pytest.param("w.safetensors", lambda state: state, id="safetensors"),
        pytest.param("w.pth", lambda state: state, id="state dict"),
        pytest.param("w.pth", lambda state: {"state_dict": state, "epoch": 3}, id="checkpoint"),
        pytest.param("w.pth", lambda state: {"model": state}, id="model entry"),
        pytest.param("w.pth", lambda state: prefixed("module.", state), id="DataParallel"),
        pytest.param("w.safetensors", lambda state: prefixed("_orig_mod.", state), id="compiled"),
        pytest.param(
            "w.ckpt",
            lambda state: {
                "state_dict": prefixed("model.", state) | {"loss.pos_weight": torch.ones(4)},
                "optimizer_states": [{"state": {0: {"step": torch.ones(1)}}, "param_groups": []}],
                "hyper_parameters": {"lr": 0.1},
            },
            id="Lightning",
        ),
        pytest.param(
            "w.pt",
            lambda state: {"args": Namespace(lr=0.1), "best": np.float64(0.9), "ema": {"module": state}},
            id="options and numbers",
        ),
    ],
)
def test_weights_are_loaded_from_every_format(tmp_path, name, wrap):
    source, model = trained(), PooledNet()
    path = saved(tmp_path / name, wrap(source.state_dict()))
    load_weights(model, read_weights(path), path)
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), source.state_dict().values(), strict=True)
    )


def test_counters_of_batch_normalization_may_be_missing(tmp_path):
    source, model = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    source.running_mean.fill_(5)
    weights = {name: value for name, value in source.state_dict().items() if "num_batches" not in name}
    load_weights(model, weights, tmp_path / "w.pth")
    assert model.running_mean.tolist() == [5, 5, 5]
    with refused("weights-mismatch", "running_var", kind=ModelError):
        load_weights(model, {name: value for name, value in weights.items() if "var" not in name}, tmp_path / "w.pth")


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("writer", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, writer):
    path, marker = tmp_path / "w.pth", tmp_path / "was-here"
    writer({"weight": Malicious(marker)}, path)
    with refused("unsafe-pickle", path, kind=ModelError):
        read_weights(path)
    assert not marker.exists()


def test_a_whole_pickled_model_is_refused(tmp_path):
    torch.save(PooledNet(), tmp_path / "model.pth")
    with refused("unsafe-pickle", "model.pth", kind=ModelError):
        read_weights(tmp_path / "model.pth")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"garbage" * 9])
def test_a_damaged_file_is_refused(tmp_path, name, damage):
    path = saved(tmp_path / name, trained().state_dict())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError) as refusal:
        read_weights(path)
    assert refusal.value.code in ("damaged-file", "unsafe-pickle")


@pytest.mark.parametrize("content", [b"hello, not weights\n", b"\x80\x04.", b"}q\x00(K\x00."])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ModelError):
        read_weights(tmp_path / "w.pth")


def test_a_file_that_is_missing_or_has_no_state_dict_is_refused(tmp_path):
    with refused("weights-not-found", "none.pth", kind=ModelError):
        read_weights(tmp_path / "none.pth")
    with refused("not-a-state-dict", "list.pth", kind=ModelError):
        read_weights(saved(tmp_path / "list.pth", [torch.zeros(2)]))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        pytest.param(lambda state: state.pop("fc.bias"), "fc.bias", id="missing"),
        pytest.param(lambda state: state.update({"fc.bias": torch.zeros(9)}), "(9,)", id="shape"),
        pytest.param(lambda state: state.update({"extra": torch.zeros(1)}), "extra", id="unknown"),
    ],
)
def test_weights_that_do_not_fit_leave_the_model_unchanged(tmp_path, change, name):
    state = trained().state_dict()
    change(state)
    model = PooledNet()
    before = model.fc.weight.detach().clone()
    with refused("weights-mismatch", name, kind=ModelError):
        load_weights(model, state, tmp_path / "w.pth")
    assert torch.equal(model.fc.weight, before)
