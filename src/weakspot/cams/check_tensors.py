"""Validate the types and shapes of the inputs of CAM methods."""

import torch
from torch import Tensor

from weakspot.errors import InputError


def check_gradients(activations: Tensor, gradients: Tensor) -> None:
    """Raise InputError unless the gradients are those of activations (B, K, h, w), with or without a class axis."""
    _check("gradients", activations, gradients, "(B, K, h, w) or (B, C, K, h, w)", 4)


def check_weights(activations: Tensor, weights: Tensor) -> None:
    """Raise InputError unless the weights have one value for each channel of activations (B, K, h, w)."""
    _check("weights", activations, weights, "(B, K) or (B, C, K)", 2)


def check_activations(activations: Tensor) -> None:
    """Raise InputError unless the activations are a tensor of floats of shape (B, K, h, w)."""
    _check_floats("activations", activations)
    if activations.dim() != 4:
        problem = f"activations must have shape (B, K, h, w), got {tuple(activations.shape)}."
        raise InputError("shape-mismatch", problem)


def check_classes(activations: Tensor, classes: Tensor) -> None:
    """Raise InputError unless the classes are integer indices of shape (B, C) for activations (B, K, h, w)."""
    check_activations(activations)
    # PyTorch would interpret bytes and booleans as a mask.
    if not isinstance(classes, Tensor) or classes.dtype not in (torch.int64, torch.int32):
        actual = classes.dtype if isinstance(classes, Tensor) else repr(classes)
        raise InputError("dtype-mismatch", f"classes must be a tensor of int64 or int32, got {actual}.")
    if classes.dim() != 2 or len(classes) != len(activations):
        problem = f"classes must have shape ({len(activations)}, C), got {tuple(classes.shape)}."
        raise InputError("shape-mismatch", problem, "For one image and class: torch.tensor([[3]]).")


def _check(name: str, activations: Tensor, values: Tensor, expected: str, axes: int) -> None:
    _check_floats("activations", activations)
    _check_floats(name, values)
    if activations.dtype != values.dtype:
        problem = f"activations and {name} must have the same dtype, got {activations.dtype} and {values.dtype}."
        raise InputError("dtype-mismatch", problem)
    # Without its class axis, the shape is a prefix of the activations' shape.
    shape = (*values.shape[:1], *values.shape[2:]) if values.dim() == axes + 1 else tuple(values.shape)
    if activations.dim() != 4 or len(shape) != axes or shape != tuple(activations.shape[:axes]):
        shapes = f"{tuple(activations.shape)} and {tuple(values.shape)}"
        problem = f"activations and {name} must have shapes (B, K, h, w) and {expected}, got {shapes}."
        raise InputError("shape-mismatch", problem)


def _check_floats(name: str, values: Tensor) -> None:
    if not isinstance(values, Tensor):
        raise InputError("dtype-mismatch", f"{name} must be a tensor, got {type(values).__name__}.")
    if not values.is_floating_point():
        raise InputError("dtype-mismatch", f"{name} must be floats, got {values.dtype}.")
