import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import timm
import torch
from nets import DeepHeadNet, FrozenBackboneNet, FunctionalNet, PooledNet, full_backward, images
from refusals import refused
from torch import nn

from weakspot.errors import ModelError
from weakspot.models import TargetLayer, forward_head, forward_with_hooks, split_model

FEATURES = [TargetLayer("features")]
CLASSES = torch.tensor([[0, 3], [2, 2], [1, 0]])


def traces(model):
    """All state of a model that a forward pass could change."""
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()]
    modes = [module.training for module in model.modules()]
    flags = [
        (p.requires_grad, None if p.grad is None else p.grad.clone(), p.detach().clone()) for p in model.parameters()
    ]
    return hooks, modes, flags


def tensors_of(flags):
    return [tensor for _, grad, value in flags for tensor in (grad, value) if tensor is not None]


def same(before, after):
    return (
        before[:2] == after[:2]
        and [flag[0] for flag in before[2]] == [flag[0] for flag in after[2]]
        and all(torch.equal(a, b) for a, b in zip(tensors_of(before[2]), tensors_of(after[2]), strict=True))
    )


def test_gradients_are_those_of_a_full_backward_pass():
    model, batch = DeepHeadNet().eval().double(), images(dtype=torch.float64)
    activations, gradients, logits = full_backward(model, "features", batch, CLASSES)
    reading = forward_with_hooks(model, FEATURES, batch, differentiable=True)
    torch.testing.assert_close(reading.logits.detach(), logits, rtol=0, atol=0)
    torch.testing.assert_close(reading.activations[0], activations, rtol=0, atol=0)
    torch.testing.assert_close(reading.gradients(CLASSES)[0], gradients, rtol=1e-12, atol=1e-15)


def test_nothing_before_the_layer_is_recorded():
    model = DeepHeadNet().eval()
    reading = forward_with_hooks(model, FEATURES, images(), differentiable=True)
    (leaf,) = reading.outputs
    assert leaf.is_leaf
    (first,) = torch.autograd.grad(reading.logits.sum(), model.features[0].weight, allow_unused=True)
    assert first is None


@pytest.mark.parametrize("differentiable", [False, True])
def test_the_model_is_restored(differentiable):
    model = DeepHeadNet()
    model.features.eval()  # modes differ between modules
    model.fc[0].weight.requires_grad_(False)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = traces(model)
    reading = forward_with_hooks(model, FEATURES, images(), differentiable=differentiable)
    if differentiable:
        reading.gradients(CLASSES)
    assert same(before, traces(model))


@pytest.mark.parametrize("error", [RuntimeError, IndexError, KeyboardInterrupt])
def test_the_model_is_restored_when_its_forward_fails(error):
    """Another library swallows an IndexError that is raised inside its context."""

    class Failing(PooledNet):
        def forward(self, batch):
            super().forward(batch)
            raise error("in the user's code")

    model = Failing()
    before = traces(model)
    gradients_on = torch.is_grad_enabled()
    with pytest.raises(error, match="in the user's code"):
        forward_with_hooks(model, FEATURES, images(), differentiable=True)
    assert same(before, traces(model))
    assert torch.is_grad_enabled() is gradients_on


def test_evaluation_mode_is_used_in_any_mode_of_the_model():
    model = DeepHeadNet().train()
    torch.testing.assert_close(forward_with_hooks(model, [], images()).logits, model.eval()(images()))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("frozen", [False, True])
def test_gradients_exist_in_any_context(context, frozen):
    model, expected = DeepHeadNet().eval(), full_backward(DeepHeadNet().eval(), "features", images(), CLASSES)
    model.load_state_dict(model.state_dict())
    expected = full_backward(model, "features", images(), CLASSES)[1]
    model.requires_grad_(not frozen)
    with context():
        batch = images().clone()  # under inference_mode an inference tensor
        found = forward_with_hooks(model, FEATURES, batch, differentiable=True).gradients(CLASSES)[0]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("before_layer", [True, False])
@pytest.mark.parametrize("differentiable", [False, True])
def test_a_model_that_keeps_a_tensor_of_its_first_pass_can_be_trained_afterwards(before_layer, differentiable):
    class Windowed(PooledNet):
        window = None

        def weigh(self, features):
            if self.window is None:
                self.window = torch.hann_window(features.shape[-1] + 2)[1:-1] + self.fc.bias.mean()
            return features * self.window

        def forward(self, batch):
            features = self.features[:2](self.weigh(batch) if before_layer else batch)
            features = self.features[2:](features)
            return self.fc((features if before_layer else self.weigh(features)).mean(dim=(2, 3)))

    model = Windowed()
    forward_with_hooks(model, [TargetLayer("features.3")], images(), differentiable=differentiable)
    assert not model.window.is_inference()
    model(images()).sum().backward()
    assert model.features[0].weight.grad.any()


def test_under_bf16_autocast_the_result_is_float32_and_close():
    model, batch = DeepHeadNet().eval(), images()
    expected = full_backward(model, "features", batch, CLASSES)[1]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reading = forward_with_hooks(model, FEATURES, batch, differentiable=True)
        found = reading.gradients(CLASSES)[0]
    assert found.dtype == reading.activations[0].dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0.02 * float(expected.abs().max()))


def test_a_model_in_bf16_works():
    model = DeepHeadNet().eval().bfloat16()
    found = forward_with_hooks(model, FEATURES, images().bfloat16(), differentiable=True).gradients(CLASSES)[0]
    assert found.dtype == torch.float32
    assert found.any()


def test_an_in_place_operation_after_the_layer_changes_nothing():
    model, batch = FunctionalNet().eval(), images()
    with torch.no_grad():
        clean = model.features(batch)
    assert (clean < 0).any()
    assert torch.equal(forward_with_hooks(model, FEATURES, batch).activations[0], clean)
    assert torch.equal(forward_with_hooks(model, FEATURES, batch, differentiable=True).activations[0], clean)


def test_a_layer_followed_by_relu_is_captured_after_it():
    model, batch = FunctionalNet().eval(), images()
    reading = forward_with_hooks(model, [TargetLayer("features", followed_by_relu=True)], batch)
    torch.testing.assert_close(reading.activations[0], model.features(batch).relu().detach())
    torch.testing.assert_close(reading.logits, model(batch).detach())


def test_a_backbone_under_its_own_no_grad_still_gives_gradients():
    model, batch = FrozenBackboneNet().eval(), images()
    leaf = model.features(batch).detach().requires_grad_()
    logits = model.fc(leaf.flatten(1))
    (expected,) = torch.autograd.grad(logits.gather(1, CLASSES[:, :1]).sum(), leaf)
    found = forward_with_hooks(model, FEATURES, batch, differentiable=True).gradients(CLASSES[:, :1])[0]
    torch.testing.assert_close(found[:, 0], expected)


def test_several_layers_share_one_pass():
    model, batch = DeepHeadNet().eval().double(), images(dtype=torch.float64)
    reading = forward_with_hooks(
        model, [TargetLayer("features.3"), TargetLayer("features.1")], batch, differentiable=True
    )
    found = reading.gradients(CLASSES)
    for name, activations, gradients in zip(("features.3", "features.1"), reading.activations, found, strict=True):
        reference = full_backward(model, name, batch, CLASSES)
        torch.testing.assert_close(activations, reference[0])
        torch.testing.assert_close(gradients, reference[1], rtol=1e-12, atol=1e-15)


def test_the_head_runs_on_other_activations():
    model, batch = DeepHeadNet().eval(), images()
    reading = forward_with_hooks(model, FEATURES, batch)
    others = torch.rand(5, *reading.activations[0].shape[1:])
    found = forward_head(model, FEATURES[0], batch[:1], reading.select_image(0), others)
    torch.testing.assert_close(found, model.fc(others.flatten(1)).detach())


def test_threads_do_not_affect_each_other():
    model = DeepHeadNet().train()
    batches = [images(2) * scale for scale in range(1, 17)]
    expected = [
        forward_with_hooks(model, FEATURES, batch, differentiable=True).gradients(CLASSES[:2]) for batch in batches
    ]
    in_other_thread = []
    stop = threading.Event()

    def user():  # another thread runs the model meanwhile: hooks must not run in it
        while not stop.is_set():
            in_other_thread.append(model(images(2)).requires_grad)

    other = threading.Thread(target=user)
    other.start()
    with ThreadPoolExecutor(4) as threads:
        found = list(
            threads.map(
                lambda b: forward_with_hooks(model, FEATURES, b, differentiable=True).gradients(CLASSES[:2]), batches
            )
        )
    stop.set()
    other.join()
    assert all(torch.equal(a[0], b[0]) for a, b in zip(found, expected, strict=True))
    assert all(in_other_thread)
    assert all(module.training for module in model.modules())


class ReturnsDict(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, batch):
        return {"scores": self.conv(batch)}


@pytest.mark.parametrize(
    ("model", "layer", "code", "value"),
    [
        pytest.param(ReturnsDict(), "conv", "not-logits", "dict", id="no logits"),
        pytest.param(nn.Sequential(nn.Conv2d(3, 4, 3)), "0", "not-logits", (3, 4, 6, 6), id="a map, not logits"),
        pytest.param(DeepHeadNet(), "fc.0", "not-a-feature-map", "fc.0", id="a layer without positions"),
        pytest.param(
            nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), "0", "not-a-feature-map", (3, 192), id="no positions at all"
        ),
    ],
)
def test_an_unusable_model_or_layer_is_refused(model, layer, code, value):
    with refused(code, value, kind=ModelError):
        forward_with_hooks(model, [TargetLayer(layer)], images())


def test_a_layer_that_is_not_run_is_refused():
    model = PooledNet()
    model.spare = nn.Conv2d(3, 3, 1)
    with refused("layer-not-run", "spare", kind=ModelError):
        forward_with_hooks(model, [TargetLayer("spare")], images())


def test_a_layer_without_gradient_is_refused():
    class Detached(PooledNet):
        def forward(self, batch):
            return self.fc(self.features(batch).detach().mean(dim=(2, 3)))

    with refused("no-gradient", "features", kind=ModelError):
        forward_with_hooks(Detached().requires_grad_(False), FEATURES, images(), differentiable=True)


class SharedReLU(nn.Module):
    """One ReLU module that runs twice, as hand-written networks have it, and a skip connection."""

    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()
        self.first, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.fc = nn.Linear(6 * 64, 4)

    def forward(self, batch):
        a = self.relu(self.first(batch))
        return self.fc((a + self.relu(self.second(a))).flatten(1))


def test_a_layer_that_runs_twice_is_replaced_at_its_last_call():
    model, batch = SharedReLU().eval(), images()
    layer = TargetLayer("relu")
    reading = forward_with_hooks(model, [layer], batch[:1])
    assert reading.calls == (2,)
    others = torch.rand(5, *reading.activations[0].shape[1:])
    first = model.relu(model.first(batch[:1]))
    found = forward_head(model, layer, batch[:1], reading, others)
    torch.testing.assert_close(found, model.fc((first + others).flatten(1)).detach())


def test_convit_can_be_trained_after_it_was_run():
    """It keeps the table of positions that it makes in its first forward pass."""
    model = timm.create_model("convit_tiny", num_classes=3, embed_dim=24, depth=3, local_up_to_layer=2, num_heads=2)
    split_model(model.eval(), torch.zeros(1, 3, 224, 224)).run_in_torch(torch.zeros(1, 3, 224, 224))
    model.train()
    model(torch.randn(2, 3, 224, 224)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
