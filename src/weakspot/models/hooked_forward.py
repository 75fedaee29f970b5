"""Cut a classifier at a feature map: one forward pass that differentiates only what lies behind the cut."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from weakspot.errors import ModelError
from weakspot.models.feature_layout import Layout, Size, find_layout
from weakspot.models.hooks import Hook, hooked


@dataclass(frozen=True)
class TargetLayer:
    """A place to cut.

    Attributes:
        name: Name of the module whose output is taken.
        followed_by_relu: Whether the head begins with a ReLU that is no module of its own (DenseNet): the activations
            are then taken behind it.
    """

    name: str
    followed_by_relu: bool = False


@dataclass(frozen=True)
class ForwardPass:
    """What one forward pass gave.

    Attributes:
        logits: Shape (B, number of classes).
        outputs: The output of each layer, in the layer's own layout.
        layouts: How each output holds its feature map.
        calls: How often each layer ran; its last output is taken.
        levels: The feature maps (B, K, h, w) of the levels that were watched, in float32 or better, never
            differentiated.
    """

    logits: Tensor
    outputs: tuple[Tensor, ...]
    layouts: tuple[Layout, ...]
    calls: tuple[int, ...]
    levels: tuple[Tensor, ...] = ()

    @property
    def activations(self) -> tuple[Tensor, ...]:
        """The activations (B, K, h, w) of each layer, detached, in float32 or better."""
        return tuple(
            full_precision(layout.to_grid(output.detach()))
            for layout, output in zip(self.layouts, self.outputs, strict=True)
        )

    def of_image(self, i: int) -> "ForwardPass":
        """The part that belongs to image i of the batch, as a batch of one."""
        outputs = tuple(output[i : i + 1].detach() for output in self.outputs)
        return replace(self, logits=self.logits[i : i + 1].detach(), outputs=outputs, levels=())

    def gradients(self, classes: Tensor) -> tuple[Tensor, ...]:
        """Differentiate the logits of (B, C) classes with respect to each layer: (B, C, K, h, w) each."""
        with torch.inference_mode(False), torch.enable_grad():
            # A clone, as indices made under inference_mode cannot be kept for the way back.
            scores = [self.logits.gather(1, of_one).sum() for of_one in classes.clone().split(1, dim=1)]
        last = scores[-1]
        by_class = [
            torch.autograd.grad(score, self.outputs, retain_graph=score is not last, materialize_grads=True)
            for score in scores
        ]
        return tuple(
            torch.stack([full_precision(layout.to_grid(gradient)) for gradient in of_layer], dim=1)
            for layout, of_layer in zip(self.layouts, zip(*by_class, strict=True), strict=True)
        )


def forward_with_hooks(
    model: nn.Module,
    layers: Sequence[TargetLayer],
    images: Tensor,
    *,
    differentiable: bool = False,
    replacement: tuple[Tensor, int] | None = None,
    levels: Sequence[str] = (),
) -> ForwardPass:
    """Run a classifier once and take what its layers return.

    Nothing is recorded before the first of the layers: its output is detached and becomes a leaf, gradients are
    switched on from there, and a clone is handed on so that an in-place operation behind it is harmless. The
    model is left as it was: no hook, no mode, no gradient.

    Args:
        model: The classifier.
        layers: Where to take outputs.
        images: Shape (B, 3, H, W), normalised.
        differentiable: Whether :meth:`ForwardPass.gradients` will be asked for.
        replacement: Handed on in place of the output of the (only) layer, at that call of it (1 is the first): the
            head alone is then what varies.
        levels: Names of modules whose output is taken as well, as it is; none of the layers.

    Raises:
        ModelError: If a layer is not run, returns no feature map, or does not lead to the logits; or if the
            model does not return logits.
    """
    for mode in (torch.no_grad, torch.enable_grad) if differentiable else (torch.inference_mode,):
        taken: dict[str, Tensor] = {}
        calls: Counter[str] = Counter()
        watched: dict[str, Tensor] = {}
        hooks: dict[str, Hook] = {name: _observe_hook(watched) for name in levels}
        hooks |= {layer.name: _capture_hook(layer, taken, calls, differentiable, replacement) for layer in layers}
        with hooked(model, hooks), torch.inference_mode(False), mode():
            logits = logits_of(model(images))
        # A model that runs its backbone under its own no_grad switches gradients off again behind the layer:
        # then they have to be on from the start.
        if logits.requires_grad or not differentiable:
            break
    else:
        raise ModelError(
            f"No gradient flows from the logits back to {' and '.join(layer.name for layer in layers)}.",
            "Take a method that needs no gradient (scorecam, ablationcam, eigencam), or another layer.",
        )
    outputs, layouts = _with_layouts(layers, taken, images)
    seen = _on_grids(levels, watched, images)
    return ForwardPass(logits, outputs, layouts, tuple(calls[layer.name] for layer in layers), seen)


def forward_head(
    model: nn.Module, layer: TargetLayer, image: Tensor, reading: ForwardPass, activations: Tensor
) -> Tensor:
    """Run what lies behind a layer on activations of our own.

    The trunk runs too, but only on one stand-in image, whatever the number of activations.

    Args:
        model: The classifier.
        layer: Where it is cut.
        image: The image that the activations come from, shape (1, 3, H, W).
        reading: What :func:`forward_with_hooks` gave for that image and layer.
        activations: Shape (N, K, h, w).

    Returns:
        Logits of shape (N, number of classes).
    """
    replacement = reading.layouts[0].from_grid(activations.to(reading.outputs[0].dtype), reading.outputs[0])
    return forward_with_hooks(model, [layer], image, replacement=(replacement, reading.calls[0])).logits


def logits_of(output: object) -> Tensor:
    """Take the logits (B, number of classes) from what a model returned, or refuse it."""
    logits = getattr(output, "logits", output)
    if not isinstance(logits, Tensor) or logits.dim() != 2 or not logits.is_floating_point():
        what = f"a tensor of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(output).__name__
        raise ModelError(
            f"The model returns {what}, not logits of shape (images, classes).",
            "Give a classifier, or wrap the model so that its forward returns the logits.",
        )
    return logits


def full_precision(values: Tensor) -> Tensor:
    """Widen 16-bit floats to float32; leave the others."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _capture_hook(
    layer: TargetLayer,
    taken: dict[str, Tensor],
    calls: Counter[str],
    differentiable: bool,
    replacement: tuple[Tensor, int] | None,
) -> Hook:
    """Make the hook that takes a layer's output and hands a clone of it on."""

    def take(name: str, _module: nn.Module, output: object) -> Tensor:
        calls[name] += 1
        value = replacement[0] if replacement is not None and replacement[1] == calls[name] else output
        if not isinstance(value, Tensor):
            raise ModelError(f"The layer {name} returns {type(value).__name__}, not a tensor.", "Name another layer.")
        value = torch.relu(value) if layer.followed_by_relu else value
        if differentiable:
            value = value.clone() if value.is_inference() else value
            torch.set_grad_enabled(True)
            # What comes from the first layer's leaf stays as it is; anything else becomes a leaf of its own.
            value = value if taken and value.requires_grad else value.detach().requires_grad_()
        taken[name] = value
        return value.clone()

    return take


def _observe_hook(watched: dict[str, Tensor]) -> Hook:
    """Make the hook that looks at a level's output and changes nothing."""

    def watch(name: str, _module: nn.Module, output: object) -> None:
        if isinstance(output, Tensor):
            # A clone: what comes behind may be in place.
            watched[name] = output.detach().clone()

    return watch


def _on_grids(names: Sequence[str], watched: dict[str, Tensor], images: Tensor) -> tuple[Tensor, ...]:
    """The feature maps of the levels; one that gives none for images of this size is passed over."""
    size: Size = (images.shape[-2], images.shape[-1])
    outputs = [watched[name] for name in names if name in watched]
    found = [(output, find_layout(output, size)) for output in outputs]
    return tuple(full_precision(layout.to_grid(output)) for output, layout in found if layout is not None)


def _with_layouts(
    layers: Sequence[TargetLayer], taken: dict[str, Tensor], images: Tensor
) -> tuple[tuple[Tensor, ...], tuple[Layout, ...]]:
    """Pair the outputs, in the order of the layers, with their layouts."""
    size: Size = (images.shape[-2], images.shape[-1])
    layouts = []
    for layer in layers:
        if layer.name not in taken:
            raise ModelError(f"The layer {layer.name} is not run by the model's forward.", "Name another layer.")
        layout = find_layout(taken[layer.name], size)
        if layout is None:
            raise ModelError(
                f"The layer {layer.name} returns shape {tuple(taken[layer.name].shape)}: no feature map.",
                "Name a layer whose output has a height and a width, or leave layer out to have it found.",
            )
        layouts.append(layout)
    return tuple(taken[layer.name] for layer in layers), tuple(layouts)
