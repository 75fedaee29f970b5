"""Backbones: classifiers without their heads, which return feature maps."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import timm
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from weakspot.errors import InputError, ModelError
from weakspot.models import Classifier, TargetLayer, find_layer, load_classifier, split_model
from weakspot.models.classifiers import check_model_name
from weakspot.models.feature_layout import Layout, find_layout
from weakspot.models.hooks import eval_mode
from weakspot.ops.preprocessing import Preprocessing

# Maps of 14 x 14 at 224 px, as in the WSOL benchmark, localize well at little cost.
DEFAULT_STRIDE = 16

_OUTPUT = "activations"
_STEM_STRIDE = 8
# Largest number of weights of a classifier as a multiple of the bytes of its backbone: VGG-11's is 3.6.
_MAX_RATIO = 8


class Backbone(nn.Module):
    """A backbone that returns its last feature map.

    Args:
        backbone: A timm model without its head, or the result of torchvision's feature extraction.
        channels: Number of channels of each feature map, the last one last.
        pooled: Whether its original head was pooling and one linear layer, so that CAM needs no further convolution.
        layer: The layer of the last feature map, whose functional activation follows it; None if it has none.
    """

    def __init__(
        self, backbone: nn.Module, channels: Sequence[int] = (), pooled: bool = True, layer: TargetLayer | None = None
    ) -> None:
        super().__init__()
        self.layer = layer
        self.backbone = backbone
        self.channels = tuple(channels)
        self.pooled = pooled

    def forward(self, images: Tensor) -> Tensor:
        """Return the last feature map (B, K, h, w) of images (B, 3, H, W)."""
        if hasattr(self.backbone, "forward_features"):
            output: Tensor = self.backbone.forward_features(images)  # type: ignore[operator]
        else:
            output = self.backbone(images)[_OUTPUT]
        output = output if self.layer is None else self.layer.activate(output)
        return _layout(output, images).to_grid(output)

    def maps(self, images: Tensor, depth: int) -> tuple[Tensor, ...]:
        """Return the last ``depth`` feature maps of images (B, 3, H, W), the last one last."""
        if depth == 1:
            return (self(images),)
        last, earlier = self.backbone.forward_intermediates(images)  # type: ignore[operator]
        return (*earlier[-depth:-1], _layout(last, images).to_grid(last))


@dataclass(frozen=True)
class BuiltBackbone:
    """A backbone and the preprocessing of its images."""

    backbone: Backbone
    preprocessing: Preprocessing


def build_backbone(
    name: str, *, weights: str | Path | None, output_stride: int | None = None, input_size: int | None = None
) -> BuiltBackbone:
    """Build a classifier by name, load its weights, and remove its head.

    Args:
        name: As for :func:`weakspot.models.load_classifier`.
        weights: As for :func:`weakspot.models.load_classifier`.
        output_stride: 16 or 8 for finer maps. If it results from pooling layers (VGG, GoogLeNet), the last of them are
            removed. None for 16 if the backbone supports it, else its own stride.
        input_size: Side of the images in pixels; None for the backbone's own.
    """
    with torch.inference_mode(False):
        classifier, missing_stride = _load(name, weights, DEFAULT_STRIDE if output_stride is None else output_stride)
        preprocessing = classifier.info.preprocessing.changed(input_size=input_size)
        size = (1, len(preprocessing.mean), preprocessing.height, preprocessing.width)
        example = torch.randn(size, generator=torch.Generator().manual_seed(0))
        pooled = split_model(classifier.module, example).head is not None
        backbone = _remove_head(classifier.module, example)
        refined = missing_stride is None or _remove_pooling(backbone, example, missing_stride)
        if not refined and output_stride is not None:
            raise InputError(
                "stride-not-supported",
                f"{name} does not support output stride {output_stride}.",
                "Use 16 or 8 with resnet50 or tf_efficientnet_lite0; other backbones may support fewer.",
            )
        channels = _count_channels(backbone, example)
        return BuiltBackbone(Backbone(backbone.backbone, channels, pooled, backbone.layer), preprocessing)


def check_backbone_size(name: str, max_weights: int) -> None:
    """Raise ModelError (``weights-mismatch``) if a backbone is far larger than its weights; it is built without memory.

    Heads that are removed may have most of the weights (VGG).
    """
    check_model_name(name)
    try:
        with torch.device("meta"):
            build = timm.create_model if timm.is_model(name) else torchvision.models.get_model
            model = build(name.removeprefix("torchvision/"))
    except Exception:  # not every model can be built without memory
        return
    count = sum(value.numel() for value in model.parameters())
    if count > _MAX_RATIO * max_weights:
        problem = f"{name} has {count} weights, and the file {max_weights} bytes."
        raise ModelError("weights-mismatch", problem, "The file is damaged or of another backbone.")


def measure_stride(backbone: Backbone, preprocessing: Preprocessing) -> int:
    """Return the output stride: pixels of the image per position of the feature map."""
    return _stride(backbone, torch.zeros(1, len(preprocessing.mean), preprocessing.height, preprocessing.width))


def _load(name: str, weights: str | Path | None, stride: int) -> tuple[Classifier, int | None]:
    """Load a classifier with a stride if it supports it; else as it is, and return the stride that is missing."""
    try:
        return load_classifier(name, weights=weights, output_stride=stride), None
    except InputError:
        return load_classifier(name, weights=weights), stride


def _remove_head(model: nn.Module, example: Tensor) -> Backbone:
    """Remove all layers after the last feature map."""
    if not hasattr(model, "forward_features"):
        layer = find_layer(model, example)
        extractor: nn.Module = create_feature_extractor(model, {layer.name: _OUTPUT}, suppress_diff_warning=True)
        return Backbone(extractor, layer=layer)
    model.reset_classifier(0)  # type: ignore[operator]
    with _collect_unused(model) as unused, eval_mode(model), torch.no_grad():
        model.forward_features(example)  # type: ignore[operator]
    for name in unused:  # VGG's fully connected layers
        _replace(model, name, nn.Identity())
    return Backbone(model)


@contextmanager
def _collect_unused(model: nn.Module) -> Iterator[set[str]]:
    """Collect the names of the layers with weights that do not run within a ``with`` block; complete at its end."""
    leaves = {name: module for name, module in model.named_modules() if not list(module.children())}
    unused = {name for name, module in leaves.items() if list(module.parameters())}
    handles = [leaves[name].register_forward_hook(lambda *_, name=name: unused.discard(name)) for name in list(unused)]
    try:
        yield unused
    finally:
        for handle in handles:
            handle.remove()


def _remove_pooling(backbone: Backbone, example: Tensor, stride: int) -> bool:
    """Remove the last pooling layers of stride 2 until the stride is reached; restore them and return False if not."""
    pools = _late_pools(backbone, example)
    removed: dict[str, nn.Module] = {}
    try:
        while _stride(backbone, example) > stride and pools:
            name = pools.pop()
            removed[name] = backbone.get_submodule(name)
            _replace(backbone, name, nn.Identity())
        reached = _stride(backbone, example) == stride
    except RuntimeError:  # a pooling shortcut no longer fits the branch that it bypasses
        reached = False
    for name, module in () if reached else removed.items():
        _replace(backbone, name, module)
    return reached


def _late_pools(backbone: Backbone, example: Tensor) -> list[str]:
    """List the pooling layers of stride 2 after the stem; without those of the stem all features would change scale."""
    late: list[str] = []

    def record(name: str, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if example.shape[-1] >= _STEM_STRIDE * inputs[0].shape[-1]:
            late.append(name)

    halving = {name: module for name, module in backbone.named_modules() if _is_halving(module)}
    handles = [module.register_forward_pre_hook(partial(record, name)) for name, module in halving.items()]
    _stride(backbone, example)
    for handle in handles:
        handle.remove()
    return late


def _is_halving(module: nn.Module) -> bool:
    return isinstance(module, nn.MaxPool2d | nn.AvgPool2d) and module.stride in (2, (2, 2))


def _stride(backbone: Backbone, example: Tensor) -> int:
    with eval_mode(backbone), torch.no_grad():
        columns: int = backbone(example).shape[-1]
        return round(example.shape[-1] / columns)


def _count_channels(backbone: Backbone, example: Tensor) -> tuple[int, ...]:
    """Return the channels of all feature maps, or of the last one only if the backbone does not return the others."""
    deep = hasattr(backbone.backbone, "forward_intermediates")
    with eval_mode(backbone), torch.no_grad():
        earlier = backbone.backbone.forward_intermediates(example)[1] if deep else [example]  # type: ignore[operator]
        return (*(features.shape[1] for features in earlier[:-1]), backbone(example).shape[1])


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def _layout(output: Tensor, images: Tensor) -> Layout:
    layout = find_layout(output, (images.shape[-2], images.shape[-1]))
    if layout is None:
        problem = f"The backbone must return a feature map, got shape {tuple(output.shape)}."
        raise ModelError("not-a-feature-map", problem, "Use a convolutional network or a ViT.")
    return layout
