"""Find the logits in what a model returns, and recognize probabilities."""

import re
from collections.abc import Mapping
from typing import Any, TypeGuard

import torch
from torch import Tensor

from weakspot.errors import ModelError

# Operations that only move values or change their type, and those that return probabilities of independent classes.
_MOVES = re.compile(
    "Alias|AsStrided|Cat|Clamp|ClampMax|ClampMin|Clone|Expand|Index|IndexSelect|Permute|ReshapeAlias|Select|Slice|"
    "Squeeze|Stack|T|ToCopy|Transpose|Unsqueeze|UnsafeView|View"
)
_SIGMOIDS = re.compile("Hardsigmoid|LogSigmoid|Sigmoid")


def extract_logits(output: object, images: int | None = None) -> Tensor:
    """Return the logits (B, number of classes) in a model's output.

    The output is a tensor, an object or a dictionary with an entry ``logits``, or a collection with one tensor of such
    a shape. One value per image is one logit.

    Args:
        output: What the model returned.
        images: Number of images; None if it is unknown.

    Example:
        >>> extract_logits({"loss": torch.tensor(0.1), "scores": torch.zeros(1, 3)}).shape
        torch.Size([1, 3])
    """
    logits = _find_logits(output)
    if isinstance(logits, Tensor) and logits.dim() == 1 and (images is None or logits.shape[0] == images):
        logits = logits[:, None]
    if not _are_logits(logits):
        problem = f"The model must return logits of shape (images, classes), got {_describe(logits)}."
        raise ModelError("not-logits", problem)
    return logits


def _find_logits(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output
    named = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    if named is not None:
        return named
    values = output.values() if isinstance(output, Mapping) else output if isinstance(output, tuple | list) else ()
    candidates = [value for value in values if _are_logits(value)]
    return candidates[0] if len(candidates) == 1 else output


def _are_logits(value: object) -> TypeGuard[Tensor]:
    return isinstance(value, Tensor) and value.dim() == 2 and value.is_floating_point()


def _describe(output: object) -> str:
    if isinstance(output, Tensor):
        kind = "a tensor" if output.is_floating_point() else f"an {output.dtype} tensor"
        return f"{kind} of shape {tuple(output.shape)}"
    values = output.values() if isinstance(output, Mapping) else output if isinstance(output, tuple | list) else ()
    shapes = [str(tuple(value.shape)) for value in values if isinstance(value, Tensor)]
    return f"{type(output).__name__} with tensors of shape {', '.join(shapes)}" if shapes else type(output).__name__


def are_probabilities(logits: Tensor) -> bool:
    """Return whether the values are probabilities or their logarithms that sum to 1 over the classes."""
    probabilities = logits.exp() if bool((logits <= 0).all()) else logits
    sums = probabilities.sum(dim=1)
    all_positive = bool((probabilities >= 0).all())
    return logits.shape[1] > 1 and all_positive and torch.allclose(sums, torch.ones_like(sums), atol=1e-4)


def may_be_sigmoids(logits: Tensor) -> bool:
    """Return whether all values are in the range of a sigmoid or of its logarithm."""
    return bool((logits <= 0).all() or ((logits >= 0) & (logits <= 1)).all())


def end_in_sigmoid(logits: Tensor) -> bool:
    """Return whether autograd recorded a sigmoid, or its logarithm, as the operation that computed each value.

    Example:
        >>> x = torch.zeros(1, 3, requires_grad=True)
        >>> end_in_sigmoid(x.sigmoid().squeeze()), end_in_sigmoid(x.sigmoid() * 2)
        (True, False)
    """
    return logits.grad_fn is not None and _ends_in_sigmoid(logits.grad_fn)


def _ends_in_sigmoid(node: Any) -> bool:
    name = re.sub(r"Backward\d*$", "", node.name())
    if not _MOVES.fullmatch(name):
        return _SIGMOIDS.fullmatch(name) is not None
    previous = [earlier for earlier, _ in node.next_functions if earlier is not None]
    return bool(previous) and all(_ends_in_sigmoid(earlier) for earlier in previous)
