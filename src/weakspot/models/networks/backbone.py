"""Trunks: backbones without their heads, from images to feature maps."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from weakspot.errors import InputError, ModelError
from weakspot.models import Classifier, find_layer, load_classifier, split_model
from weakspot.models.feature_layout import Layout, find_layout
from weakspot.models.hooks import evaluating
from weakspot.ops.preprocessing import Preprocessing

# A map that localizes well at little cost: 14 x 14 at 224 px, as in the field's benchmark.
GOOD_STRIDE = 16

_OUTPUT = "activations"
_STEM_STRIDE = 8


class Backbone(nn.Module):
    """A backbone that gives its last feature map.

    Args:
        backbone: A timm model without its head, or what torchvision's feature extraction makes of another.
        channels: Channels of its feature maps, the last one last.
        pooled: Whether its own head was pooling and one linear layer: then it is CAM-able as it is.
        followed_by_relu: Whether a ReLU that is no module follows the last feature map.
    """

    def __init__(
        self, backbone: nn.Module, channels: Sequence[int] = (), pooled: bool = True, followed_by_relu: bool = False
    ) -> None:
        super().__init__()
        self.followed_by_relu = followed_by_relu
        self.backbone = backbone
        self.channels = tuple(channels)
        self.pooled = pooled

    def forward(self, images: Tensor) -> Tensor:
        """Give the last feature map (B, K, h, w) of images (B, 3, H, W)."""
        if hasattr(self.backbone, "forward_features"):
            output: Tensor = self.backbone.forward_features(images)  # type: ignore[operator]
        else:
            output = self.backbone(images)[_OUTPUT]
        output = output.relu() if self.followed_by_relu else output
        return _layout(output, images).to_grid(output)

    def maps(self, images: Tensor, depth: int) -> tuple[Tensor, ...]:
        """Give the last feature map, and before it ``depth - 1`` mid-level ones, the earliest first."""
        if depth == 1:
            return (self(images),)
        last, earlier = self.backbone.forward_intermediates(images)  # type: ignore[operator]
        return (*earlier[-depth:-1], _layout(last, images).to_grid(last))


@dataclass(frozen=True)
class BuiltTrunk:
    """A trunk and what its images have to be like."""

    trunk: Backbone
    preprocessing: Preprocessing


def build_backbone(
    name: str, *, weights: str | Path | None, output_stride: int | None = None, input_size: int | None = None
) -> BuiltTrunk:
    """Build a backbone by name, load its weights, and take its head off.

    Args:
        name: As for :func:`weakspot.models.load_classifier`.
        weights: Likewise.
        output_stride: 16 or 8 for finer maps. Where the strides are those of pooling layers (VGG, GoogLeNet), the last
            ones go. None takes 16 where the backbone can, and else what it has.
        input_size: Side of the images; None takes the backbone's own.

    Raises:
        ModelError: If there is no such backbone, its weights cannot be had, or it cannot take images of that size.
        InputError: If it cannot have that output stride.
    """
    with torch.inference_mode(False):
        classifier, stride = _load(name, weights, GOOD_STRIDE if output_stride is None else output_stride)
        frame = classifier.info.preprocessing.changed(input_size=input_size)
        size = (1, len(frame.mean), frame.height, frame.width)
        example = torch.randn(size, generator=torch.Generator().manual_seed(0))
        pooled = split_model(classifier.module, example).head is not None
        trunk = _headless(classifier.module, example)
        if stride is not None and not _refined(trunk, example, stride) and output_stride is not None:
            raise InputError(
                "stride-not-supported",
                f"{name} cannot be built with output stride {stride}.",
                "Leave it out, or take a backbone that allows 16 or 8, such as resnet50 or tf_efficientnet_lite0.",
            )
        return BuiltTrunk(Backbone(trunk.backbone, _channels(trunk, example), pooled, trunk.followed_by_relu), frame)


def stride_of(trunk: Backbone, frame: Preprocessing) -> int:
    """Pixels of the image between neighbouring places of the feature map."""
    return _measured_stride(trunk, torch.zeros(1, len(frame.mean), frame.height, frame.width))


def _load(name: str, weights: str | Path | None, stride: int) -> tuple[Classifier, int | None]:
    """Load a classifier with a stride, or else as it is and with the stride that it still has to get."""
    try:
        return load_classifier(name, weights=weights, output_stride=stride), None
    except InputError:
        return load_classifier(name, weights=weights), stride


def _headless(model: nn.Module, example: Tensor) -> Backbone:
    """Take off what lies behind the last feature map."""
    if not hasattr(model, "forward_features"):
        layer = find_layer(model, example)
        extractor: nn.Module = create_feature_extractor(model, {layer.name: _OUTPUT}, suppress_diff_warning=True)
        return Backbone(extractor, followed_by_relu=layer.followed_by_relu)
    model.reset_classifier(0)  # type: ignore[operator]
    with _unrun(model) as unrun, evaluating(model), torch.no_grad():
        model.forward_features(example)  # type: ignore[operator]
    for name in unrun:  # VGG's fully connected layers
        _replace(model, name, nn.Identity())
    return Backbone(model)


@contextmanager
def _unrun(model: nn.Module) -> Iterator[set[str]]:
    """Name the layers with weights that do not run within a block; the set is right behind it."""
    leaves = {name: module for name, module in model.named_modules() if not list(module.children())}
    unrun = {name for name, module in leaves.items() if list(module.parameters())}
    handles = [leaves[name].register_forward_hook(lambda *_, name=name: unrun.discard(name)) for name in list(unrun)]
    try:
        yield unrun
    finally:
        for handle in handles:
            handle.remove()


def _refined(trunk: Backbone, example: Tensor, stride: int) -> bool:
    """Take the last pooling layers of stride 2 out until the feature map is as fine as wanted, or give it up."""
    pools = _late_pools(trunk, example)
    taken: dict[str, nn.Module] = {}
    try:
        while _measured_stride(trunk, example) > stride and pools:
            name = pools.pop()
            taken[name] = trunk.get_submodule(name)
            _replace(trunk, name, nn.Identity())
        fine = _measured_stride(trunk, example) == stride
    except RuntimeError:  # a shortcut that pools has to stay as coarse as what it leads past
        fine = False
    for name, module in () if fine else taken.items():
        _replace(trunk, name, module)
    return fine


def _late_pools(trunk: Backbone, example: Tensor) -> list[str]:
    """Name the pooling layers of stride 2 but those of the stem, without which all features would lose their scale."""
    late: list[str] = []

    def note(name: str, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if example.shape[-1] >= _STEM_STRIDE * inputs[0].shape[-1]:
            late.append(name)

    halving = {name: module for name, module in trunk.named_modules() if _halves(module)}
    handles = [module.register_forward_pre_hook(partial(note, name)) for name, module in halving.items()]
    _measured_stride(trunk, example)
    for handle in handles:
        handle.remove()
    return late


def _halves(module: nn.Module) -> bool:
    return isinstance(module, nn.MaxPool2d | nn.AvgPool2d) and module.stride in (2, (2, 2))


def _measured_stride(trunk: Backbone, example: Tensor) -> int:
    with evaluating(trunk), torch.no_grad():
        columns: int = trunk(example).shape[-1]
        return round(example.shape[-1] / columns)


def _channels(trunk: Backbone, example: Tensor) -> tuple[int, ...]:
    """Channels of all feature maps; of the last one alone where the backbone does not give the others."""
    deep = hasattr(trunk.backbone, "forward_intermediates")
    with evaluating(trunk), torch.no_grad():
        earlier = trunk.backbone.forward_intermediates(example)[1] if deep else [example]  # type: ignore[operator]
        return (*(one.shape[1] for one in earlier[:-1]), trunk(example).shape[1])


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def _layout(output: Tensor, images: Tensor) -> Layout:
    found = find_layout(output, (images.shape[-2], images.shape[-1]))
    if found is None:
        raise ModelError(
            f"The backbone gives shape {tuple(output.shape)}: no feature map.", "Take a convolutional one, or a ViT."
        )
    return found
