import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused
from small_networks import network, random_images

from weakspot.errors import ModelError
from weakspot.models.networks.adl import AttentionDropout, attach, insertion_points

# Two channels, whose means are 1, 4, 5 in the first image and 0, -1, -2 in the second.
SEEN = torch.tensor([[[[2.0, 4.0, 8.0]], [[0.0, 4.0, 2.0]]], [[[1.0, -1.0, -3.0]], [[-1.0, -1.0, -1.0]]]])


@pytest.mark.parametrize(
    ("gamma", "dropped"),
    [
        pytest.param(0.9, [[False, False, True], [False, False, False]], id="the peak"),
        pytest.param(0.8, [[False, False, True], [False, False, False]], id="at gamma times the peak it is kept"),
        pytest.param(0.79, [[False, True, True], [False, False, False]], id="above it is dropped"),
        pytest.param(0.1, [[True, True, True], [False, False, False]], id="each image by its own peak"),
    ],
)
def test_all_channels_are_dropped_above_gamma_times_the_maximum_attention(gamma, dropped):
    found = AttentionDropout(gamma=gamma, drop_rate=1.0)(SEEN)
    assert torch.equal(found, SEEN * ~torch.tensor(dropped)[:, None, None, :])


def test_importance_is_the_sigmoid_of_the_mean_over_channels():
    found = AttentionDropout(drop_rate=0.0)(SEEN)
    means = np.array([[1.0, 4, 5], [0, -1, -2]])
    expected = SEEN.numpy() / (1 + np.exp(-means))[:, None, None, :]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(st.integers(0, 2**32), st.floats(0.1, 1), st.booleans())
def test_dropout_equals_a_loop_over_images_and_positions(seed, gamma, drops):
    seen = np.random.default_rng(seed).normal(size=(3, 4, 2, 5))
    expected = np.empty_like(seen)
    for b in range(3):
        attention = seen[b].mean(axis=0)
        for i, j in np.ndindex(2, 5):
            kept = float(attention[i, j] <= gamma * attention.max())
            expected[b, :, i, j] = seen[b, :, i, j] * (kept if drops else 1 / (1 + np.exp(-attention[i, j])))
    dropout = AttentionDropout(gamma=gamma, drop_rate=float(drops))
    np.testing.assert_allclose(dropout(torch.from_numpy(seen)).numpy(), expected, rtol=1e-12)


def test_at_test_time_the_layer_is_the_identity():
    assert AttentionDropout(drop_rate=1.0).eval()(SEEN) is SEEN


def test_the_drop_mask_has_the_drop_rate():
    """Binomial: 1,000 batches at 3/4 are 750 give or take four times 13.7."""
    dropout, seen = AttentionDropout(gamma=0.5), torch.ones(2, 1, 1, 1)
    drops = 0
    for _ in range(1000):
        found = dropout(seen)
        assert torch.equal(found[0], found[1])
        drops += float(found[0]) == 0
    assert abs(drops - 750) < 4 * np.sqrt(1000 * 0.75 * 0.25)


def test_the_layer_has_no_weights_and_the_importance_map_has_gradients():
    dropout, seen = AttentionDropout(drop_rate=0.0), torch.zeros(1, 2, 1, 1, requires_grad=True)
    assert not dropout.state_dict()
    (dropout(seen) + 0).sum().backward()
    assert seen.grad.flatten().tolist() == [0.5, 0.5]  # at 0 the factor itself has no influence


def names_of(backbone):
    names = {id(module): name for name, module in backbone.named_modules()}
    return [names[id(place)] for place in insertion_points(backbone)]


@pytest.mark.parametrize(
    ("backbone", "names"),
    [
        pytest.param("test_resnet", ["layer3.0", "layer4.0"], id="ResNet as published"),
        pytest.param("test_efficientnet", ["blocks.2", "blocks.3"], id="two scales before the last"),
        pytest.param("test_convnext", ["stages.1", "stages.2"], id="ConvNeXt"),
    ],
)
def test_insertion_points_precede_the_last_feature_map(backbone, names):
    assert names_of(timm.create_model(backbone)) == names


@pytest.mark.parametrize(("backbone", "size"), [("test_vit", 160), ("torchvision/resnet18", 64)])
def test_a_backbone_without_insertion_points_is_refused(backbone, size):
    """Tokens have no channels in axis 1, and traced torchvision models do not call blocks as modules."""
    with refused("backbone-mismatch", kind=ModelError):
        insertion_points(network("cam", backbone, input_size=size).trunk.backbone)


@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet", "test_convnext"])
def test_layers_drop_in_training_only_and_weights_keep_their_names(backbone):
    model, batch = network("cam", backbone, width=0), random_images()
    names, plain = list(model.state_dict()), model(batch)
    before = model.trunk.maps(batch, 3)
    dropout = AttentionDropout(gamma=0.5, drop_rate=1.0)
    attach(insertion_points(model.trunk.backbone), dropout)
    assert torch.equal(model(batch), plain) is False  # the dropout itself is in training mode
    zeros = [(one == 0).all(dim=1).float().mean() for one in model.trunk.maps(batch, 3)]
    dropout.eval()
    assert torch.equal(model(batch), plain)
    assert list(model.state_dict()) == names
    assert max(zeros[:2]) > 0.01 > max((one == 0).all(dim=1).float().mean() for one in before)
