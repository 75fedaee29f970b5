import copy

import pytest
import timm
import torch
import torchvision
from refusals import refused
from safetensors.torch import save_file
from small_networks import network, random_images
from timm.models.vgg import VGG
from torch import nn

from weakspot.data import Preprocessing
from weakspot.errors import InputError, ModelError
from weakspot.models import Classifier, ModelInfo
from weakspot.models.networks import backbone
from weakspot.models.networks.backbone import Backbone, build_backbone, measure_stride


def built(name, stride=None, size=64, weights=None):
    torch.manual_seed(0)
    return build_backbone(name, weights=weights, output_stride=stride, input_size=size)


NARROW = [4, "M", 8, "M", 8, 8, "M", 16, 16, "M", 16, 16, "M"]  # VGG-11 has these layers 16 to 32 times as wide


@pytest.fixture
def vgg(monkeypatch):
    """VGG-11 but narrow, which allows no output stride either: the model, and a builder of its backbone."""
    torch.manual_seed(0)
    model = VGG(NARROW, num_classes=10, mlp_ratio=1 / 512).eval()

    def load(name, *, weights, output_stride=None):
        if output_stride is not None:
            raise InputError("stride-not-supported", "It has pooling layers.")
        return Classifier(copy.deepcopy(model), ModelInfo(preprocessing=Preprocessing(64, 64)))

    monkeypatch.setattr(backbone, "load_classifier", load)
    return model.features, lambda stride: built("vgg", stride).backbone.eval()


@pytest.mark.parametrize(("name", "off_by"), [("resnet18", 1e-5), ("test_efficientnet", 0.05)])
def test_finer_strides_use_the_same_weights_on_finer_grids(name, off_by):
    """A dilated ResNet has the same features at every second or fourth position; squeeze layers average all of them."""
    found = {stride: network("cam", name, output_stride=stride).trunk for stride in (32, 16, 8)}
    with torch.no_grad():
        coarse = found[32](random_images())
    for stride, sides in ((32, (2, 2)), (16, (4, 4)), (8, (8, 8))):
        found[stride].load_state_dict(found[32].state_dict())
        with torch.no_grad():
            fine = found[stride](random_images())
        assert fine.shape[2:] == sides
        assert (fine[:, :, :: 32 // stride, :: 32 // stride] - coarse).abs().amax() <= off_by * coarse.abs().amax()
        assert measure_stride(found[stride], Preprocessing(96, 96)) == stride


@pytest.mark.parametrize(
    ("stride", "gone"),
    [
        pytest.param(32, [], id="as published"),
        pytest.param(16, [20], id="one pool less"),
        pytest.param(None, [20], id="by default"),
        pytest.param(8, [15, 20], id="two pools less"),
    ],
)
def test_vgg_loses_its_last_pooling_layers_only(vgg, stride, gone):
    layers, build = vgg
    assert [i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)] == [2, 5, 10, 15, 20]
    with torch.no_grad():
        found, expected = build(stride)(random_images()), random_images()
        for i, layer in enumerate(layers):
            expected = expected if i in gone else layer(expected)
    torch.testing.assert_close(found, expected)
    assert found.shape[2:] == (64 // (stride or 16),) * 2


def test_fully_connected_layers_are_removed(vgg):
    layers, build = vgg
    net = build(16)
    assert {f"backbone.features.{name}" for name in layers.state_dict()} == set(net.state_dict())
    assert not net.pooled


@pytest.mark.parametrize(
    ("name", "size", "pooled"),
    [
        pytest.param("test_efficientnet", 64, True, id="pooling and a linear layer"),
        pytest.param("torchvision/resnet18", 64, True, id="torchvision"),
        pytest.param("test_vit", 160, False, id="a class token"),
        pytest.param("test_convnext", 64, False, id="a norm behind the pooling"),
    ],
)
def test_backbones_with_pooling_and_a_linear_layer_are_pooled(name, size, pooled):
    assert built(name, size=size).backbone.pooled is pooled


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet", "test_convnext", "torchvision/resnet50"])
def test_by_default_the_stride_is_16(name):
    found = built(name)
    assert measure_stride(found.backbone, found.preprocessing) == 16


def test_a_backbone_without_finer_strides_keeps_its_own():
    found = built("torchvision/resnet18")  # its blocks cannot be dilated
    assert measure_stride(found.backbone, found.preprocessing) == 32
    assert isinstance(found.backbone.backbone.maxpool, torch.nn.MaxPool2d)


def test_googlenet_loses_a_pooling_layer_between_traced_layers():
    """Its map is that of its stages without one pooling layer."""
    net = built("torchvision/googlenet").backbone.eval()
    stages = ["conv1", "maxpool1", "conv2", "conv3", "maxpool2", "inception3a", "inception3b", "maxpool3"]
    stages += [f"inception4{letter}" for letter in "abcde"] + ["inception5a", "inception5b"]  # maxpool4 before 5a
    whole = torchvision.models.googlenet(weights=None, init_weights=False, aux_logits=False).eval()
    whole.load_state_dict({k.removeprefix("backbone."): v for k, v in net.state_dict().items()}, strict=False)
    with torch.no_grad():
        expected = random_images()
        for name in stages:
            expected = whole.get_submodule(name)(expected)
        torch.testing.assert_close(net(random_images()), expected)
    assert expected.shape == (2, 1024, 4, 4)
    assert not any(isinstance(module, nn.Linear) for module in net.modules())


@pytest.mark.parametrize(
    ("name", "size"), [("test_resnet", 64), ("test_efficientnet", 64), ("test_vit", 160), ("test_convnext", 64)]
)
def test_the_last_map_is_the_output_and_earlier_maps_precede_it(name, size):
    found = built(name, size=size)
    net, seen = found.backbone.eval(), random_images(size=size)
    with torch.no_grad():
        (alone,), (first, second, last) = net.maps(seen, 1), net.maps(seen, 3)
        torch.testing.assert_close(last, net(seen))
        assert torch.equal(alone, net(seen))
    assert tuple(one.shape[1] for one in (first, second, last)) == net.channels[-3:]
    assert first.shape[2] >= second.shape[2] >= last.shape[2]


def test_an_intermediate_map_is_the_output_of_its_layer():
    net, seen, kept = built("test_resnet").backbone.eval(), random_images(), {}
    for name in ("layer2", "layer3"):
        module = net.backbone.get_submodule(name)
        module.register_forward_hook(lambda _module, _inputs, output, name=name: kept.update({name: output.clone()}))
    first, second, _ = net.maps(seen, 3)
    assert torch.equal(first, kept["layer2"])
    assert torch.equal(second, kept["layer3"])


def test_weights_are_read_from_the_file(tmp_path):
    torch.manual_seed(5)
    model = timm.create_model("test_resnet", num_classes=7).eval()
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    net = built("test_resnet", 32, weights=tmp_path / "w.safetensors").backbone.eval()
    torch.testing.assert_close(net(random_images()), model.forward_features(random_images()))
    assert {f"backbone.{name}" for name in model.state_dict() if not name.startswith("fc.")} == set(net.state_dict())


@pytest.mark.parametrize(
    ("name", "stride", "size"),
    [
        pytest.param("test_vit", 8, 160, id="patches have the size they have"),
        pytest.param("test_resnet", 7, 64, id="a shortcut that pools"),
        pytest.param("test_resnet", 64, 128, id="coarser than it is"),
        pytest.param("torchvision/googlenet", 3, 64, id="pools taken out reach it not"),
    ],
)
def test_an_unsupported_stride_is_refused(name, stride, size):
    with refused("stride-not-supported", name, stride):
        built(name, stride, size)


def test_an_unknown_backbone_is_refused():
    with refused("unknown-model", "resnet5O", "resnet50", kind=ModelError):
        built("resnet5O")


def test_a_model_without_a_feature_map_is_refused():
    class Flat(nn.Module):
        def forward_features(self, images):
            return images.flatten(1)

    with refused("not-a-feature-map", (2, 192), kind=ModelError):
        Backbone(Flat())(random_images(size=8))


def test_a_backbone_built_in_inference_mode_can_be_trained():
    with torch.inference_mode():
        net = built("test_resnet").backbone
    net(random_images()).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
