"""A classifier's forward pass in ONNX Runtime; the head after the target layer stays in PyTorch."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from weakspot.inference.backends.onnx_session import Session
from weakspot.models.feature_layout import Layout, Size
from weakspot.models.hooked_forward import ForwardPass, TargetLayer, forward_with_hooks

IMAGES = "images"


@dataclass(frozen=True, eq=False)
class OnnxForward:
    """A graph that computes logits, the outputs of the target layers, and intermediate features.

    Attributes:
        session: The graph, for normalized float32 images.
        calls: Number of times each layer runs.
        size: ``(height, width)`` of the images.
        dummy_size: Size of the smallest image that runs the head after the layer; None if the logits do not depend on
            the output of that layer alone.
    """

    session: Session
    layers: tuple[TargetLayer, ...]
    layouts: tuple[Layout, ...]
    calls: tuple[int, ...]
    size: Size
    dummy_size: Size | None = None

    def accepts(self, images: Tensor) -> bool:
        """Return whether the graph accepts images: their size, type and device."""
        return images.shape[2:] == self.size and images.dtype == torch.float32 and images.device.type == "cpu"

    def run(self, images: Tensor) -> ForwardPass:
        """Run a forward pass without gradients."""
        outputs = self.session.run({IMAGES: np.ascontiguousarray(images.detach().numpy())})
        logits, *maps = (torch.from_numpy(array) for array in outputs.values())
        count = len(self.layers)
        return ForwardPass(logits, tuple(maps[:count]), self.layouts, self.calls, tuple(maps[count:]))

    def single_threaded(self) -> "OnnxForward":
        """Return a forward pass for several threads that each run a batch of their own."""
        return replace(self, session=self.session.single_threaded)

    def run_differentiably(self, model: nn.Module, images: Tensor) -> ForwardPass:
        """Run the backbone in the graph and the head in PyTorch, with gradients up to the target layer."""
        forward_pass = self.run(images)
        assert self.dummy_size is not None
        height, width = self.dummy_size
        head_pass = forward_head_from(model, self.layers[0], images[:1, :, :height, :width], forward_pass)
        return replace(head_pass, intermediates=forward_pass.intermediates, layouts=self.layouts)


def forward_head_from(model: nn.Module, layer: TargetLayer, image: Tensor, forward_pass: ForwardPass) -> ForwardPass:
    """Run the head after a layer on the layer's output from another forward pass; the backbone runs on one image."""
    replacement = (forward_pass.outputs[0], forward_pass.calls[0])
    return forward_with_hooks(model, [layer], image, differentiable=True, replacement=replacement)


def find_dummy_size(model: nn.Module, layer: TargetLayer, images: Tensor, forward_pass: ForwardPass) -> Size | None:
    """Find the size of the smallest image that runs the head; None if the head needs more than the layer's output.

    ``forward_pass`` is that of the images, which are at least two.
    """
    height, width = images.shape[2:]
    for divisor in (4, 1):
        size = (height // divisor, width // divisor)
        dummy_image = images[:1, :, : size[0], : size[1]]
        try:
            logits = forward_head_from(model, layer, dummy_image, forward_pass).logits
        except Exception:  # models raise anything for a size that they do not support
            continue
        if torch.allclose(logits, forward_pass.logits, rtol=1e-3, atol=1e-3 * float(forward_pass.logits.std())):
            return size
    return None
