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
