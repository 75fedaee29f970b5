import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused
from small_networks import network, one_hot, random_images
from torch import nn

import weakspot as ws
from weakspot.cams import METHODS
from weakspot.models import compute_class_maps, split_model
from weakspot.models.networks import Criterion
from weakspot.models.networks.cam import CamHead

CLASSES = torch.tensor([[0, 3, 1], [2, 2, 0]])


def test_the_logit_is_the_mean_of_the_class_map_and_the_bias_by_hand():
    head = CamHead(2, 2)
    with torch.no_grad():
        head.classifier.weight.copy_(torch.tensor([[1.0, -1.0], [0.0, 2.0]]))
        head.classifier.bias.copy_(torch.tensor([10.0, 20.0]))
    seen = torch.tensor([[[[1.0, 3.0]], [[0.0, 6.0]]]])  # means 2 and 3
    assert head(seen).tolist() == [[9.0, 26.0]]


@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 5))
def test_the_logits_are_means_of_class_maps_in_float64(seed, count, side):
    torch.manual_seed(seed)
    head, seen = CamHead(5, 3).double(), torch.randn(count, 5, side, side, dtype=torch.float64)
    weight, bias = (value.detach().numpy() for value in (head.classifier.weight, head.classifier.bias))
    maps = np.einsum("ck,bkhw->bchw", weight, seen.numpy())
    np.testing.assert_allclose(head(seen).detach(), maps.mean(axis=(2, 3)) + bias, rtol=1e-10, atol=1e-12)


def test_pooled_features_give_the_same_logits():
    head, seen = CamHead(6, 4).double(), torch.randn(3, 6, 5, 7, dtype=torch.float64)
    assert head.pools_first
    torch.testing.assert_close(head(seen.mean(dim=(2, 3), keepdim=True)), head(seen))


def test_a_head_with_a_convolution_does_not_pool_first():
    head, seen = CamHead(6, 4, width=3), torch.randn(3, 6, 5, 7)
    assert not head.pools_first
    head.classifier.reset_parameters()  # initialized to 0
    assert not torch.allclose(head(seen.mean(dim=(2, 3), keepdim=True)), head(seen))


@pytest.mark.parametrize(
    ("backbone", "size", "width"),
    [
        pytest.param("resnet18", 64, None, id="ResNet"),
        pytest.param("test_efficientnet", 64, None, id="EfficientNet"),
        pytest.param("test_resnet", 64, 16, id="with a convolution"),
        pytest.param("test_vit", 160, 16, id="ViT"),
        pytest.param("torchvision/resnet18", 64, None, id="torchvision"),
    ],
)
def test_cam_uses_the_weights_of_the_head(backbone, size, width):
    model, batch = network("cam", backbone, width=width, input_size=size), random_images(size=size)
    found = compute_class_maps(split_model(model, batch[:1]), batch, METHODS["cam"], classes=CLASSES)
    with torch.no_grad():
        features = model.head.convolution(model.trunk(batch))
        rows, bias = model.head.classifier.weight[CLASSES], model.head.classifier.bias[CLASSES]
        logits = model(batch).gather(1, CLASSES)
    torch.testing.assert_close(found.maps, torch.einsum("bck,bkhw->bchw", rows, features), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.maps.mean(dim=(2, 3)) + bias, logits, rtol=1e-4, atol=1e-5)


def test_in_the_localizer_gradcam_is_cam_up_to_a_constant():
    model, batch = network("cam"), random_images()
    names = ("a", "b", "c", "d")
    cam, gradcam = (
        ws.Localizer(model, method=method, input_size=64, class_names=names).class_maps(batch, CLASSES)
        for method in ("cam", "gradcam")
    )
    torch.testing.assert_close(gradcam, cam.relu() / 16, rtol=1e-4, atol=1e-6)  # 4 x 4 positions
    assert cam.amin() < 0


def test_the_convolution_is_3_x_3_and_rectified():
    convolution, relu = CamHead(5, 2, width=7).convolution
    assert (convolution.weight.shape, convolution.padding) == ((7, 5, 3, 3), (1, 1))
    assert isinstance(relu, nn.ReLU)
    assert isinstance(CamHead(5, 2).convolution, nn.Identity)


def test_centering_changes_no_probability_and_subtracts_the_mean_map():
    torch.manual_seed(0)
    head, seen = CamHead(5, 3), torch.randn(2, 5, 4, 4)
    nn.init.normal_(head.classifier.weight)
    nn.init.normal_(head.classifier.bias)
    before, weight = head(seen).softmax(dim=1), head.classifier.weight.detach().clone()
    head.center()
    torch.testing.assert_close(head(seen).softmax(dim=1), before)
    maps = torch.einsum("ck,bkhw->bchw", head.classifier.weight.detach(), seen)
    expected = torch.einsum("ck,bkhw->bchw", weight, seen)
    torch.testing.assert_close(maps, expected - expected.mean(dim=1, keepdim=True))
    assert abs(float(head.classifier.bias.detach().sum())) < 1e-6


def test_the_loss_is_the_criterions_of_its_logits():
    head, seen = CamHead(5, 4), torch.randn(2, 5, 3, 3)
    loss, logits = head.loss((torch.zeros(1), seen), one_hot(2, 1), Criterion())
    assert torch.equal(logits, head(seen))
    torch.testing.assert_close(loss, nn.functional.cross_entropy(logits, torch.tensor([2, 1])))


@pytest.mark.parametrize("method", ["acol", "acol_b", "ts_cam"])
def test_the_head_has_no_branches_of_other_methods(method):
    model, batch = network("cam"), random_images()
    kind = METHODS[method].network
    with refused("method-mismatch", kind):
        compute_class_maps(split_model(model, batch[:1]), batch, METHODS[method], classes=CLASSES)
