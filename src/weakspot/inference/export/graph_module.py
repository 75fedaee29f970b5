"""The module that is exported: from images to logits and class maps."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from weakspot.cams import find_method
from weakspot.errors import InputError
from weakspot.inference.backends.onnx_metadata import (
    CLASS_INDICES,
    EVIDENCE,
    FOREGROUND,
    HAS_NEGATIVE,
    LOGITS,
    MAPS,
    REFERENCE_MAPS,
)
from weakspot.inference.backends.torch import TorchBackend, calibrate_maps
from weakspot.inference.export.head_gradients import TracedForwardPass, trace_gradients
from weakspot.models import SplitClassifier, check_method, derive_class_maps

# Why methods with these inputs cannot be one graph.
_UNSUPPORTED = {
    "activations": "decomposes a matrix for each image, for which ONNX has no operator",
    "masked images": "runs the model many times",
    "ablated activations": "runs the model's head many times",
    "image gradients": "needs gradients of the whole model",
}


class GraphModule(nn.Module):
    """From images to logits and class maps, including normalization; the reference method, if any, is the second."""

    def __init__(self, backend: TorchBackend, methods: Sequence[str]) -> None:
        super().__init__()
        self.model = backend.classifier.model  # registers its weights
        self.foreground = backend.classifier.foreground
        self._backend, self._names = backend, tuple(methods)
        self._methods = [find_method(name) for name in methods]
        self._traced = self._trace()
        # Shape (channels, 1, 1): dividing channels-last pixels makes the graph's normalization six times as slow.
        preprocessing = backend.preprocessing
        self._mean, self._std = (
            torch.tensor(values).view(-1, 1, 1) * 255 for values in (preprocessing.mean, preprocessing.std)
        )

    def forward(self, images: Tensor, classes: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs that :attr:`outputs` names, see :func:`weakspot.inference.export.exporter.export`."""
        classifier = self._backend.classifier
        pixels = (images.permute(0, 3, 1, 2).float() - self._mean) / self._std
        forward_pass = classifier.run_in_torch(pixels)
        if self._traced is not None:
            forward_pass = TracedForwardPass(**vars(forward_pass), head_gradients=self._traced)
        num_classes = forward_pass.logits.shape[1]
        ranked = forward_pass.logits.float().topk(num_classes, dim=1).indices  # of all: C may be any number
        indices = torch.where(classes < 0, ranked.gather(1, (-1 - classes).clamp_min(0)), classes)
        output, *references = derive_class_maps(classifier, pixels, forward_pass, self._methods, indices)
        maps = calibrate_maps(self._backend.class_thresholds, self._names[0], indices, output.maps)
        outputs = [output.logits, indices, maps, output.has_negative_activations]
        outputs += [output.evidence] if classifier.intermediates else []
        outputs += [] if output.foreground is None else [output.foreground]
        return (*outputs, *(reference.maps for reference in references))

    def _trace(self) -> nn.Module | None:
        """Trace the gradients of the head, if a method needs them and they are not the weights of a linear layer."""
        classifier, preprocessing = self._backend.classifier, self._backend.preprocessing
        if classifier.head is not None or all(method.inputs != "gradients" for method in self._methods):
            return None
        shape = (2, len(preprocessing.mean), preprocessing.height, preprocessing.width)
        return trace_gradients(classifier, torch.randn(shape, generator=torch.Generator().manual_seed(0)))

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs of :meth:`forward`."""
        names = [LOGITS, CLASS_INDICES, MAPS, HAS_NEGATIVE]
        names += [EVIDENCE] if self._backend.classifier.intermediates else []
        names += [] if self.foreground is None else [FOREGROUND]
        return names + [REFERENCE_MAPS] * (len(self._names) - 1)


def check_exportable(classifier: SplitClassifier, name: str) -> None:
    """Raise InputError unless the maps of a method can be computed in one graph."""
    inputs = find_method(name).inputs
    if inputs in _UNSUPPORTED:
        problem = f"ONNX export does not support {name}: it {_UNSUPPORTED[inputs]}."
        raise InputError("method-unsupported", problem, "Use cam, gradcam or layercam.")
    if inputs == "gradients" and len(classifier.layers) > 1:
        raise InputError("options-conflict", f"ONNX export supports one layer, got {len(classifier.layers)}.")


def is_exportable(classifier: SplitClassifier, name: str) -> bool:
    """Return whether a method fits a classifier and can be computed in one graph."""
    try:
        check_method(classifier, find_method(name))
        check_exportable(classifier, name)
    except InputError:
        return False
    return True
