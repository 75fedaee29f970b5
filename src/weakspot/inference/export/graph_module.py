"""The module that is exported: from photos to logits and class maps."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from weakspot.cams import find_method
from weakspot.errors import InputError
from weakspot.inference.backends.onnx_metadata import CHOSEN, FOREGROUND, LOGITS, MAPS, SIGNED, WITNESS
from weakspot.inference.backends.torch import TorchBackend, calibrate_maps
from weakspot.inference.export.head_gradients import TracedReading, trace_gradients
from weakspot.models import SplitClassifier, check_method, derive_class_maps, forward_with_hooks

# What methods of other kinds do that no graph does.
_BEYOND = {
    "activations": "decomposes a matrix for each image, for which ONNX has no operator",
    "masked images": "runs the model many times",
    "ablated activations": "runs the model's head many times",
    "image gradients": "takes gradients of the whole model",
}


class PhotosToMaps(nn.Module):
    """From photos to logits and class maps, normalisation included.

    Args:
        backend: The classifier.
        methods: Names of the method, and of the one whose maps are compared with its, if any.
    """

    def __init__(self, backend: TorchBackend, methods: Sequence[str]) -> None:
        super().__init__()
        self.model = backend.cut.model  # so that its weights are found
        self.foreground = backend.cut.foreground
        self._backend, self._names = backend, tuple(methods)
        self._methods = [find_method(name) for name in methods]
        self._traced = self._trace()
        # A plane at a time: a division by channels that lie side by side costs a graph six times as much.
        self._mean, self._std = (
            torch.tensor(each).view(-1, 1, 1) * 255 for each in (backend.frame.mean, backend.frame.std)
        )

    def forward(self, images: Tensor, classes: Tensor) -> tuple[Tensor, ...]:
        """See photos.

        Args:
            images: uint8, shape (B, height, width, channels).
            classes: Class indices of shape (B, C): -1 is the most probable of the photo, -2 the next, and so on.

        Returns:
            Logits (B, N), class indices (B, C), maps (B, C, h, w), whether activations were negative (B,), and where
            there are any the foreground (B, 1, h, w) and the maps of the second method (B, C, h, w).
        """
        cut = self._backend.cut
        pixels = (images.permute(0, 3, 1, 2).float() - self._mean) / self._std
        reading = forward_with_hooks(cut.model, cut.layers, pixels, intermediates=cut.intermediates)
        if self._traced is not None:
            reading = TracedReading(**vars(reading), behind=self._traced)
        ranked = reading.logits.float().topk(classes.shape[1], dim=1).indices  # (B, C)
        chosen = torch.where(classes < 0, ranked.gather(1, (-1 - classes).clamp_min(0)), classes)
        first, *witness = derive_class_maps(cut, pixels, reading, self._methods, chosen)
        maps = calibrate_maps(self._backend.levels, self._names[0], chosen, first.maps)
        found = [first.logits, chosen, maps, first.has_negative_activations]
        found += [] if first.foreground is None else [first.foreground]
        return (*found, *(one.maps for one in witness))

    def _trace(self) -> nn.Module | None:
        """The gradients of the head, where a method needs them and they are not the weights of a linear layer."""
        cut, frame = self._backend.cut, self._backend.frame
        if cut.head is not None or all(method.inputs != "gradients" for method in self._methods):
            return None
        noise = torch.randn(2, len(frame.mean), frame.height, frame.width, generator=torch.Generator().manual_seed(0))
        return trace_gradients(cut, noise)

    @property
    def outputs(self) -> list[str]:
        """Names of what :meth:`forward` gives."""
        names = [LOGITS, CHOSEN, MAPS, SIGNED]
        names += [] if self.foreground is None else [FOREGROUND]
        return names + [WITNESS] * (len(self._names) - 1)


def refuse_unfit(cut: SplitClassifier, name: str) -> None:
    """Refuse a method whose maps cannot be computed in one graph.

    Raises:
        InputError: If it does what no graph does, or several layers are read.
    """
    inputs = find_method(name).inputs
    if inputs in _BEYOND:
        raise InputError(f"{name} {_BEYOND[inputs]}: it is no graph.", "Take cam, gradcam or layercam.")
    if inputs == "gradients" and len(cut.layers) > 1:
        raise InputError(f"{name} of several layers is no graph.", "Name one layer.")


def fits(cut: SplitClassifier, name: str) -> bool:
    """Whether the maps of a method fit a classifier and can be computed in one graph."""
    try:
        check_method(cut, find_method(name))
        refuse_unfit(cut, name)
    except InputError:
        return False
    return True
