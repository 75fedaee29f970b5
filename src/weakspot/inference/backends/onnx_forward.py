"""A classifier's forward pass in onnxruntime; what lies behind the cut stays in PyTorch."""

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
    """A graph that gives all that one forward pass does: logits, the outputs of layers, and levels.

    Attributes:
        session: The graph; it takes normalised images in 32-bit floats.
        layers: The layers whose outputs it gives.
        layouts: How each output holds its feature map.
        calls: How often each layer runs.
        size: ``(height, width)`` of the images.
        stand_in: Size of an image that is enough to run the head behind the layer; None where the logits do not
            come from that layer's output alone.
    """

    session: Session
    layers: tuple[TargetLayer, ...]
    layouts: tuple[Layout, ...]
    calls: tuple[int, ...]
    size: Size
    dummy_size: Size | None = None

    def accepts(self, images: Tensor) -> bool:
        """Whether images are such as the graph was made for."""
        return images.shape[2:] == self.size and images.dtype == torch.float32 and images.device.type == "cpu"

    def run(self, images: Tensor) -> ForwardPass:
        """Run a forward pass; nothing can be differentiated."""
        found = self.session.run({IMAGES: np.ascontiguousarray(images.detach().numpy())})
        logits, *maps = (torch.from_numpy(array) for array in found.values())
        count = len(self.layers)
        return ForwardPass(logits, tuple(maps[:count]), self.layouts, self.calls, tuple(maps[count:]))

    def single_threaded(self) -> "OnnxForward":
        """The same for several threads that each run a batch of their own."""
        return replace(self, session=self.session.single_threaded)

    def run_differentiably(self, model: nn.Module, images: Tensor) -> ForwardPass:
        """Run the trunk in the graph and the head in PyTorch, such that gradients can be taken up to the layer."""
        reading = self.run(images)
        assert self.dummy_size is not None
        height, width = self.dummy_size
        behind = forward_head_from(model, self.layers[0], images[:1, :, :height, :width], reading)
        return replace(behind, intermediates=reading.intermediates, layouts=self.layouts)


def forward_head_from(model: nn.Module, layer: TargetLayer, image: Tensor, reading: ForwardPass) -> ForwardPass:
    """Run what lies behind a layer on what it gave in another pass; the layer itself sees one image only."""
    replacement = (reading.outputs[0], reading.calls[0])
    return forward_with_hooks(model, [layer], image, differentiable=True, replacement=replacement)


def find_dummy_size(model: nn.Module, layer: TargetLayer, images: Tensor, reading: ForwardPass) -> Size | None:
    """The size of the smallest image that will do to run the head; None where the head needs more than the layer.

    Args:
        model: The classifier.
        layer: Where it is cut.
        images: Two images at least.
        reading: What they gave.
    """
    height, width = images.shape[2:]
    for parts in (4, 1):
        size = (height // parts, width // parts)
        stand_in = images[:1, :, : size[0], : size[1]]
        try:
            logits = forward_head_from(model, layer, stand_in, reading).logits
        except Exception:  # what a model raises for a size that it cannot take is its own affair
            continue
        if torch.allclose(logits, reading.logits, rtol=1e-3, atol=1e-3 * float(reading.logits.std())):
            return size
    return None
