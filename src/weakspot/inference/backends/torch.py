"""Backend that runs a classifier in PyTorch: any model, any method."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from weakspot.cams import METHODS, find_method
from weakspot.cams.normalization import apply_class_thresholds
from weakspot.data import Preprocessing
from weakspot.errors import InputError
from weakspot.inference.backends.base import ClassifierOutput, ClassSelection, ClassThresholds, Pixels
from weakspot.inference.quality import FOREGROUND_THRESHOLD, PROPAGATED_THRESHOLD
from weakspot.models import (
    ClassMaps,
    ForegroundHead,
    SplitClassifier,
    channels_first,
    channels_last,
    check_method,
    compute_class_maps,
    compute_class_maps_of_methods,
    foreground_targets,
    normalize_batch,
    normalize_chw,
    object_inputs,
    resize_tensor,
)
from weakspot.models.object_head import ObjectInputs
from weakspot.models.two_class_logits import TwoClassLogits

# Inputs of methods that need a single forward pass.
_SINGLE_PASS_INPUTS = ("weights", "gradients", "activations", "branches")


@dataclass(frozen=True, eq=False)
class TorchBackend:
    """A classifier in PyTorch.

    With ``limit_threads``, PyTorch uses one thread; ``threads`` is the number that it uses otherwise.
    """

    classifier: SplitClassifier
    preprocessing: Preprocessing
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    class_thresholds: ClassThresholds | None = None
    limit_threads: bool = False
    threads: int = field(default_factory=torch.get_num_threads)

    @property
    def name(self) -> str:
        """``"onnx"`` if ONNX Runtime runs the forward pass, else ``"torch"``."""
        return "torch" if self.classifier.accelerated is None else "onnx"

    @property
    def has_evidence(self) -> bool:
        """Always: maps before propagation are at hand."""
        return True

    def resize(self, pixels: Pixels, *, height: int, width: int) -> Pixels:
        """Resize an image; torch's 8-bit resizing is within 2 of 255 of Pillow's."""
        if pixels.shape[:2] == (height, width):
            return pixels
        size = replace(self.preprocessing, height=height, width=width)
        return channels_last(resize_tensor(channels_first(pixels), size))

    def run(
        self, images: Sequence[Pixels], methods: Sequence[str], selection: ClassSelection
    ) -> list[ClassifierOutput]:
        """Compute the class maps of several methods with one forward pass."""
        rows = selection.rows(len(images))
        classes = None if rows is None else torch.from_numpy(rows).to(self.device)
        with _single_thread(self.threads) if self.limit_threads else nullcontext():
            outputs = compute_class_maps_of_methods(
                self.classifier,
                self._normalize(images),
                [find_method(name) for name in methods],
                classes=classes,
                top_k=selection.top_k,
                include_positive=selection.include_positive,
                rivals=selection.rivals,
            )
        return [self._to_arrays(name, output) for name, output in zip(methods, outputs, strict=True)]

    def validate_method(self, method: str) -> None:
        """Raise InputError if a method needs another head or fewer layers."""
        check_method(self.classifier, find_method(method))

    def single_pass_methods(self) -> tuple[str, ...]:
        """Return the names of the methods that fit the classifier and need a single forward pass."""
        return tuple(
            name for name, method in METHODS.items() if method.inputs in _SINGLE_PASS_INPUTS and self._fits(name)
        )

    def _fits(self, method: str) -> bool:
        try:
            self.validate_method(method)
        except InputError:
            return False
        return True

    def single_threaded(self) -> "TorchBackend":
        """Return a backend for several threads, if ONNX Runtime runs the forward pass; PyTorch shares its own."""
        if self.classifier.accelerated is None:
            return self
        classifier = replace(self.classifier, accelerated=self.classifier.accelerated.single_threaded())
        # Without a nonlinear head, PyTorch has little left to do.
        return replace(self, classifier=classifier, limit_threads=classifier.head is not None)

    def class_maps(self, images: Tensor, classes: Tensor, method: str) -> Tensor:
        """Compute raw class maps of normalized images, as the method was published, see ``Localizer.class_maps``."""
        _check_tensors(images, classes)
        rows = (classes if classes.dim() == 2 else classes[:, None]).to(self.device)
        as_published = replace(self.classifier, intermediates=(), accelerated=None)
        images = images.to(self.device, self.dtype)
        maps = compute_class_maps(as_published, images, find_method(method), classes=rows).maps
        return maps if classes.dim() == 2 else maps[:, 0]

    def foreground_targets(
        self, images: Sequence[Pixels], method: str, classes: Tensor | None
    ) -> tuple[Tensor, Tensor] | None:
        """Compute the inputs and targets of a foreground head, on the CPU.

        Class indices have the shape (B, C); None is the most probable of each image. Returns features (B, K, h, w) in
        half precision and maps (B, C, h, w); None without intermediate features.
        """
        rows = None if classes is None else classes.to(self.device)
        targets = foreground_targets(self.classifier, self._normalize(images), find_method(method), rows)
        return None if targets is None else (targets[0].half().cpu(), targets[1].cpu())

    def object_inputs(self, images: Sequence[Pixels], method: str, classes: Tensor) -> ObjectInputs | None:
        """Compute the inputs of an object head for class indices (B, C), on the CPU.

        Features and maps are in half precision. None without intermediate features or foreground head.
        """
        inputs = object_inputs(self.classifier, self._normalize(images), find_method(method), classes.to(self.device))
        if inputs is None:
            return None
        features, maps = inputs.features.half().cpu(), inputs.maps.half().cpu()
        return ObjectInputs(features, maps, inputs.propagated.float().cpu(), inputs.evidence.float().cpu())

    def with_foreground_head(self, head: ForegroundHead | None) -> "TorchBackend":
        """Return the same classifier with another foreground head, or none, and without per-class thresholds."""
        head = None if head is None else head.to(self.device)
        return replace(self, classifier=replace(self.classifier, foreground=head), class_thresholds=None)

    def default_threshold(self, method: str) -> float:
        """Return the default threshold of a method's heatmaps."""
        if not self.classifier.intermediates:
            return find_method(method).threshold
        return PROPAGATED_THRESHOLD if self.classifier.foreground is None else FOREGROUND_THRESHOLD

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the target layers."""
        prefix = "" if self.model is self.classifier.model else TwoClassLogits.prefix
        return tuple(layer.name.removeprefix(prefix) for layer in self.classifier.layers)

    @property
    def model(self) -> nn.Module:
        """The classifier as it was loaded."""
        model = self.classifier.model
        return model.classifier if isinstance(model, TwoClassLogits) else model

    @property
    def has_foreground_head(self) -> bool:
        """Whether there is a fitted foreground head."""
        return self.classifier.foreground is not None

    def _normalize(self, images: Sequence[Pixels]) -> Tensor:
        if self.classifier.accelerated is not None:
            return normalize_chw(images, self.preprocessing)
        channels = [channels_first(image) for image in images]
        return normalize_batch(channels, self.preprocessing, device=self.device, dtype=self.dtype)

    def _to_arrays(self, method: str, output: ClassMaps) -> ClassifierOutput:
        maps = calibrate_maps(self.class_thresholds, method, output.classes, output.maps)
        return ClassifierOutput(
            output.logits.numpy(force=True),
            output.classes.numpy(force=True),
            maps.numpy(force=True),
            output.evidence.numpy(force=True),
            output.has_negative_activations.numpy(force=True),
            None if output.foreground is None else output.foreground.numpy(force=True),
        )


def _check_tensors(images: Tensor, classes: Tensor) -> None:
    """Check the types and shapes of images and classes; the range of the class indices is checked later."""
    if not isinstance(images, Tensor) or images.dim() != 4 or not images.is_floating_point():
        problem = f"images must be a normalized float tensor of shape (B, channels, H, W), got {_describe(images)}."
        raise InputError("shape-mismatch", problem, "To localize in one image file, call the localizer.")
    if not isinstance(classes, Tensor) or classes.dim() not in (1, 2) or classes.is_floating_point():
        problem = f"classes must be an integer tensor of shape (B,) or (B, C), got {_describe(classes)}."
        raise InputError("shape-mismatch", problem)


def _describe(value: object) -> str:
    return f"{value.dtype} of {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


@contextmanager
def _single_thread(threads: int) -> Iterator[None]:
    """Limit PyTorch to one thread: its other threads would only wait for threads that run other batches."""
    torch.set_num_threads(1)  # for this thread and those that start now
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def calibrate_maps(thresholds: ClassThresholds | None, method: str, classes: Tensor, maps: Tensor) -> Tensor:
    """Remap class maps (B, C, h, w) of classes (B, C) so that one threshold suits all classes."""
    if thresholds is None or method != thresholds.method:
        return maps
    per_class = torch.tensor(thresholds.values, device=maps.device)[classes]
    return apply_class_thresholds(maps.float(), per_class, thresholds.threshold)
