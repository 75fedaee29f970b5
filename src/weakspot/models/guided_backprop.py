"""Guided backpropagation: gradients that pass a ReLU only where both its input and the gradient are positive."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from weakspot.errors import ModelError
from weakspot.models.hooked_forward import upcast
from weakspot.models.hooks import forward_hooks
from weakspot.models.model_outputs import extract_logits

_RELUS = frozenset((F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.relu6))
_CLIPS = frozenset((F.hardtanh, F.hardtanh_))  # a ReLU6 is a hardtanh from 0


class _GuidedReLU(TorchFunctionMode):
    """Context in which negative gradients stop at every ReLU and ReLU6, modules and functions alike.

    The mode intercepts the calls of its own thread and needs no hooks on the model.
    """

    relu_count = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        arguments = dict(kwargs or {})
        output = func(*args, **arguments)
        is_relu = func in _RELUS or (func in _CLIPS and 0.0 in (arguments.get("min_val"), *args[1:2]))
        self.relu_count += is_relu
        if is_relu and output.requires_grad:
            output.register_hook(torch.relu)
        return output


def guided_gradients(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Compute the guided gradients of the logits of (B, C) classes with respect to the images.

    Args:
        model: A classifier with ReLU or ReLU6 activations.
        images: Shape (B, 3, H, W), normalized.
        classes: Class indices of shape (B, C).

    Returns:
        Shape (B, C, 3, H, W).

    Source:
        Springenberg et al., "Striving for Simplicity: The All Convolutional Net", ICLR Workshops 2015;
        ReLU6, which the paper does not cover, is treated like ReLU.
    """
    with forward_hooks(model, {}), torch.inference_mode(False), torch.enable_grad(), _GuidedReLU() as guided:
        leaf = images.detach().clone().requires_grad_()
        logits = extract_logits(model(leaf), leaf.shape[0])
        scores = [logits.gather(1, column).sum() for column in classes.clone().split(1, dim=1)]
    if not guided.relu_count:
        problem = f"Guided backpropagation needs a model with ReLU, and {type(model).__name__} has none."
        raise ModelError("no-relu", problem, "Use another method, for example gradcam.")
    gradients = _gradients(scores, leaf) if logits.requires_grad else [None]
    defined = [gradient for gradient in gradients if gradient is not None]
    if len(defined) < len(gradients):
        problem = "The logits have no gradient with respect to the image."
        raise ModelError("no-gradient", problem, "Use a method that needs gradients of a layer only, such as gradcam.")
    return upcast(torch.stack(defined, dim=1))


def _gradients(scores: Sequence[Tensor], leaf: Tensor) -> list[Tensor | None]:
    """Differentiate each score; None if it does not depend on the leaf."""
    return [
        torch.autograd.grad(score, leaf, retain_graph=score is not scores[-1], allow_unused=True)[0] for score in scores
    ]
