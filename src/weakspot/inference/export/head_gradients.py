"""The gradients of a head that is not pooling + linear, as operations that a graph can hold."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._decomp import core_aten_decompositions
from torch.fx.experimental.proxy_tensor import make_fx

from weakspot.errors import InputError
from weakspot.inference.backends.onnx_forward import find_dummy_size
from weakspot.models import ForwardPass, SplitClassifier, forward_with_hooks

Gradients = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class TracedReading(ForwardPass):
    """A forward pass whose gradients are computed by operations that were traced.

    Attributes:
        behind: From the layer's output and (B, C) classes to gradients (B, C, ...) in the layer's own layout.
    """

    behind: Gradients | None = None

    def gradients(self, classes: Tensor) -> tuple[Tensor, ...]:
        """Give the gradients (B, C, K, h, w) of the logits of (B, C) classes."""
        assert self.behind is not None
        found = self.behind(self.outputs[0].clone(), classes)
        grid = self.layouts[0].to_grid(found.flatten(0, 1))
        return (grid.reshape(*classes.shape, *grid.shape[1:]),)


def trace_gradients(cut: SplitClassifier, images: Tensor) -> nn.Module:
    """Trace how the logits of a classifier are differentiated with respect to the layer that it is cut at.

    Args:
        cut: A classifier that is read at one layer.
        images: Two normalised images of the size that it sees.

    Returns:
        A module from the layer's output (B, ...) and class indices (B, C) to gradients (B, C, ...).

    Raises:
        InputError: If the logits come from elsewhere, too.
    """
    (layer,) = cut.layers
    reading = forward_with_hooks(cut.model, cut.layers, images)
    size = find_dummy_size(cut.model, layer, images, reading)
    if size is None:
        raise InputError(
            f"The logits do not come from the layer {layer.name} alone, so that no graph can hold their gradient.",
            "Take eigencam in PyTorch, or another layer.",
        )
    stand_in, call = images[:1, :, : size[0], : size[1]].clone(), reading.calls[0]

    def gradients(output: Tensor, classes: Tensor) -> Tensor:
        """All classes at once, each with an output of its own."""
        count = classes.shape[0] * classes.shape[1]
        repeated = output[:, None].expand(*classes.shape, *output.shape[1:]).reshape(count, *output.shape[1:])
        behind = forward_with_hooks(cut.model, [layer], stand_in, differentiable=True, replacement=(repeated, call))
        score = behind.logits.gather(1, classes.reshape(count, 1)).sum()
        (found,) = torch.autograd.grad(score, behind.outputs[0])
        return found.reshape(*classes.shape, *output.shape[1:])

    table = {**core_aten_decompositions(), torch.ops.aten._adaptive_avg_pool2d_backward.default: _unpooled}
    tracer = make_fx(gradients, decomposition_table=table, tracing_mode="symbolic", _allow_non_fake_inputs=True)
    # The tracer takes axes of one length for the same: none may be as long as another.
    output = reading.outputs[0]
    batch, asked = [number for number in range(2, 9) if number not in output.shape[1:]][:2]
    example = output[:1].expand(batch, *output.shape[1:]).clone()
    with _out_of_place(cut.model):
        traced = tracer(example, torch.zeros(batch, asked, dtype=torch.int64))
    traced.graph.eliminate_dead_code()  # the trunk, which only the stand-in goes through
    traced.recompile()
    return cast(nn.Module, traced)


@contextmanager
def _out_of_place(model: nn.Module) -> Iterator[None]:
    """Have no activation overwrite its input, the way back from which ONNX has no operator for."""
    modules: list[Any] = [module for module in model.modules() if getattr(module, "inplace", False)]
    for module in modules:
        module.inplace = False
    try:
        yield
    finally:
        for module in modules:
            module.inplace = True


def _unpooled(gradient: Tensor, pooled_from: Tensor) -> Any:
    """The way back through an average pooling whose windows are all alike, for which ONNX has no operator."""
    size, smaller = pooled_from.shape[-2:], gradient.shape[-2:]
    if size == smaller:
        return gradient
    if size[0] % smaller[0] or size[1] % smaller[1]:
        return NotImplemented
    shares = smaller[0] * smaller[1] / (size[0] * size[1])
    return F.interpolate(gradient, size=(int(size[0]), int(size[1])), mode="nearest") * shares
