"""Find the last spatial feature map of a classifier, the default target layer."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from weakspot.errors import ModelError
from weakspot.models.feature_layout import Size, find_layout
from weakspot.models.find_activation import detect_activation
from weakspot.models.hooked_forward import TargetLayer, forward_with_hooks
from weakspot.models.hooks import forward_hooks
from weakspot.models.model_outputs import extract_logits

# The output of a pooling layer is a coarser copy of a feature map, not a new one.
_POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)

# Number of last feature maps in which to search for one that the logits depend on.
_MAX_CANDIDATES = 32


@dataclass(frozen=True)
class FeatureMap:
    """A feature map that a model computes.

    Attributes:
        name: Name of the last module that returned it.
        channels: Number of channels K.
        grid: Grid size ``(h, w)``.
    """

    name: str
    channels: int
    grid: Size


def find_layer(model: nn.Module, example: Tensor) -> TargetLayer:
    """Find the last feature map of which the logits depend on more than the class token.

    Pooling layers are skipped (including the last one of VGG, whose input is the finer map). If the head of a
    transformer uses the class token only, the patches of the last blocks do not influence the logits; the search then
    goes back to the last layer at which they do.

    Args:
        model: The classifier, which is run.
        example: An image of the input size, shape (1, 3, H, W).

    Returns:
        The layer, with the functional activation that follows it, if any.
    """
    maps = trace_feature_maps(model, example)
    if not maps:
        size = f"{example.shape[-2]} x {example.shape[-1]}"
        problem = f"{type(model).__name__} has no layer that returns a feature map for images of {size} pixels."
        raise ModelError("not-a-feature-map", problem, "Pass layer, or a larger input_size.")
    maps = [feature_map for feature_map in maps if feature_map.channels > 1] or maps  # one channel is a gate
    # Candidates have as many channels as the last feature map; narrower ones are queries or hidden units.
    candidates = [feature_map for feature_map in maps if feature_map.channels == maps[-1].channels][-_MAX_CANDIDATES:]
    layer = _last_with_influence(model, candidates[-1:], example) or _last_with_influence(model, candidates, example)
    return detect_activation(model, layer or TargetLayer(candidates[-1].name), example)


def trace_feature_maps(model: nn.Module, example: Tensor) -> list[FeatureMap]:
    """List the feature maps that a model's modules return, in order of execution."""
    size = (example.shape[-2], example.shape[-1])
    maps = []
    for name, producer, output in _trace(model, example):
        layout = find_layout(output, size)
        if layout is not None and name and not isinstance(producer, _POOLING):
            maps.append(FeatureMap(name, layout.to_grid(output).shape[1], layout.grid))
    return maps


def _trace(model: nn.Module, example: Tensor) -> Iterator[tuple[str, nn.Module, Tensor]]:
    """Run the model and yield each tensor that its modules return, once.

    The name is that of the last (outermost) module that returned the tensor, the module is the first, which computed
    it.
    """
    returned: list[tuple[str, nn.Module, Tensor]] = []

    def record(name: str, module: nn.Module, output: object) -> None:
        if isinstance(output, Tensor):
            returned.append((name, module, output))

    hooks = {name: record for name, _ in model.named_modules()}
    with forward_hooks(model, hooks), torch.inference_mode(False), torch.no_grad():
        extract_logits(model(example), example.shape[0])
    # The list keeps every tensor alive, so ids are unique.
    producers = {id(output): module for _, module, output in reversed(returned)}
    names = {id(output): name for name, module, output in returned if not isinstance(module, nn.Identity)}
    # In the order of the last return: a tensor that is added to in place comes after the addition.
    outputs = dict(reversed({id(output): output for _, _, output in reversed(returned)}.items()))
    yield from ((names[key], producers[key], output) for key, output in outputs.items() if key in names)


def _last_with_influence(model: nn.Module, maps: list[FeatureMap], example: Tensor) -> TargetLayer | None:
    """Return the last of the feature maps with respect to whose grid the largest logit has a gradient."""
    layers = [TargetLayer(feature_map.name) for feature_map in maps]
    forward_pass = forward_with_hooks(model, layers, example, differentiable=True)
    gradients = forward_pass.gradients(forward_pass.logits.argmax(dim=1, keepdim=True))
    pairs = zip(reversed(layers), reversed(gradients), strict=True)
    return next((layer for layer, gradient in pairs if gradient.any()), None)
