"""Class maps of any head are those of the activations behind the target layer and their gradients by plain autograd."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from activation_nets import ACTIVATIONS, POOLINGS, ActivationNet, Recipe, plain_autograd, reference_maps
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nets import images
from torch import nn

from weakspot.cams import METHODS
from weakspot.models import compute_class_maps_of_methods, guided_gradients, split_model

RECIPES = st.builds(
    Recipe,
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    pooling=st.sampled_from(sorted(POOLINGS)),
    hidden=st.integers(0, 2),
    normalized=st.booleans(),
    scale=st.sampled_from([1.0, 4.0]),
    seed=st.integers(0, 999),
)
METHODS_OF_GRADIENTS = ["gradcam", "counterfactual", "gradcam++", "xgradcam", "hirescam", "layercam"]
COUNT = 2
TOLERANCE = 1e-5


def batch(seed):
    return torch.randn(COUNT, 3, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def classes_of(count=COUNT):
    return torch.tensor([[0, 2], [1, 0]])[:count]


def assert_equal(found, expected):
    peak = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE * max(peak, 1e-12))


def maps_by_autograd(model, inputs):
    return reference_maps(*plain_autograd(model, inputs, classes_of()))


def assert_exact(recipe):
    model, inputs = ActivationNet(recipe), batch(recipe.seed)
    classifier = split_model(model, inputs[:1])
    expected = maps_by_autograd(model, inputs)
    methods = [METHODS[name] for name in METHODS_OF_GRADIENTS]
    found = compute_class_maps_of_methods(classifier, inputs, methods, classes=classes_of())
    for name, output in zip(METHODS_OF_GRADIENTS, found, strict=True):
        assert_equal(output.maps, expected[name])
    return classifier


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(RECIPES)
def test_random_networks(recipe):
    assert_exact(recipe)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_before_a_head_of_two_layers(activation):
    assert_exact(Recipe(activation, "average", 1, normalized=True, scale=4.0, seed=1))


@pytest.mark.parametrize("activation", ["F.relu in place", "mask", "F.relu6", "leaky in place", "silu"])
def test_methods_without_gradients(activation):
    recipe = Recipe(activation, "squares", 1, normalized=True, scale=4.0, seed=3)
    model, inputs = ActivationNet(recipe), batch(3)
    classifier, (a, _) = split_model(model, inputs[:1]), plain_autograd(model, inputs, classes_of())
    names = ["ablationcam", "scorecam", "guided_gradcam"][: 2 + (activation == "F.relu in place")]
    methods = [METHODS[name] for name in names]
    found = compute_class_maps_of_methods(classifier, inputs, methods, classes=classes_of())
    for output, expected in zip(found, (ablations(model, a), masked_scores(model, a, inputs)), strict=False):
        assert_equal(output.maps, expected)
    if len(found) == 3:
        grad_cams = maps_by_autograd(model, inputs)["gradcam"]
        guided = guided_gradients(model, inputs, classes_of())
        upsampled = F.interpolate(grad_cams, size=(8, 8), mode="bilinear", align_corners=False)
        assert_equal(found[2].maps, (upsampled[:, :, None] * guided).abs().amax(2))


def ablations(model, a):
    logits = model.after(a).gather(1, classes_of())
    weights = []
    for k in range(a.shape[1]):
        without = a.clone()
        without[:, k] = 0
        weights.append((logits - model.after(without).gather(1, classes_of())) / logits.abs())
    return torch.einsum("kbc,bkhw->bchw", torch.stack(weights), a).clamp(min=0)


def masked_scores(model, a, inputs):
    rows = []
    for one, image, classes in zip(a, inputs, classes_of(), strict=True):
        masks = F.interpolate(one[:, None], size=(8, 8), mode="bilinear", align_corners=False)
        low, high = masks.amin((1, 2, 3), keepdim=True), masks.amax((1, 2, 3), keepdim=True)
        weights = model(image * (masks - low) / (high - low)).softmax(0)[:, classes]
        rows.append(torch.einsum("kc,khw->chw", weights, one))
    return torch.stack(rows).clamp(min=0)


class PooledFirst(nn.Module):
    """Max pooling before the ReLU, which is the same as after it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, padding=1)
        self.head = nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 3))
        self.double().eval()

    def forward(self, inputs):
        return self.head(F.relu(F.max_pool2d(self.conv(inputs), 2)).mean(dim=(2, 3)))


def test_a_relu_after_max_pooling_is_one_before_it():
    model, inputs = PooledFirst(), batch(1)
    leaf = model.conv(inputs).relu().detach().requires_grad_()
    logits = model.head(F.max_pool2d(leaf, 2).mean(dim=(2, 3)))
    gradients = [
        torch.autograd.grad(logits.gather(1, k[:, None]).sum(), leaf, retain_graph=True)[0] for k in classes_of().T
    ]
    expected = reference_maps(leaf.detach(), torch.stack(gradients, dim=1))
    classifier = split_model(model, inputs[:1])
    for name in METHODS_OF_GRADIENTS:
        (found,) = compute_class_maps_of_methods(classifier, inputs, [METHODS[name]], classes=classes_of())
        assert_equal(found.maps, expected[name])


def test_layers_that_are_named():
    """A convolution before a ReLU module, and the last layer before a functional ReLU, in one pass."""
    model, inputs = ActivationNet(Recipe("F.relu in place", "average", 1, normalized=True, scale=4.0, seed=5)), batch(5)
    classifier = split_model(model, inputs[:1], layers=["features.0", "features.3"])
    gradients = classifier.run(inputs, differentiable=True).gradients(classes_of())
    first = model.features[0](inputs).relu().detach().requires_grad_()
    second = model.features[2:](first).relu()
    logits = model.after(second)
    for i, column in enumerate(classes_of().T):
        score = logits.gather(1, column[:, None]).sum()
        for found, expected in zip(
            gradients, torch.autograd.grad(score, (first, second), retain_graph=True), strict=True
        ):
            assert_equal(found[:, i], expected)


def test_a_relu_is_not_invented():
    """The maxima of SiLU's output are positive, so rectifying it changes no logit."""
    recipe = Recipe("nn.SiLU", "maximum", 1, normalized=False, scale=4.0, seed=1920)
    assert not assert_exact(recipe).layers[0].followed_by_relu


def test_densenet_with_a_head_of_two_layers():
    model = torchvision.models.DenseNet(8, (2, 2), 16, num_classes=3).double().eval()
    model.classifier = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 3)).double()
    for module in model.modules():  # no statistics are trivial
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias)
    inputs = images(COUNT, 64, dtype=torch.float64)
    leaf = model.features(inputs).relu().detach().requires_grad_()
    logits = model.classifier(leaf.mean(dim=(2, 3)))
    gradients = [
        torch.autograd.grad(logits.gather(1, k[:, None]).sum(), leaf, retain_graph=True)[0] for k in classes_of().T
    ]
    expected = reference_maps(leaf.detach(), torch.stack(gradients, dim=1))
    methods = [METHODS[name] for name in METHODS_OF_GRADIENTS]
    found = compute_class_maps_of_methods(split_model(model, inputs[:1]), inputs, methods, classes=classes_of())
    for name, output in zip(METHODS_OF_GRADIENTS, found, strict=True):
        assert_equal(output.maps, expected[name])
