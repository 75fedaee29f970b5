"""Run a classifier once and capture the outputs of some layers, with gradients only from the first of them on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from weakspot.errors import ModelError
from weakspot.models.feature_layout import Layout, Size, find_layout
from weakspot.models.following_activation import Activation, SkipCalls
from weakspot.models.hooks import Hook, forward_hooks
from weakspot.models.model_outputs import extract_logits


@dataclass(frozen=True)
class TargetLayer:
    """A layer whose output is captured.

    Attributes:
        name: Name of the module.
        followed_by_relu: Whether a functional ReLU follows the module (DenseNet): the activations are then those after
            the ReLU.
        activation: The functional activation, whatever it is, and the calls that compute it.
    """

    name: str
    followed_by_relu: bool = False
    activation: Activation | None = field(default=None, compare=False)

    def activate(self, output: Tensor) -> Tensor:
        """Apply the activation that follows the layer to its output."""
        if self.activation is not None:
            return self.activation(output)
        return torch.relu(output) if self.followed_by_relu else output


@dataclass(frozen=True)
class ForwardPass:
    """Logits and captured outputs of one forward pass.

    Attributes:
        logits: Shape (B, number of classes).
        outputs: Output of each target layer, in the layer's own layout.
        layouts: Layout of the feature map in each output.
        calls: Number of times each layer ran; its last output is captured.
        intermediates: Intermediate feature maps (B, K, h, w), in float32 or better, detached.
    """

    logits: Tensor
    outputs: tuple[Tensor, ...]
    layouts: tuple[Layout, ...]
    calls: tuple[int, ...]
    intermediates: tuple[Tensor, ...] = ()

    @property
    def activations(self) -> tuple[Tensor, ...]:
        """Activations (B, K, h, w) of each layer, detached, in float32 or better."""
        return tuple(
            upcast(layout.to_grid(output.detach())) for layout, output in zip(self.layouts, self.outputs, strict=True)
        )

    def select_image(self, i: int) -> "ForwardPass":
        """Return the part of image i as a batch of one."""
        outputs = tuple(output[i : i + 1].detach() for output in self.outputs)
        return replace(self, logits=self.logits[i : i + 1].detach(), outputs=outputs, intermediates=())

    def gradients(self, classes: Tensor) -> tuple[Tensor, ...]:
        """Differentiate the logits of (B, C) classes with respect to each layer: (B, C, K, h, w) each."""
        with torch.inference_mode(False), torch.enable_grad():
            # Indices made under inference_mode cannot be saved for the backward pass, a clone can.
            scores = [self.logits.gather(1, column).sum() for column in classes.clone().split(1, dim=1)]
        last = scores[-1]
        per_class = [
            torch.autograd.grad(score, self.outputs, retain_graph=score is not last, materialize_grads=True)
            for score in scores
        ]
        return tuple(
            torch.stack([upcast(layout.to_grid(gradient)) for gradient in gradients], dim=1)
            for layout, gradients in zip(self.layouts, zip(*per_class, strict=True), strict=True)
        )


def forward_with_hooks(
    model: nn.Module,
    layers: Sequence[TargetLayer],
    images: Tensor,
    *,
    differentiable: bool = False,
    replacement: tuple[Tensor, int] | None = None,
    intermediates: Sequence[str] = (),
    token_orders: Mapping[str, Tensor] | None = None,
) -> ForwardPass:
    """Run a classifier once and capture the outputs of its layers.

    Autograd records nothing before the first layer: its output is detached and becomes a leaf, gradients are enabled
    from there, and the model continues with a clone, so that in-place operations do no harm. If a functional activation
    follows the layer, the leaf is its output, and the model continues without it. The model is left unchanged: no
    hooks, modes or gradients remain.

    Args:
        model: The classifier.
        layers: The target layers.
        images: Shape (B, 3, H, W), normalized.
        differentiable: Whether :meth:`ForwardPass.gradients` will be called.
        replacement: Tensor that replaces the activations of the only layer, in its own layout, and the number of the
            call (from 1) at which it does: used to run the head alone.
        intermediates: Names of further modules whose outputs are captured unchanged.
        token_orders: Order of the tokens of intermediate modules that do not return them row by row, see
            :func:`weakspot.models.token_order.find_token_orders`.
    """
    # Not inference_mode: a tensor that the model keeps from this pass could never be used in training.
    for mode in (torch.no_grad, torch.enable_grad) if differentiable else (torch.no_grad,):
        captured: dict[str, Tensor] = {}
        calls: Counter[str] = Counter()
        observed: dict[str, Tensor] = {}
        skipping = _skip_calls(layers)
        hooks: dict[str, Hook] = {name: _observe_hook(observed) for name in intermediates}
        hooks |= {
            layer.name: _capture_hook(layer, captured, calls, differentiable, replacement, skipping) for layer in layers
        }
        with forward_hooks(model, hooks), torch.inference_mode(False), mode(), skipping or nullcontext():
            logits = extract_logits(model(images), (images if replacement is None else replacement[0]).shape[0])
        # A model that runs its backbone under no_grad disables gradients again after the layer: then they have to be
        # enabled from the start.
        if logits.requires_grad or not differentiable:
            break
    else:
        names = " and ".join(layer.name for layer in layers)
        raise ModelError(
            "no-gradient",
            f"The logits have no gradient with respect to {names}.",
            "Use a method without gradients (scorecam, ablationcam, eigencam), or another layer.",
        )
    outputs, layouts = _with_layouts(layers, captured, images)
    features = _to_grids(intermediates, observed, images, token_orders or {})
    return ForwardPass(logits, outputs, layouts, tuple(calls[layer.name] for layer in layers), features)


def forward_head(
    model: nn.Module, layer: TargetLayer, image: Tensor, forward_pass: ForwardPass, activations: Tensor
) -> Tensor:
    """Run the part of a model after a layer on other activations.

    The backbone runs too, but only on one dummy image for all activations.

    Args:
        model: The classifier.
        layer: The target layer.
        image: The image that the activations come from, shape (1, 3, H, W).
        forward_pass: Result of :func:`forward_with_hooks` for that image and layer.
        activations: Shape (N, K, h, w).

    Returns:
        Logits of shape (N, number of classes).
    """
    output = forward_pass.outputs[0]
    replacement = forward_pass.layouts[0].from_grid(activations.to(output.dtype), output)
    return forward_with_hooks(model, [layer], image, replacement=(replacement, forward_pass.calls[0])).logits


def upcast(values: Tensor) -> Tensor:
    """Convert 16-bit floats to float32; return other tensors unchanged."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _capture_hook(
    layer: TargetLayer,
    captured: dict[str, Tensor],
    calls: Counter[str],
    differentiable: bool,
    replacement: tuple[Tensor, int] | None,
    skipping: SkipCalls | None,
) -> Hook:
    """Return a hook that captures a layer's activations and passes a clone of them on."""

    def capture(name: str, _module: nn.Module, output: object) -> Tensor:
        calls[name] += 1
        if not isinstance(output, Tensor):
            problem = f"Layer {name} must return a tensor, got {type(output).__name__}."
            raise ModelError("not-a-feature-map", problem)
        replaced = replacement is not None and replacement[1] == calls[name]
        value = replacement[0] if replacement is not None and replaced else layer.activate(output)
        if differentiable:
            value = value.clone() if value.is_inference() else value
            torch.set_grad_enabled(True)
            # A value that depends on the first layer's leaf stays as it is; any other becomes a leaf.
            value = value if captured and value.requires_grad else value.detach().requires_grad_()
        captured[name] = value
        handed = value.clone()
        if skipping is not None:
            skipping.restart(name)
        return handed

    return capture


def _skip_calls(layers: Sequence[TargetLayer]) -> SkipCalls | None:
    """Return a context without the functional activations that follow layers; None if there are none."""
    activations = {layer.name: layer.activation for layer in layers if layer.activation and layer.activation.calls}
    return SkipCalls(activations) if activations else None


def _observe_hook(observed: dict[str, Tensor]) -> Hook:
    """Return a hook that stores a copy of a layer's output and changes nothing."""

    def observe(name: str, _module: nn.Module, output: object) -> None:
        if isinstance(output, Tensor):
            observed[name] = output.detach().clone()  # a clone, as later operations may be in place

    return observe


def _to_grids(
    names: Sequence[str], observed: dict[str, Tensor], images: Tensor, orders: Mapping[str, Tensor]
) -> tuple[Tensor, ...]:
    """Return the intermediate feature maps; layers that have none for images of this size are skipped."""
    size: Size = (images.shape[-2], images.shape[-1])
    features = []
    for name in names:
        layout = find_layout(observed[name], size) if name in observed else None
        if layout is not None:
            grid = layout.to_grid(observed[name])
            features.append(upcast(_reorder(grid, orders[name]) if name in orders else grid))
    return tuple(features)


def _reorder(grid: Tensor, order: Tensor) -> Tensor:
    """Put the positions of a feature map (B, K, h, w) into another order."""
    return grid.flatten(2)[..., order.to(grid.device)].reshape(grid.shape)


def _with_layouts(
    layers: Sequence[TargetLayer], captured: dict[str, Tensor], images: Tensor
) -> tuple[tuple[Tensor, ...], tuple[Layout, ...]]:
    """Return the outputs and their layouts in the order of the layers."""
    size: Size = (images.shape[-2], images.shape[-1])
    layouts = []
    for layer in layers:
        if layer.name not in captured:
            raise ModelError("layer-not-run", f"The model's forward does not run layer {layer.name}.")
        layout = find_layout(captured[layer.name], size)
        if layout is None:
            raise ModelError(
                "not-a-feature-map",
                f"Layer {layer.name} must return a feature map, got shape {tuple(captured[layer.name].shape)}.",
                "Leave layer out to use the last feature map.",
            )
        layouts.append(layout)
    return tuple(captured[layer.name] for layer in layers), tuple(layouts)
