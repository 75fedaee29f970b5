"""Split a classifier at one or several layers, and check that a class map method fits them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import Protocol

import torch
from torch import Tensor, nn

from weakspot.cams import Method
from weakspot.errors import InputError, ModelError, WeakspotError, suggest
from weakspot.models.feature_layout import Size
from weakspot.models.find_activation import detect_activation
from weakspot.models.foreground_head import ForegroundHead
from weakspot.models.gap_head import GapLinearHead, find_gap_head
from weakspot.models.hooked_forward import ForwardPass, TargetLayer, forward_with_hooks, upcast
from weakspot.models.intermediate_features import find_intermediates
from weakspot.models.model_outputs import are_probabilities, end_in_probabilities, have_one_sign
from weakspot.models.single_view import check_batch, check_single_view
from weakspot.models.target_layer import find_layer
from weakspot.models.token_order import find_token_orders, find_unordered, warn_unordered


class AcceleratedForward(Protocol):
    """A forward pass of the classifier that another runtime computes."""

    @property
    def dummy_size(self) -> Size | None:
        """Size of the smallest image that runs the head; None if the head cannot run alone."""

    def accepts(self, images: Tensor) -> bool:
        """Return whether the runtime accepts these images."""

    def run(self, images: Tensor) -> ForwardPass:
        """Run a forward pass without gradients."""

    def run_differentiably(self, model: nn.Module, images: Tensor) -> ForwardPass:
        """Run the backbone in the other runtime and the head in PyTorch, with gradients up to the layer."""

    def single_threaded(self) -> "AcceleratedForward":
        """Return the same forward pass in a session of one thread."""


@dataclass(frozen=True)
class SplitClassifier:
    """A classifier and the layers at which class maps are computed.

    Attributes:
        model: The classifier.
        layers: The target layers.
        num_classes: Number of classes.
        head: Its pooling + linear head, or None for any other head.
        channels: Number of channels that Score-CAM uses; None for all.
        network: Name of the network type (``acol``, ``ts_cam``, ``psol``) if the layers are its branches; else empty.
        intermediates: Names of the intermediate layers along which class maps are propagated; empty for class maps as
            published.
        token_orders: Order of the tokens of intermediate layers that do not return them row by row.
        foreground: Foreground head for these intermediate features, or None.
        accelerated: Forward pass in ONNX Runtime, or None.
    """

    model: nn.Module
    layers: tuple[TargetLayer, ...]
    num_classes: int
    head: GapLinearHead | None
    channels: int | None = None
    network: str = ""
    intermediates: tuple[str, ...] = ()
    token_orders: Mapping[str, Tensor] = field(default_factory=dict, compare=False)
    foreground: ForegroundHead | None = None
    accelerated: AcceleratedForward | None = None

    def run(self, images: Tensor, *, differentiable: bool = False) -> ForwardPass:
        """Run the classifier once and capture its layers, in ONNX Runtime if possible.

        Args:
            images: Shape (B, 3, H, W), normalized.
            differentiable: Whether gradients with respect to the layers are needed.
        """
        accelerated = self.accelerated
        if accelerated is None or not accelerated.accepts(images) or (differentiable and not accelerated.dummy_size):
            return self.run_in_torch(images, differentiable=differentiable)
        return accelerated.run_differentiably(self.model, images) if differentiable else accelerated.run(images)

    def run_in_torch(self, images: Tensor, *, differentiable: bool = False) -> ForwardPass:
        """Run the classifier once in PyTorch; arguments as for :meth:`run`."""
        return forward_with_hooks(
            self.model,
            self.layers,
            images,
            differentiable=differentiable,
            intermediates=self.intermediates,
            token_orders=self.token_orders,
        )


def split_model(
    model: nn.Module,
    example: Tensor,
    *,
    layers: Sequence[str] = (),
    channels: int | None = None,
    propagate: bool = False,
    foreground: ForegroundHead | None = None,
) -> SplitClassifier:
    """Find the target layers of a classifier, its head and its intermediate layers.

    Args:
        model: The classifier.
        example: An image of the input size, shape (1, 3, H, W).
        layers: Names of the target layers; empty for the network's branches if it has any, else its last feature map.
        channels: Number of channels that Score-CAM uses; None for all.
        propagate: Whether class maps are propagated along intermediate features.
        foreground: Foreground head; ignored if it was fitted to other intermediate layers.
    """
    branches: tuple[str, ...] = () if layers else getattr(model, "branches", ())
    names = layers or branches
    for name in names:
        _check_layer_name(model, name)
    # The type of head is recognized from numbers that autocast would round.
    with torch.autocast(example.device.type, enabled=False):
        _check_logits(_first_logits(model, example))
        check_single_view(model, example)
        # Branches are used as they are: if one does not lead to a logit, an activation after it changes none either.
        targets = tuple(
            TargetLayer(name) if branches else detect_activation(model, TargetLayer(name), example) for name in names
        ) or (find_layer(model, example),)
        forward_pass = forward_with_hooks(model, targets, example)
        found = zip((layer.name for layer in targets), forward_pass.activations, strict=True)
        check_batch(found, example.shape[0])
        _check_no_probabilities(model, targets, forward_pass.logits, example)
    head = find_gap_head(model, forward_pass) if len(targets) == 1 else None
    network = str(model.network_name) if branches else ""
    intermediates = find_intermediates(model, example, tuple(layer.name for layer in targets)) if propagate else ()
    orders = find_token_orders(model, example, intermediates)
    unknown = [name for name, order in orders.items() if order is None]
    warn_unordered(unknown, "class maps are not propagated along them")
    warn_unordered(find_unordered(model, example, layers), "choose another layer")
    intermediates = tuple(name for name in intermediates if name not in unknown)
    fits = foreground is not None and foreground.channels == _count_channels(model, intermediates, example)
    return SplitClassifier(
        model,
        targets,
        forward_pass.logits.shape[1],
        head,
        channels,
        network,
        intermediates,
        {name: order for name, order in orders.items() if order is not None},
        foreground if fits else None,
    )


def check_method(classifier: SplitClassifier, method: Method) -> None:
    """Raise InputError if a method does not fit the classifier's head or the number of layers."""
    if method.network != classifier.network and method.inputs == "branches":
        problem = f"This method needs a network that was trained with it ({method.network})."
        raise InputError("method-mismatch", problem, f"Train one: weakspot train DATA --method {method.network}.")
    if classifier.network == "psol" != method.network:
        raise InputError("method-mismatch", "A PSOL run has no class maps.", "Use its teacher run.")
    one_layer = ("weights", "ablated activations", "image gradients")
    if method.inputs in one_layer and len(classifier.layers) > 1:
        problem = f"This method supports one layer, got {len(classifier.layers)}."
        raise InputError("method-mismatch", problem, "Pass one, or use layercam.")
    if method.inputs == "weights" and classifier.head is None:
        raise InputError(
            "method-mismatch",
            "cam needs a head of global average pooling and one linear layer after the feature map.",
            "Use gradcam, which returns the same map for such a head, or layercam.",
        )
    if method.inputs in ("gradients", "image gradients") and classifier.head is None:
        _check_differentiable(classifier.model)


def _check_differentiable(model: nn.Module) -> None:
    """Refuse quantized layers, whose gradients PyTorch takes for zero."""
    quantized = (name for name, module in model.named_modules() if ".quantized." in type(module).__module__)
    name = next(quantized, None)
    if name is not None:
        problem = f"This method needs gradients, and the layer {name} is quantized."
        raise InputError("method-mismatch", problem, "Pass the model before its quantization, or use scorecam.")


def _count_channels(model: nn.Module, intermediates: Sequence[str], example: Tensor) -> int:
    """Return the total number of channels of all intermediate features."""
    forward_pass = forward_with_hooks(model, (), example, intermediates=intermediates)
    return sum(features.shape[1] for features in forward_pass.intermediates)


def _check_layer_name(model: nn.Module, name: str) -> None:
    if not isinstance(name, str):
        problem = f"layer must be a name as in named_modules(), got {type(name).__name__}."
        raise ModelError("unknown-layer", problem)
    known = [known for known, _ in model.named_modules() if known]
    if name not in known:
        children = ", ".join(child for child, _ in model.named_children())
        hint = suggest(name, known, f"Its top-level modules are {children}.")
        raise ModelError("unknown-layer", f"The model has no layer {name!r}.", hint)


def _first_logits(model: nn.Module, example: Tensor) -> Tensor:
    """Run the model for the first time; name the input shape if it fails."""
    _check_signature(model)
    try:
        return forward_with_hooks(model, (), example).logits
    except WeakspotError:
        raise
    except Exception as error:  # models raise anything for a size that they do not support
        size = " x ".join(str(side) for side in example.shape[1:])
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            "input-not-supported",
            f"The model does not accept images of {size}: {reason}",
            "Pass its input_size, and mean and std with one value per channel.",
        ) from error


def _check_signature(model: nn.Module) -> None:
    """Refuse a model whose forward needs more than one tensor of images."""
    try:
        parameters = signature(model.forward).parameters.values()
    except (TypeError, ValueError):  # not known for every callable
        return
    several = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    required = [value for value in parameters if value.default is value.empty and value.kind not in several]
    if len(required) > 1:
        problem = f"The model must accept one tensor of images, but needs {', '.join(map(str, required))}."
        raise ModelError("input-not-supported", problem, "Wrap it in a module whose forward takes images only.")


def _check_logits(logits: Tensor) -> None:
    """Reject probabilities and their logarithms: a softmax saturates, and its gradients mix the classes."""
    if are_probabilities(upcast(logits)):
        raise ModelError(
            "not-logits",
            "The model must return logits, got probabilities or their logarithms (each row sums to 1).",
            "Remove the final softmax: class maps are computed from its input.",
        )


def _check_no_probabilities(model: nn.Module, layers: Sequence[TargetLayer], logits: Tensor, example: Tensor) -> None:
    """Reject what was computed from probabilities; the model runs once more if the values could be that."""
    if not have_one_sign(logits):
        return
    try:
        recorded = forward_with_hooks(model, layers, example, differentiable=True).logits
    except ModelError:  # the logits do not depend on these layers
        return
    if end_in_probabilities(recorded):
        raise ModelError(
            "not-logits",
            "The model must return logits, got probabilities: its last operation with weights has a sigmoid, a softmax "
            "or an exponential behind it.",
            "Return the logits before it, and pass multi_label=True if the classes are independent.",
        )
