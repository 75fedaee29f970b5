"""Find the last spatial feature map of a classifier: the default place to cut it."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from weakspot.errors import ModelError
from weakspot.models.feature_layout import Size, find_layout
from weakspot.models.hooked_forward import TargetLayer, forward_with_hooks, logits_of
from weakspot.models.hooks import hooked

# Their output is no new feature map, only a coarser one.
_POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)

# How far to look back for a feature map that the logits depend on.
_MOST_CANDIDATES = 32


@dataclass(frozen=True)
class Step:
    """A feature map met on the way: the name of the last module that returned it, its width K, and ``(h, w)``."""

    name: str
    channels: int
    grid: Size


def find_layer(model: nn.Module, example: Tensor) -> TargetLayer:
    """Find the last feature map of which the logits depend on more than the class token.

    The model is run on an example. Pooling layers are passed over (VGG's last one, too: its input is the finer
    map). In a transformer whose classifier reads the class token, the patches of the last blocks' output have
    no influence any more; the search goes back to the last place where they have.

    Args:
        model: The classifier.
        example: Images of the size that it will see, shape (1, 3, H, W).

    Returns:
        The layer, ``followed_by_relu`` when a ReLU that is not a module follows it.

    Raises:
        ModelError: If no module returns a feature map.
    """
    steps = feature_maps(model, example)
    if not steps:
        raise ModelError(
            f"No layer of {type(model).__name__} returns a feature map for an image of "
            f"{example.shape[-2]} x {example.shape[-1]} pixels.",
            "Name one with layer=..., or give a larger input_size.",
        )
    # Feature maps as wide as the last one are alternatives to it; narrower ones (queries, hidden units) are not.
    alike = [step for step in steps if step.channels == steps[-1].channels][-_MOST_CANDIDATES:]
    found = _last_with_influence(model, alike[-1:], example) or _last_with_influence(model, alike, example)
    return detect_relu(model, found or TargetLayer(alike[-1].name), example)


def feature_maps(model: nn.Module, example: Tensor) -> list[Step]:
    """List the feature maps that a model's modules return, in the order in which they are computed."""
    size = (example.shape[-2], example.shape[-1])
    steps = []
    for name, producer, output in _trace(model, example):
        layout = find_layout(output, size)
        if layout is not None and name and not isinstance(producer, _POOLING):
            steps.append(Step(name, layout.to_grid(output).shape[1], layout.grid))
    return steps


def detect_relu(model: nn.Module, layer: TargetLayer, example: Tensor) -> TargetLayer:
    """Move the cut behind a ReLU that follows the layer without being a module.

    It is there when rectifying the layer's output, which has negative values, changes no logit.
    """
    as_is = forward_with_hooks(model, [layer], example)
    behind = TargetLayer(layer.name, followed_by_relu=True)
    spread = as_is.logits.amax() - as_is.logits.amin() if as_is.logits.numel() > 1 else as_is.logits.abs()
    if as_is.activations[0].amin() >= 0 or spread == 0:
        return layer
    return behind if torch.equal(forward_with_hooks(model, [behind], example).logits, as_is.logits) else layer


def _trace(model: nn.Module, example: Tensor) -> Iterator[tuple[str, nn.Module, Tensor]]:
    """Run the model and yield each tensor that its modules return, once.

    With it come the name of the last (outermost) module that returned it and the module that made it, the first.
    """
    returned: list[tuple[str, nn.Module, Tensor]] = []

    def note(name: str, module: nn.Module, output: object) -> None:
        if isinstance(output, Tensor):
            returned.append((name, module, output))

    hooks = {name: note for name, _ in model.named_modules()}
    with hooked(model, hooks), torch.inference_mode(False), torch.no_grad():
        logits_of(model(example))
    # The list keeps every tensor alive, so an id stands for one tensor.
    makers = {id(output): module for _, module, output in reversed(returned)}
    names = {id(output): name for name, module, output in returned if not isinstance(module, nn.Identity)}
    # In the order in which they were last returned: what is added in place to a shortcut comes behind it.
    outputs = dict(reversed({id(output): output for _, _, output in reversed(returned)}.items()))
    yield from ((names[key], makers[key], output) for key, output in outputs.items() if key in names)


def _last_with_influence(model: nn.Module, steps: list[Step], example: Tensor) -> TargetLayer | None:
    """Find the last of the feature maps at whose grid the winning logit has a gradient."""
    layers = [TargetLayer(step.name) for step in steps]
    reading = forward_with_hooks(model, layers, example, differentiable=True)
    gradients = reading.gradients(reading.logits.argmax(dim=1, keepdim=True))
    pairs = zip(reversed(layers), reversed(gradients), strict=True)
    return next((layer for layer, gradient in pairs if gradient.any()), None)
