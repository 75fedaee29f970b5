"""Recognize heads of global average pooling and one linear layer, whose gradients have a closed form."""

from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor, nn

from weakspot.models.hooked_forward import ForwardPass
from weakspot.models.two_class_logits import TwoClassLogits

# Apart from rounding, the logits of such a head are the pooled activations times the weights: tolerance by precision.
_TOLERANCE = {torch.bfloat16: 5e-2, torch.float16: 1e-2}
_FLOAT32_TOLERANCE = 1e-3


@dataclass(frozen=True)
class GapLinearHead:
    """Global average pooling and a linear layer.

    Attributes:
        linear: The linear layer; None if the channels of the activations are the class maps themselves.
        two_classes: Whether its only output is the logit of :class:`TwoClassLogits`.
    """

    linear: nn.Linear | nn.Conv2d | None
    two_classes: bool = False

    def class_weights(self, classes: Tensor, activations: Tensor) -> Tensor:
        """Return the current weights of (B, C) classes as (B, C, K), on the device and of the type of activations.

        Args:
            classes: Class indices.
            activations: Shape (B, K, h, w).
        """
        if self.two_classes:
            weights = activations.new_ones(1, 1) if self.linear is None else self.linear.weight.detach().flatten(1)
            return torch.cat([-weights, weights])[classes].to(activations) / 2
        if self.linear is None:
            return torch.nn.functional.one_hot(classes, activations.shape[1]).to(activations)
        return self.linear.weight.detach().flatten(1)[classes].to(activations)

    def gradients(self, classes: Tensor, activations: Tensor) -> Tensor:
        """Return the gradients (B, C, K, h, w) of the logits: weights / (h w), the same at each position.

        The result is a view and needs no more memory than the weights.
        """
        h, w = activations.shape[-2:]
        weights = self.class_weights(classes, activations) / (h * w)
        return weights[..., None, None].expand(*weights.shape, h, w)


def find_gap_head(model: nn.Module, forward_pass: ForwardPass) -> GapLinearHead | None:
    """Find the linear layer that computes the logits from the pooled activations, by comparing numbers.

    Args:
        model: The classifier.
        forward_pass: A forward pass that captured one layer.

    Returns:
        The head, or None if no linear layer of the model, applied to the mean of the activations, returns the logits
        (to 0.1 % of their range; to 1 % and 5 % in float16 and bfloat16).
    """
    (activations,) = forward_pass.activations
    pooled = activations.double().mean(dim=(2, 3))  # (B, K)
    logits = forward_pass.logits.detach().double()  # (B, classes)
    two_classes = isinstance(model, TwoClassLogits)
    if two_classes:
        logits = logits[:, 1:] * 2
    tolerance = _TOLERANCE.get(forward_pass.logits.dtype, _FLOAT32_TOLERANCE)
    if _is_close(pooled, logits, tolerance):
        return GapLinearHead(None, two_classes)
    shape = (logits.shape[1], pooled.shape[1])
    for module in model.modules():
        if _is_linear(module, shape) and _computes_logits(module, pooled, logits, tolerance):
            return GapLinearHead(module, two_classes)
    return None


def _is_linear(module: nn.Module, shape: tuple[int, int]) -> TypeGuard[nn.Linear | nn.Conv2d]:
    """Return whether a module is a linear layer, or a 1 x 1 convolution, with weights of that shape."""
    if isinstance(module, nn.Conv2d):
        return tuple(module.weight.shape) == (*shape, 1, 1)
    return isinstance(module, nn.Linear) and tuple(module.weight.shape) == shape


def _computes_logits(module: nn.Linear | nn.Conv2d, pooled: Tensor, logits: Tensor, tolerance: float) -> bool:
    """Compare the logits without the bias, which may be much larger than the rest."""
    bias = 0.0 if module.bias is None else module.bias.detach().double()
    computed = pooled @ module.weight.detach().flatten(1).double().T
    return _is_close(computed, logits - bias, tolerance, _rounding_error(logits))


def _rounding_error(logits: Tensor) -> float:
    """Return the rounding error of float32 logits of that size."""
    return 4 * torch.finfo(torch.float32).eps * float(logits.abs().amax())


def _is_close(computed: Tensor, logits: Tensor, tolerance: float, rounding: float = 0.0) -> bool:
    """Return whether two tensors of logits agree; logits that differ between classes only by rounding do not count."""
    if computed.shape != logits.shape:
        return False
    single = logits.shape[1] == 1
    deviation = (logits if single else logits - logits.mean(dim=1, keepdim=True)).abs().amax()
    return bool(deviation > 10 * rounding and (computed - logits).abs().amax() <= tolerance * deviation + rounding)
