from dataclasses import replace
from functools import partial

import pytest
import timm
import torch
from refusals import refused
from small_networks import BACKBONES, built, network, random_images
from torch import nn

from weakspot.errors import InputError, ModelError
from weakspot.models.networks import NetworkConfig, build_network
from weakspot.models.networks.acol import AcolHead
from weakspot.models.networks.cam import CamHead
from weakspot.models.networks.spg import SpgHead
from weakspot.models.networks.ts_cam import TsCamHead

HEADS = {"cam": CamHead, "acol": AcolHead, "spg": SpgHead, "ts_cam": TsCamHead}
BRANCHES = {
    "cam": (),
    "acol": ("head.branch_a", "head.branch_b"),
    "spg": (),
    "ts_cam": ("head.semantic", "trunk.attention"),
}


@pytest.mark.parametrize("method", list(HEADS))
def test_logits_are_those_of_the_head_on_the_backbones_features(method):
    model = network(method, width=8)
    assert type(model.head) is HEADS[method]
    assert model.branches == BRANCHES[method]
    with torch.no_grad():
        assert torch.equal(model(random_images()), model.head(model.trunk(random_images())))


@pytest.mark.parametrize("text", ["has", "cutmix", "adl", "acol+cutmix"])
def test_augmentations_do_not_change_the_network(text):
    head = text.split("+")[0] if "acol" in text else "cam"
    one, other = network(head, "test_resnet", width=8), network(text, "test_resnet", width=8)
    assert torch.equal(one(random_images()), other(random_images()))


@pytest.mark.parametrize("method", list(HEADS))
def test_the_returned_config_is_complete(method):
    plan = built(method, input_size=None).config
    assert None not in vars(replace(plan, teacher=plan)).values()
    assert (plan.output_stride, plan.input_size) == (16, 160)
    again = build_network(plan, weights=None)
    assert again.config == plan
    assert {k: v.shape for k, v in again.network.state_dict().items()} == {
        k: v.shape for k, v in network(method, input_size=None).state_dict().items()
    }


@pytest.mark.parametrize(
    ("method", "backbone", "size", "width"),
    [
        pytest.param("cam", "test_efficientnet", 64, 0, id="CAM-able as it is"),
        pytest.param("cam", "test_vit", 160, 1024, id="made CAM-able by a convolution"),
        pytest.param("acol", "test_efficientnet", 64, 256, id="ACoL"),
        pytest.param("spg", "test_efficientnet", 64, 256, id="SPG"),
        pytest.param("ts_cam", "test_vit", 160, 0, id="TS-CAM"),
    ],
)
def test_the_default_width_depends_on_the_method_and_the_backbone(method, backbone, size, width):
    assert built(method, backbone, input_size=size).config.width == width


def test_vgg_gets_a_convolution_with_1024_channels(monkeypatch):
    # Its own head would have 120 million weights to initialize.
    monkeypatch.setattr(timm, "create_model", partial(timm.create_model, mlp_ratio=1 / 64))
    model = network("cam", "vgg11")
    convolution = model.head.convolution[0]
    assert (convolution.in_channels, convolution.out_channels, convolution.kernel_size) == (512, 1024, (3, 3))
    assert (model.head.classifier.in_features, model.head.classifier.out_features) == (1024, 4)
    assert [type(m) for m in model.modules() if isinstance(m, nn.Linear)] == [nn.Linear]  # the classifier only
    with torch.no_grad():
        features = convolution(model.trunk(random_images())).relu()
        expected = features.mean(dim=(2, 3)) @ model.head.classifier.weight.T + model.head.classifier.bias
        torch.testing.assert_close(model(random_images()), expected, rtol=1e-4, atol=1e-6)


def test_preprocessing_has_the_requested_size_and_the_backbones_mean():
    frame = built("cam", input_size=96).preprocessing
    assert (frame.height, frame.width) == (96, 96)
    assert frame.mean == built("cam", input_size=None).preprocessing.mean


@pytest.mark.parametrize("method", list(HEADS))
def test_an_image_has_the_same_logits_in_a_batch(method):
    model, batch = network(method, width=8), random_images(3)
    with torch.no_grad():
        together = model(batch)
        for i in range(3):
            torch.testing.assert_close(model(batch[i : i + 1])[0], together[i], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "kind", "code", "value"),
    [
        pytest.param({"method": "acl"}, InputError, "unknown-method", "acl", id="method"),
        pytest.param({"width": -1}, InputError, "out-of-range", -1, id="width"),
        pytest.param({"delta": 2.0}, InputError, "out-of-range", 2.0, id="delta"),
        pytest.param({"output_stride": 7}, InputError, "stride-not-supported", 7, id="stride"),
        pytest.param({"method": "ts_cam"}, ModelError, "backbone-mismatch", "ResNet", id="backbone"),
    ],
)
def test_an_invalid_config_is_refused(changes, kind, code, value):
    with refused(code, value, kind=kind):
        build_network(replace(NetworkConfig("test_resnet", "cam", 4, input_size=64), **changes), weights=None)


def test_an_invalid_input_size_is_refused():
    with pytest.raises(InputError):
        build_network(NetworkConfig("test_resnet", "cam", 4, input_size=0), weights=None)


@pytest.mark.parametrize("method", list(HEADS))
def test_all_weights_get_gradients_in_training(method):
    model = network(method, width=8).train()
    maps = model.trunk.maps(random_images(), model.head.depth)
    loss, _ = model.head.loss(maps, torch.eye(4)[:2], lambda logits, targets: ((logits - targets) ** 2).mean())
    loss.backward()
    still = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert not {name for name in still if name.startswith("head.")}
    assert len(still) <= 1
    assert sum(float(p.grad.abs().sum()) > 0 for p in model.head.parameters()) >= 2
    assert BACKBONES[method] == built(method).config.backbone
