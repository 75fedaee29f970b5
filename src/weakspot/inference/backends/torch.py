"""A classifier that PyTorch runs: any model, any method."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from weakspot.cams import METHODS, find_method
from weakspot.cams.normalization import apply_class_thresholds
from weakspot.data import Preprocessing
from weakspot.errors import InputError
from weakspot.inference.backends.base import Asked, ClassifierOutput, Pixels
from weakspot.inference.quality import FOREGROUND_THRESHOLD, SPREAD_THRESHOLD
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
    resize_tensor,
)

# What methods read that need no second pass.
_ONE_PASS = ("weights", "gradients", "activations", "branches")


@dataclass(frozen=True)
class ClassThresholds:
    """Where the maps of each class are cut best, by a method and in a quality for which that was found out.

    Attributes:
        method: Name of that method.
        of_classes: One level for each class, in (0, 1); maps are levelled to the threshold of all.
        threshold: That one.
    """

    method: str
    of_classes: tuple[float, ...]
    threshold: float


@dataclass(frozen=True, eq=False)
class TorchBackend:
    """A classifier in PyTorch.

    Attributes:
        cut: The classifier.
        frame: What it wants of its images.
        like: A tensor of its device and type.
        levels: Where the maps of its classes are cut best; None where nobody knows.
        alone: Whether PyTorch is to have one thread.
        threads: How many it has elsewhere.
    """

    cut: SplitClassifier
    frame: Preprocessing
    like: Tensor
    levels: ClassThresholds | None = None
    alone: bool = False
    threads: int = field(default_factory=torch.get_num_threads)

    @property
    def name(self) -> str:
        """``"onnx"`` where onnxruntime runs the forward pass, else ``"torch"``."""
        return "torch" if self.cut.accelerated is None else "onnx"

    def resize(self, pixels: Pixels, *, height: int, width: int) -> Pixels:
        """Squash pixels to a size; torch's 8-bit resizing gives Pillow's pixels, to within 2 of 255."""
        if pixels.shape[:2] == (height, width):
            return pixels
        return channels_last(resize_tensor(channels_first(pixels), replace(self.frame, height=height, width=width)))

    def run(self, photos: Sequence[Pixels], methods: Sequence[str], asked: Asked) -> list[ClassifierOutput]:
        """See photos of the size in ``frame`` by each of some methods, in one forward pass."""
        rows = None if asked.classes is None else torch.from_numpy(asked.classes).to(self.like.device)
        ways = [find_method(name) for name in methods]
        with _one_thread(self.threads) if self.alone else nullcontext():
            found = compute_class_maps_of_methods(
                self.cut, self._tensors(photos), ways, classes=rows, top_k=asked.top_k, include_positive=asked.present
            )
        return [self._seen(name, one) for name, one in zip(methods, found, strict=True)]

    def check(self, method: str) -> None:
        """Refuse a method that needs another head or fewer layers."""
        check_method(self.cut, find_method(method))

    def single_pass_methods(self) -> tuple[str, ...]:
        """Names of the methods that fit the classifier and need no more of it than one forward pass."""
        return tuple(name for name, method in METHODS.items() if method.inputs in _ONE_PASS and self._fits(name))

    def _fits(self, method: str) -> bool:
        try:
            self.check(method)
        except InputError:
            return False
        return True

    def single_threaded(self) -> "TorchBackend":
        """The same for several threads, where onnxruntime runs the forward pass; PyTorch shares its threads itself."""
        if self.cut.accelerated is None:
            return self
        cut = replace(self.cut, accelerated=self.cut.accelerated.single_threaded())
        small = cut.head is not None  # what PyTorch has left to do, then
        return replace(self, cut=cut, alone=small)

    def class_maps(self, images: Tensor, classes: Tensor, method: str) -> Tensor:
        """Compute raw class maps of normalised images, as the method was published.

        Args:
            images: Shape (B, channels, H, W).
            classes: Class indices of shape (B,), or (B, C) for several of each image.
            method: Name of the method.

        Returns:
            Shape (B, h, w) or (B, C, h, w).
        """
        _check_tensors(images, classes)
        rows = (classes if classes.dim() == 2 else classes[:, None]).to(self.like.device)
        as_published = replace(self.cut, intermediates=(), accelerated=None)
        maps = compute_class_maps(as_published, images.to(self.like), find_method(method), classes=rows).maps
        return maps if classes.dim() == 2 else maps[:, 0]

    def lessons(self, photos: Sequence[Pixels], method: str, classes: Tensor | None) -> tuple[Tensor, Tensor] | None:
        """Read what a foreground head learns from: features (B, K, h, w) and maps (B, C, h, w), on the CPU.

        Args:
            photos: Pixels of the size in ``frame``.
            method: Name of the method to read class maps by.
            classes: Class indices of shape (B, C); None for the most probable of each.

        Returns:
            Both, the features in half precision; None where the classifier has no mid-level feature maps.
        """
        rows = None if classes is None else classes.to(self.like.device)
        found = foreground_targets(self.cut, self._tensors(photos), find_method(method), rows)
        return None if found is None else (found[0].half().cpu(), found[1].cpu())

    def with_foreground(self, head: ForegroundHead | None) -> "TorchBackend":
        """The same classifier with another foreground head, or none; its classes are not levelled."""
        moved = None if head is None else head.to(self.like.device)
        return replace(self, cut=replace(self.cut, foreground=moved), levels=None)

    def default_threshold(self, method: str) -> float:
        """Where heatmaps are cut if nothing else is known."""
        if not self.cut.intermediates:
            return find_method(method).threshold
        return SPREAD_THRESHOLD if self.cut.foreground is None else FOREGROUND_THRESHOLD

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that are read."""
        return tuple(layer.name for layer in self.cut.layers)

    @property
    def has_foreground_head(self) -> bool:
        """Whether a head has learnt what foreground looks like."""
        return self.cut.foreground is not None

    def _tensors(self, photos: Sequence[Pixels]) -> Tensor:
        if self.cut.accelerated is not None:
            return normalize_chw(photos, self.frame)
        return normalize_batch(
            [channels_first(photo) for photo in photos], self.frame, device=self.like.device, dtype=self.like.dtype
        )

    def _seen(self, name: str, found: ClassMaps) -> ClassifierOutput:
        maps = calibrate_maps(self.levels, name, found.classes, found.maps)
        return ClassifierOutput(
            found.logits.numpy(force=True),
            found.classes.numpy(force=True),
            maps.numpy(force=True),
            found.has_negative_activations.numpy(force=True),
            None if found.foreground is None else found.foreground.numpy(force=True),
        )


def _check_tensors(images: Tensor, classes: Tensor) -> None:
    """Refuse what no class map can be computed of; which classes there are is looked at later."""
    if not isinstance(images, Tensor) or images.dim() != 4 or not images.is_floating_point():
        is_ = f"{images.dtype} of {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        hint = "Give a float tensor (B, channels, H, W), normalised; a photo goes to the localizer itself."
        raise InputError(f"The images are no batch: {is_}.", hint)
    if not isinstance(classes, Tensor) or classes.dim() not in (1, 2) or classes.is_floating_point():
        hint = "Give a tensor of class indices (B,) or (B, C): torch.tensor([281])."
        raise InputError("The classes are no tensor of one or more indices for each image.", hint)


@contextmanager
def _one_thread(threads: int) -> Iterator[None]:
    """Have PyTorch use one thread, where threads of its own would spin and wait for those that run other batches."""
    torch.set_num_threads(1)  # of this thread, and of those that begin now
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def calibrate_maps(levels: ClassThresholds | None, method: str, classes: Tensor, maps: Tensor) -> Tensor:
    """Bend class maps (B, C, h, w) of (B, C) classes such that one threshold suits them all."""
    if levels is None or method != levels.method:
        return maps
    at = torch.tensor(levels.of_classes, device=maps.device)[classes]
    return apply_class_thresholds(maps.float(), at, levels.threshold)
