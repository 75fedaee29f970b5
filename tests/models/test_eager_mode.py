import threading

import pytest
import torch
from nets import PooledNet, images
from torch import nn

from weakspot.models import TargetLayer, forward_with_hooks
from weakspot.models.eager_mode import eager_mode, unwrap


def compiled(part):
    return torch.compile(part, backend="eager")


def compiled_whole():
    return unwrap(compiled(PooledNet().eval()))


def compiled_in_place():
    model = PooledNet().eval()
    model.compile(backend="eager")
    return model


def compiled_part():
    model = PooledNet().eval()
    model.features[3].compile(backend="eager")
    model.fc = compiled(model.fc)
    return model


def compiled_forward():
    model = PooledNet().eval()
    model.forward = compiled(model.forward)
    return model


@pytest.mark.parametrize("build", [compiled_whole, compiled_in_place, compiled_part, compiled_forward])
@pytest.mark.parametrize("run_before", [True, False])
def test_hooks_run_in_a_compiled_model(build, run_before):
    model = build()
    if run_before:
        with torch.no_grad():
            model(images())
    forward_pass = forward_with_hooks(model, [TargetLayer("features.3")], images(), differentiable=True)
    assert forward_pass.activations[0].shape == (3, 6, 2, 2)
    assert forward_pass.gradients(torch.zeros(3, 1, dtype=torch.long))[0].any()


def test_unwrap_returns_the_module_inside():
    model = PooledNet()
    assert unwrap(model) is model
    assert unwrap(compiled(nn.DataParallel(model))) is model


def test_eager_mode_lasts_until_the_last_thread_leaves():
    calls = []

    def backend(graph, _):
        calls.append(graph)
        return graph

    @torch.compile(backend=backend)
    def double(x):
        return x * 2

    inside, leave = threading.Event(), threading.Event()

    def stay():
        with eager_mode():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=stay)
    with eager_mode():
        thread.start()
        inside.wait(10)
    double(torch.ones(2))
    assert not calls
    leave.set()
    thread.join()
    double(torch.ones(2))
    assert calls
