"""Guided backpropagation: gradients to the image that pass a ReLU only where input and gradient are positive."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from weakspot.errors import ModelError
from weakspot.models.hooked_forward import full_precision, logits_of
from weakspot.models.hooks import hooked

_RELUS = frozenset((F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.relu6))
_CLIPS = frozenset((F.hardtanh, F.hardtanh_))  # a ReLU6 is a hardtanh from 0


class _GuidedReLU(TorchFunctionMode):
    """Within this context, negative gradients stop at every ReLU and ReLU6, modules and functions alike.

    A mode sees the calls of its own thread and needs no hook on the model.
    """

    met = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        output = func(*args, **named)
        is_relu = func in _RELUS or (func in _CLIPS and 0.0 in (named.get("min_val"), *args[1:2]))
        self.met += is_relu
        if is_relu and output.requires_grad:
            output.register_hook(torch.relu)
        return output


def guided_gradients(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Backpropagate the logits of (B, C) classes to the images, guided: the whole network is differentiated.

    Args:
        model: A classifier with ReLU or ReLU6 activations.
        images: Shape (B, 3, H, W), normalised.
        classes: Class indices of shape (B, C).

    Returns:
        Shape (B, C, 3, H, W).

    Raises:
        ModelError: If the model has no ReLU: guided backpropagation is about nothing else.

    Source:
        Springenberg et al., "Striving for Simplicity: The All Convolutional Net", ICLR Workshops 2015;
        ReLU6, which the paper does not have, is treated alike.
    """
    with hooked(model, {}), torch.inference_mode(False), torch.enable_grad(), _GuidedReLU() as guided:
        leaf = images.detach().clone().requires_grad_()
        logits = logits_of(model(leaf))
        scores = [logits.gather(1, of_one).sum() for of_one in classes.clone().split(1, dim=1)]
    if not guided.met:
        raise ModelError(
            f"{type(model).__name__} has no ReLU, and guided backpropagation is about nothing else.",
            "Take another method, for example gradcam.",
        )
    by_class = _gradients(scores, leaf) if logits.requires_grad else [None]
    reached = [gradient for gradient in by_class if gradient is not None]
    if len(reached) < len(by_class):
        raise ModelError(
            "No gradient flows from the logits back to the image.", "Take a method that reads a layer, such as gradcam."
        )
    return full_precision(torch.stack(reached, dim=1))


def _gradients(scores: Sequence[Tensor], leaf: Tensor) -> list[Tensor | None]:
    """Differentiate each score; None where the leaf has no part in it."""
    return [
        torch.autograd.grad(score, leaf, retain_graph=score is not scores[-1], allow_unused=True)[0] for score in scores
    ]
