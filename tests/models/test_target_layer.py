import warnings
from itertools import pairwise

import pytest
import timm
import torch
import torchvision
from nets import DeepHeadNet, FunctionalNet, PooledNet, images
from refusals import refused
from torch import nn

from weakspot.cams import METHODS
from weakspot.errors import ModelError
from weakspot.models import TargetLayer, compute_class_maps, find_layer, split_model
from weakspot.models.target_layer import trace_feature_maps

tv = torchvision.models

# The real layers, fewer or narrower: the same shapes, in a small part of the time.


def narrow_vgg():
    """VGG-16 with a quarter of the channels and a narrow head."""
    with torch.device("meta"):  # the 120 million weights of its own head are not drawn
        model = tv.VGG(nn.Identity(), init_weights=False)
    widths = [16, 16, "M", 32, 32, "M", 64, 64, 64, "M", 128, 128, 128, "M", 128, 128, 128, "M"]
    model.features = tv.vgg.make_layers(widths)
    model.classifier = nn.Sequential(
        nn.Linear(128 * 49, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 32), nn.ReLU(True), nn.Linear(32, 10)
    )
    return model


def narrow_convnext():
    """A block a stage."""
    widths = (24, 48, 96, 192, None)
    return tv.ConvNeXt([tv.convnext.CNBlockConfig(*pair, 1) for pair in pairwise(widths)])


def narrow_swin():
    """Two blocks a stage."""
    return tv.SwinTransformer([4, 4], 24, [2, 2, 2, 2], [1, 2, 4, 8], [7, 7])


def narrow_swin_of_timm():
    """Two blocks a stage."""
    sizes = {"embed_dim": 24, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 4, 8)}
    return timm.create_model("swin_tiny_patch4_window7_224", **sizes)


# What the issue of each architecture is, its layer, the grid, and whether its head is pooling + linear.
ARCHITECTURES = [
    pytest.param(lambda: timm.create_model("resnet50"), 224, "layer4", (7, 7), True, id="ResNet-50"),
    pytest.param(narrow_vgg, 224, "features.29", (14, 14), False, id="VGG-16"),
    pytest.param(lambda: tv.googlenet(init_weights=False), 224, "inception5b", (7, 7), True, id="GoogLeNet"),
    pytest.param(lambda: tv.inception_v3(init_weights=False), 299, "Mixed_7c", (8, 8), True, id="Inception v3"),
    pytest.param(tv.densenet121, 224, "features", (7, 7), True, id="DenseNet-121"),
    pytest.param(lambda: timm.create_model("densenet121"), 224, "features", (7, 7), True, id="DenseNet-121 of timm"),
    pytest.param(tv.mobilenet_v2, 224, "features", (7, 7), True, id="MobileNetV2"),
    pytest.param(lambda: timm.create_model("tf_efficientnet_lite0"), 224, "bn2", (7, 7), True, id="EfficientNet-Lite0"),
    pytest.param(narrow_convnext, 224, "features", (7, 7), False, id="ConvNeXt"),
    pytest.param(
        lambda: timm.create_model("vit_tiny_patch16_224"), 224, "blocks.11.norm1", (14, 14), False, id="ViT-tiny"
    ),
    pytest.param(narrow_swin_of_timm, 224, "norm", (7, 7), True, id="Swin of timm"),
    pytest.param(narrow_swin, 224, "permute", (7, 7), True, id="Swin"),
    pytest.param(tv.squeezenet1_1, 224, "classifier.2", (13, 13), True, id="channels that are class maps"),
    pytest.param(PooledNet, 8, "features", (2, 2), True, id="hand-written"),
    pytest.param(DeepHeadNet, 8, "features", (2, 2), False, id="hand-written, deep head"),
    pytest.param(FunctionalNet, 8, "features", (2, 2), True, id="hand-written, functional ReLU"),
]


@pytest.mark.parametrize(("build", "size", "layer", "grid", "pooled_linear"), ARCHITECTURES)
def test_the_last_feature_map_is_found_and_gives_maps(build, size, layer, grid, pooled_linear):
    example = images(1, size)
    cut = split_model(build(), example)
    assert cut.layers[0].name == layer
    assert (cut.head is not None) is pooled_linear
    found = compute_class_maps(cut, example, METHODS["gradcam"], top_k=2)
    assert found.maps.shape == (1, 2, *grid)
    assert found.maps.isfinite().all()
    assert found.maps.any()


def test_densenets_functional_relu_is_found():
    assert find_layer(tv.densenet121(), images(1, 64)) == TargetLayer("features", followed_by_relu=True)


def test_patches_without_influence_are_skipped():
    """A classifier of the class token ignores the patches of the last block's output: their gradient is zero."""
    model, example = timm.create_model("vit_tiny_patch16_224", depth=2).eval(), images(1, 224)
    names = [step.name for step in trace_feature_maps(model, example)]
    assert names[-1] == "norm"
    assert find_layer(model, example) == TargetLayer("blocks.1.norm1")


def test_a_class_map_of_swin_has_the_orientation_of_the_image():
    """Light up one corner of the last features: the map must light up there, not transposed."""
    model, example = narrow_swin_of_timm().eval(), images(1, 224)
    cut = split_model(model, example)

    def light(module, args, output):
        changed = torch.zeros_like(output)
        changed[:, 1, 5] = model.head.fc.weight[7]
        return changed

    handle = model.norm.register_forward_hook(light)
    found = compute_class_maps(cut, example, METHODS["cam"], classes=torch.tensor([[7]])).maps[0, 0]
    handle.remove()
    assert divmod(int(found.argmax()), 7) == (1, 5)


def test_a_model_without_feature_maps_is_refused():
    with refused("not-a-feature-map", "Sequential", kind=ModelError):
        find_layer(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), images(1))


def test_a_model_whose_logits_are_constant_gives_its_last_feature_map():
    model = PooledNet()
    nn.init.zeros_(model.fc.weight)
    assert find_layer(model, images(1)) == TargetLayer("features")


def test_find_layer_leaves_the_model_unchanged():
    model = PooledNet().train()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find_layer(model, images(1))
    assert all(module.training and not module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


class AttentionPooled(nn.Module):
    """A mean over positions, weighted by a map of one channel."""

    def __init__(self):
        super().__init__()
        self.conv, self.attention, self.head = nn.Conv2d(3, 8, 3, 4, 1), nn.Conv2d(8, 1, 1), nn.Linear(8, 3)

    def forward(self, x):
        features = torch.relu(self.conv(x))
        weights = self.attention(features).flatten(2).softmax(2)
        return self.head((features.flatten(2) * weights).sum(2))


def test_a_map_of_attention_weights_is_not_the_last_feature_map():
    layer = find_layer(AttentionPooled().eval(), torch.randn(1, 3, 32, 32))
    assert (layer.name, layer.followed_by_relu) == ("conv", True)
