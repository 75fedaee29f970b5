import pytest
import torch
from timm.models.vgg import VGG
from torch import nn

from weakspot.models import find_layer, load_classifier
from weakspot.models.intermediate_features import find_levels
from weakspot.models.target_layer import feature_maps


def found_in(model):
    """A model, an image, and the names of the levels."""
    example = torch.randn(1, 3, 224, 224)
    return model, example, find_levels(model, example, (find_layer(model, example).name,))


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        pytest.param("resnet50", {}, ("layer1", "layer2", "layer3"), id="stages of a ResNet"),
        pytest.param(
            "tf_efficientnet_lite0", {}, ("blocks.1", "blocks.2", "blocks.3", "blocks.4"), id="widths within a size"
        ),
        pytest.param(
            "tf_efficientnet_lite0",
            {"output_stride": 16},
            ("blocks.1", "blocks.2", "blocks.3", "blocks.4", "blocks.5"),
            id="a dilated stage is as fine as the one before",
        ),
        pytest.param("convnext_atto", {}, ("stages.0", "stages.1", "stages.2"), id="ConvNeXt"),
        pytest.param("vit_tiny_patch16_224", {}, ("blocks.1", "blocks.5", "blocks.10"), id="a ViT has no stages"),
        pytest.param("swin_tiny_patch4_window7_224", {}, ("layers.0", "layers.1", "layers.2"), id="channels last"),
    ],
)
def test_levels_are_where_stages_end(name, options, expected):
    assert found_in(load_classifier(name, weights=None, **options).module)[2] == expected


NARROW = [4, "M", 8, "M", 8, 8, "M", 16, 16, "M", 16, 16, "M"]  # VGG-11 has these layers 16 to 32 times as wide


def narrow_vgg():
    return VGG(NARROW, num_classes=10, mlp_ratio=1 / 512).eval()


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(narrow_vgg, id="VGG-11, but narrow"),
        pytest.param(lambda: load_classifier("densenet121", weights=None).module, id="DenseNet-121"),
        pytest.param(lambda: load_classifier("torchvision/mobilenet_v2", weights=None).module, id="MobileNetV2"),
    ],
)
def test_levels_lie_before_the_class_maps_and_are_neither_too_fine_nor_too_coarse(build):
    model, example, levels = found_in(build())
    steps = {step.name: step for step in feature_maps(model, example)}
    order = list(steps)
    assert len(levels) >= 3
    assert all(order.index(level) < order.index(find_layer(model, example).name) for level in levels)
    assert all(11 <= steps[level].grid[0] <= 56 for level in levels)


def test_what_has_one_layer_has_no_levels():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert find_levels(model, torch.randn(1, 3, 32, 32), ("0",)) == ()
