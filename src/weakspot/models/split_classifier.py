"""Find where to cut a classifier, and refuse what cannot be read there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from weakspot.cams import Method
from weakspot.errors import InputError, ModelError, WeakspotError, suggest
from weakspot.models.feature_layout import Size
from weakspot.models.foreground_head import ForegroundHead
from weakspot.models.gap_head import GapLinearHead, find_gap_head
from weakspot.models.hooked_forward import ForwardPass, TargetLayer, forward_with_hooks, full_precision
from weakspot.models.intermediate_features import find_levels
from weakspot.models.target_layer import detect_relu, find_layer


class AcceleratedForward(Protocol):
    """A forward pass of the classifier that another runtime computes."""

    @property
    def dummy_size(self) -> Size | None:
        """Size of the smallest image that runs the head; None if the head cannot run alone."""

    def takes(self, images: Tensor) -> bool:
        """Whether the runtime accepts these images."""

    def run(self, images: Tensor) -> ForwardPass:
        """Run a forward pass without gradients."""

    def run_differentiably(self, model: nn.Module, images: Tensor) -> ForwardPass:
        """Run the backbone in the other runtime and the head in PyTorch, with gradients up to the layer."""

    def single_threaded(self) -> "AcceleratedForward":
        """The same forward pass in a session of one thread."""


@dataclass(frozen=True)
class SplitClassifier:
    """A classifier and where it is cut.

    Attributes:
        model: The classifier.
        layers: The feature maps that are read.
        classes: Number of classes.
        head: Its pooling + linear head, or None for any other.
        channels: For Score-CAM: how many channels to keep; None keeps all.
        network: Kind of network whose branches the layers are; empty for any other layers.
        levels: Names of mid-level feature maps, along which class maps are spread; empty for class maps as published.
        foreground: What tells foreground from background by these levels, or None.
        trunk: Its forward pass in onnxruntime, or None.
    """

    model: nn.Module
    layers: tuple[TargetLayer, ...]
    classes: int
    head: GapLinearHead | None
    channels: int | None = None
    network: str = ""
    levels: tuple[str, ...] = ()
    foreground: ForegroundHead | None = None
    trunk: AcceleratedForward | None = None

    def run(self, images: Tensor, *, differentiable: bool = False) -> ForwardPass:
        """Run the classifier once and read its layers and levels, in onnxruntime where that can be.

        Args:
            images: Shape (B, 3, H, W), normalised.
            differentiable: Whether gradients up to the layers will be asked for.
        """
        trunk = self.trunk
        if trunk is None or not trunk.takes(images) or (differentiable and trunk.dummy_size is None):
            return forward_with_hooks(
                self.model, self.layers, images, differentiable=differentiable, levels=self.levels
            )
        return trunk.run_differentiably(self.model, images) if differentiable else trunk.run(images)


def split_model(
    model: nn.Module,
    example: Tensor,
    *,
    layers: Sequence[str] = (),
    channels: int | None = None,
    spread: bool = False,
    foreground: ForegroundHead | None = None,
) -> SplitClassifier:
    """Find where to cut a classifier, and what kind of head lies behind.

    Args:
        model: The classifier.
        example: Images of the size that it will see, shape (1, 3, H, W).
        layers: Names of the layers; empty to take the network's branches, if it was built to have any, or else to have
            the last feature map found.
        channels: For Score-CAM.
        spread: Whether class maps are to be spread along mid-level features.
        foreground: What tells foreground from background by these, if there is anything. It is left aside where the
            levels are others than those that it has learnt from.

    Raises:
        ModelError: If a layer does not exist or gives no feature map, or the model gives no logits.
    """
    branches: tuple[str, ...] = () if layers else getattr(model, "branches", ())
    layers = layers or branches
    for name in layers:
        _check_name(model, name)
    # What kind of head it is shows in its numbers, which a user's autocast would round.
    with torch.autocast(example.device.type, enabled=False):
        _check_logits(_first_logits(model, example))
        # Branches are read as they are: of one that leads to no logit, a ReLU behind it would change none either.
        of_names = (
            TargetLayer(name) if branches else detect_relu(model, TargetLayer(name), example) for name in layers
        )
        found = tuple(of_names) or (find_layer(model, example),)
        reading = forward_with_hooks(model, found, example)
    head = find_gap_head(model, reading) if len(found) == 1 else None
    network = str(model.branches_of) if branches else ""
    levels = find_levels(model, example, tuple(layer.name for layer in found)) if spread else ()
    fits = foreground is not None and foreground.channels == _channels(model, levels, example)
    classes = reading.logits.shape[1]
    return SplitClassifier(model, found, classes, head, channels, network, levels, foreground if fits else None)


def check_method(cut: SplitClassifier, method: Method) -> None:
    """Refuse a method that does not fit the classifier's head or the number of layers.

    Raises:
        InputError: As :func:`class_maps`.
    """
    if method.network != cut.network and method.inputs == "branches":
        raise InputError(
            f"This method reads the branches of a network that was trained for it ({method.network}).",
            f"Train one: weakspot train DATA --method {method.network}.",
        )
    if cut.network == "psol" != method.network:
        raise InputError("This run draws boxes, and has no other maps.", "Give the run that taught it.")
    one_layer = ("weights", "ablated activations", "image gradients")
    if method.inputs in one_layer and len(cut.layers) > 1:
        raise InputError("This method reads one layer, and several were given.", "Give one, or take layercam.")
    if method.inputs == "weights" and cut.head is None:
        raise InputError(
            "CAM needs a head that is global average pooling and one linear layer behind the feature map; "
            "this model's is not.",
            "Take gradcam, which gives the same map where both exist, or layercam.",
        )


def _channels(model: nn.Module, levels: Sequence[str], example: Tensor) -> int:
    """Channels of all levels together."""
    return sum(level.shape[1] for level in forward_with_hooks(model, (), example, levels=levels).levels)


def _check_name(model: nn.Module, name: str) -> None:
    if not isinstance(name, str):
        raise ModelError(f"A layer is named, and this is a {type(name).__name__}.", "Name it as named_modules() does.")
    known = [known for known, _ in model.named_modules() if known]
    if name not in known:
        raise ModelError(
            f"The model has no layer {name!r}.",
            suggest(name, known, f"Its parts are {', '.join(child for child, _ in model.named_children())}."),
        )


def _first_logits(model: nn.Module, example: Tensor) -> Tensor:
    """Run the model for the first time, and say what it was given when it cannot take that."""
    try:
        return forward_with_hooks(model, (), example).logits
    except WeakspotError:
        raise
    except (RuntimeError, AssertionError, ValueError) as error:
        size = " x ".join(str(side) for side in example.shape[1:])
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"The model cannot take images of {size}: {reason}",
            "Give its input_size, and mean and std with one value for each channel.",
        ) from error


def _check_logits(logits: Tensor) -> None:
    """Refuse probabilities and their logarithms: a softmax saturates, and its gradients mix the classes."""
    rows = full_precision(logits)
    likely = rows.exp() if bool((rows <= 0).all()) else rows
    sums = likely.sum(dim=1)
    if rows.shape[1] > 1 and bool((likely >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-4):
        raise ModelError(
            "The model returns probabilities or their logarithms (each row sums to 1), not logits.",
            "Leave its last softmax out: class maps are read from what goes into it.",
        )
