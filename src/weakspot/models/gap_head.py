"""Recognise a head that is global average pooling and a linear layer: there, no gradient is needed."""

from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor, nn

from weakspot.models.hooked_forward import ForwardPass

# Rounding apart, the logits of such a head are the pooled activations times the weights: tolerance by precision.
_TOLERANCE = {torch.bfloat16: 5e-2, torch.float16: 1e-2}
_FLOAT32_TOLERANCE = 1e-3


@dataclass(frozen=True)
class GapLinearHead:
    """The linear layer of such a head; None when the activations' channels are the class maps themselves."""

    linear: nn.Linear | nn.Conv2d | None

    def rows(self, classes: Tensor, like: Tensor) -> Tensor:
        """Take the weights of (B, C) classes as (B, C, K), read from the model at this moment.

        Args:
            classes: Class indices.
            like: Activations (B, K, h, w), for type and device.
        """
        if self.linear is None:
            return torch.nn.functional.one_hot(classes, like.shape[1]).to(like)
        return self.linear.weight.detach().flatten(1)[classes].to(like)

    def gradients(self, classes: Tensor, activations: Tensor) -> Tensor:
        """The gradients (B, C, K, h, w) of the logits: the rows over the number of positions, the same at each.

        The result is a view: it takes no more memory than the rows.
        """
        h, w = activations.shape[-2:]
        rows = self.rows(classes, activations) / (h * w)
        return rows[..., None, None].expand(*rows.shape, h, w)


def find_gap_head(model: nn.Module, reading: ForwardPass) -> GapLinearHead | None:
    """Find the linear layer that makes the logits from the pooled activations, by computing them.

    Args:
        model: The classifier.
        reading: What one layer and the logits were for some image.

    Returns:
        The head, or None when no linear layer of the model, applied to the mean of the activations, gives the
        logits (to 0.1 % of their spread; to 1 % and 5 % in float16 and bfloat16).
    """
    (activations,) = reading.activations
    pooled = activations.double().mean(dim=(2, 3))  # (B, K)
    logits = reading.logits.detach().double()  # (B, classes)
    tolerance = _TOLERANCE.get(reading.logits.dtype, _FLOAT32_TOLERANCE)
    if _close(pooled, logits, tolerance):
        return GapLinearHead(None)
    shape = (logits.shape[1], pooled.shape[1])
    for module in model.modules():
        if _maps(module, shape) and _explains(module, pooled, logits, tolerance):
            return GapLinearHead(module)
    return None


def _maps(module: nn.Module, shape: tuple[int, int]) -> TypeGuard[nn.Linear | nn.Conv2d]:
    """Whether a module is a linear layer, or a 1x1 convolution, with weights of that shape."""
    if isinstance(module, nn.Conv2d):
        return tuple(module.weight.shape) == (*shape, 1, 1)
    return isinstance(module, nn.Linear) and tuple(module.weight.shape) == shape


def _explains(module: nn.Linear | nn.Conv2d, pooled: Tensor, logits: Tensor, tolerance: float) -> bool:
    """Whether the weights make what the logits are without the bias, which may be much larger."""
    bias = 0.0 if module.bias is None else module.bias.detach().double()
    return _close(pooled @ module.weight.detach().flatten(1).double().T, logits - bias, tolerance, _rounding(logits))


def _rounding(logits: Tensor) -> float:
    """What float32 may lose of logits of that size."""
    return 4 * torch.finfo(torch.float32).eps * float(logits.abs().amax())


def _close(computed: Tensor, logits: Tensor, tolerance: float, rounding: float = 0.0) -> bool:
    """Whether computed values are the logits, which must tell classes apart by more than rounding does."""
    if computed.shape != logits.shape:
        return False
    alone = logits.shape[1] == 1  # a single class has nothing to be told from
    spread = (logits if alone else logits - logits.mean(dim=1, keepdim=True)).abs().amax()
    return bool(spread > 10 * rounding and (computed - logits).abs().amax() <= tolerance * spread + rounding)
