"""Find the logits in what a model returns, and recognize probabilities."""

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeGuard

import torch
from torch import Tensor

from weakspot.errors import ModelError

# Operations that move or reduce values, change their type, or compute with them and constants.
_ELEMENTWISE = re.compile(
    "AdaptiveAvgPool2D|AdaptiveMaxPool2D|Add|Addcdiv|Addcmul|Alias|Amax|Amin|AsStrided|Cat|Clamp|ClampMax|ClampMin|Clone|"
    "Cumprod|Div|Expand|Index|IndexSelect|Lerp|Max|Maximum|Mean|Min|Minimum|Mul|Neg|Permute|Pow|Prod|Reciprocal|"
    "ReshapeAlias|Round|Rsub|Select|Slice|Split|Sqrt|Squeeze|Stack|Sub|Sum|T|ToCopy|Topk|Transpose|Unbind|Unsqueeze|"
    "UnsafeView|View|Where"
)
_LOGARITHMS = re.compile("Log|Log10|Log1P|Log2")
# Operations that turn logits into probabilities, and exponentials, of which both can be made.
_PROBABILITIES = re.compile("Hardsigmoid|LogSigmoid|LogSoftmax|Sigmoid|Softmax")
_EXPONENTIALS = re.compile("Exp|Exp2|Expm1")
_Origin = Literal["probabilities", "exponentials"] | None


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


def have_one_sign(logits: Tensor) -> bool:
    """Return whether no value, or every value, is below 0, as of probabilities, percentages and their logarithms."""
    return bool((logits <= 0).all() or (logits >= 0).all())


def end_in_probabilities(logits: Tensor) -> bool:
    """Return whether autograd recorded that each value was computed from a sigmoid, a softmax or an exponential.

    Values may have been moved since, or computed with constants or one another, but not in a layer with weights.

    Example:
        >>> x = torch.zeros(1, 3, requires_grad=True)
        >>> end_in_probabilities(100 * x.sigmoid().squeeze()), end_in_probabilities(1 / (1 + (-x).exp()))
        (True, True)
        >>> end_in_probabilities(x.sigmoid() @ torch.eye(3)), end_in_probabilities(x * x.sigmoid())
        (False, False)
    """
    return logits.grad_fn is not None and _origin(logits.grad_fn, {}) is not None


def _origin(node: Any, known: dict[Any, _Origin]) -> _Origin:
    """Return of what an operation computes its result; None if of anything else."""
    if node not in known:
        known[node] = _origin_by_name(re.sub(r"Backward\d*$", "", node.name()), node, known)
    return known[node]


def _origin_by_name(name: str, node: Any, known: dict[Any, _Origin]) -> _Origin:
    if _PROBABILITIES.fullmatch(name):
        return "probabilities"
    if _EXPONENTIALS.fullmatch(name):
        return "exponentials"
    is_logarithm = _LOGARITHMS.fullmatch(name) is not None
    if not is_logarithm and not _ELEMENTWISE.fullmatch(name):
        return None
    previous = [_origin(earlier, known) for earlier, _ in node.next_functions if earlier is not None]
    if not previous or None in previous:
        return None
    if is_logarithm:  # that of a sum of exponentials pools logits
        return "probabilities" if previous == ["probabilities"] else None
    is_ratio = name in ("Div", "Reciprocal")
    return "probabilities" if is_ratio or "probabilities" in previous else "exponentials"
