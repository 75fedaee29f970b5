import pytest
import torch
from timm.models.vgg import VGG
from torch import nn

from weakspot.models import find_layer, load_classifier
from weakspot.models.intermediate_features import find_intermediates
from weakspot.models.target_layer import trace_feature_maps


def intermediates_of(model):
    """A model, an image, and the names of the intermediate layers."""
    example = torch.randn(1, 3, 224, 224)
    return model, example, find_intermediates(model, example, (find_layer(model, example).name,))


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
def test_intermediate_layers_are_the_ends_of_stages(name, options, expected):
    assert intermediates_of(load_classifier(name, weights=None, **options).module)[2] == expected


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
def test_intermediate_layers_precede_the_target_layer_at_moderate_strides(build):
    model, example, layers = intermediates_of(build())
    steps = {step.name: step for step in trace_feature_maps(model, example)}
    order = list(steps)
    assert len(layers) >= 3
    assert all(order.index(layer) < order.index(find_layer(model, example).name) for layer in layers)
    assert all(11 <= steps[layer].grid[0] <= 56 for layer in layers)


def test_a_model_of_one_layer_has_no_intermediate_layers():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert find_intermediates(model, torch.randn(1, 3, 32, 32), ("0",)) == ()
