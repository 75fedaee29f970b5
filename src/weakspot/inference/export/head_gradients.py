"""Gradients of a head that is not pooling + linear, as operations that ONNX supports."""

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
class TracedForwardPass(ForwardPass):
    """A forward pass whose gradients are computed by traced operations.

    ``head_gradients`` maps the layer's output and (B, C) classes to gradients (B, C, ...) in the layer's layout.
    """

    head_gradients: Gradients | None = None

    def gradients(self, classes: Tensor) -> tuple[Tensor, ...]:
        """Return the gradients (B, C, K, h, w) of the logits of (B, C) classes."""
        assert self.head_gradients is not None
        gradients = self.head_gradients(self.outputs[0].clone(), classes)
        grid = self.layouts[0].to_grid(gradients.flatten(0, 1))
        return (grid.reshape(*classes.shape, *grid.shape[1:]),)


def trace_gradients(classifier: SplitClassifier, images: Tensor) -> nn.Module:
    """Trace the gradients of a classifier's logits with respect to the output of its only target layer.

    The images are two normalized ones. Returns a module from the layer's output (B, ...) and class indices (B, C) to
    gradients (B, C, ...); InputError ``layer-unsupported`` if the logits do not depend on that output alone.
    """
    (layer,) = classifier.layers
    forward_pass = forward_with_hooks(classifier.model, classifier.layers, images)
    size = find_dummy_size(classifier.model, layer, images, forward_pass)
    if size is None:
        problem = f"ONNX export needs logits that depend on the layer {layer.name} alone."
        raise InputError("layer-unsupported", problem, "Use eigencam in PyTorch, or another layer.")
    dummy_image, call = images[:1, :, : size[0], : size[1]].clone(), forward_pass.calls[0]

    def gradients(output: Tensor, classes: Tensor) -> Tensor:
        """Compute all classes at once, each with a copy of the output."""
        count = classes.shape[0] * classes.shape[1]
        copies = output[:, None].expand(*classes.shape, *output.shape[1:]).reshape(count, *output.shape[1:])
        head_pass = forward_with_hooks(
            classifier.model, [layer], dummy_image, differentiable=True, replacement=(copies, call)
        )
        score = head_pass.logits.gather(1, classes.reshape(count, 1)).sum()
        (gradient,) = torch.autograd.grad(score, head_pass.outputs[0])
        return gradient.reshape(*classes.shape, *output.shape[1:])

    table = {**core_aten_decompositions(), torch.ops.aten._adaptive_avg_pool2d_backward.default: _pooling_backward}
    tracer = make_fx(gradients, decomposition_table=table, tracing_mode="symbolic", _allow_non_fake_inputs=True)
    # The tracer merges axes of equal length, so batch and classes differ from each other and from all other axes.
    output = forward_pass.outputs[0]
    batch, count = [number for number in range(2, 9) if number not in output.shape[1:]][:2]
    example = output[:1].expand(batch, *output.shape[1:]).clone()
    with _out_of_place(classifier.model):
        traced = tracer(example, torch.zeros(batch, count, dtype=torch.int64))
    traced.graph.eliminate_dead_code()  # the backbone, which ran on the dummy image only
    traced.recompile()
    return cast(nn.Module, traced)


@contextmanager
def _out_of_place(model: nn.Module) -> Iterator[None]:
    """Disable in-place activations: ONNX has no operator for their gradients."""
    modules: list[Any] = [module for module in model.modules() if getattr(module, "inplace", False)]
    for module in modules:
        module.inplace = False
    try:
        yield
    finally:
        for module in modules:
            module.inplace = True


def _pooling_backward(gradient: Tensor, pooled_from: Tensor) -> Any:
    """Compute the gradient of an average pooling with equal windows, for which ONNX has no operator."""
    size, smaller = pooled_from.shape[-2:], gradient.shape[-2:]
    if size == smaller:
        return gradient
    if size[0] % smaller[0] or size[1] % smaller[1]:
        return NotImplemented
    weight = smaller[0] * smaller[1] / (size[0] * size[1])
    return F.interpolate(gradient, size=(int(size[0]), int(size[1])), mode="nearest") * weight
