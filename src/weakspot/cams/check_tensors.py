"""What the methods refuse: tensors that do not go together, from which a map would come that means nothing."""

import torch
from torch import Tensor

from weakspot.errors import InputError

_HINT = "Give activations (B, K, h, w) and {}."


def check_gradients(activations: Tensor, gradients: Tensor) -> None:
    """Refuse gradients that are not of these activations.

    Raises:
        InputError: If they are no tensors of floats, or their shapes do not go together.

    Example:
        >>> import torch
        >>> check_gradients(torch.rand(2, 8, 7, 7), torch.rand(2, 5, 8, 7, 7))
    """
    _check("gradients", activations, gradients, "gradients (B, K, h, w), or (B, C, K, h, w) for C classes", 4)


def check_weights(activations: Tensor, weights: Tensor) -> None:
    """Refuse weights that are not one for each channel of these activations.

    Raises:
        InputError: If they are no tensors of floats, or their shapes do not go together.

    Example:
        >>> import torch
        >>> check_weights(torch.rand(2, 8, 7, 7), torch.rand(2, 5, 8))
    """
    _check("weights", activations, weights, "weights (B, K), or (B, C, K) for C classes of each image", 2)


def check_activations(activations: Tensor) -> None:
    """Refuse what is no tensor of floats of shape (B, K, h, w)."""
    _check_floats("activations", activations)
    if activations.dim() != 4:
        raise InputError(f"Activations of shape {tuple(activations.shape)} are no batch.", "Give (B, K, h, w).")


def check_classes(activations: Tensor, classes: Tensor) -> None:
    """Refuse what is not a row of class indices for each image of these activations.

    Raises:
        InputError: If they are no tensor of int64 or int32, or have not shape (B, C).

    Example:
        >>> import torch
        >>> check_classes(torch.rand(2, 8, 7, 7), torch.tensor([[0, 3], [2, 1]]))
    """
    check_activations(activations)
    # PyTorch takes bytes and booleans for a mask.
    indices = isinstance(classes, Tensor) and classes.dtype in (torch.int64, torch.int32)
    if not indices or classes.dim() != 2 or len(classes) != len(activations):
        what = f"{tuple(classes.shape)} of {classes.dtype}" if isinstance(classes, Tensor) else repr(classes)
        problem = f"The classes are no row of indices for each of {len(activations)} images: {what}."
        raise InputError(problem, "Give class indices (B, C), for one image and its class torch.tensor([[3]]).")


def _check(name: str, activations: Tensor, others: Tensor, wanted: str, axes: int) -> None:
    _check_floats("activations", activations)
    _check_floats(name, others)
    if activations.dtype != others.dtype:
        problem = f"The activations are of {activations.dtype}, the {name} of {others.dtype}."
        raise InputError(problem, "Bring both to one type, for example with .float().")
    # Without its class axis the shape is the same, as far as it goes.
    without = (*others.shape[:1], *others.shape[2:]) if others.dim() == axes + 1 else tuple(others.shape)
    if activations.dim() != 4 or len(without) != axes or without != tuple(activations.shape[:axes]):
        shapes = f"activations of {tuple(activations.shape)} and {name} of {tuple(others.shape)}"
        raise InputError(f"The shapes do not go together: {shapes}.", _HINT.format(wanted))


def _check_floats(name: str, values: Tensor) -> None:
    if not isinstance(values, Tensor):
        raise InputError(f"The {name} are a {type(values).__name__}, not a tensor.", "Call torch.as_tensor on them.")
    if not values.is_floating_point():
        raise InputError(f"The {name} are of {values.dtype}, not floats.", "Call .float() on them.")
