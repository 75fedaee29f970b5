"""What a classifier is asked, and what it tells of photos, whatever runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from weakspot.data import Preprocessing
from weakspot.inference.quality import Quality

Pixels = NDArray[np.uint8]  # (rows, columns, channels)


@dataclass(frozen=True, eq=False)
class Asked:
    """Which classes of a batch of photos are asked for.

    Attributes:
        classes: Class indices of shape (B, C); None for the most probable.
        top_k: How many, where ``classes`` is None.
        present: Then also as many as the photo with most logits above 0 has.
    """

    classes: NDArray[np.integer] | None = None
    top_k: int = 1
    present: bool = False


@dataclass(frozen=True, eq=False)
class ClassifierOutput:
    """What a classifier tells of a batch of photos by one method.

    Attributes:
        logits: Shape (B, number of classes).
        classes: Class indices of shape (B, C).
        maps: Class maps of shape (B, C, h, w), any sign.
        signed: Whether the activations of each photo had negative values, shape (B,).
        foreground: Probability that something stands there, shape (B, 1, h, w); None where no head has learnt it.
    """

    logits: NDArray[np.floating]
    classes: NDArray[np.integer]
    maps: NDArray[np.floating]
    signed: NDArray[np.bool_]
    foreground: NDArray[np.floating] | None = None


class Backend(Protocol):
    """A classifier that photos are given to."""

    @property
    def name(self) -> str:
        """``"torch"`` or ``"onnx"``."""

    @property
    def frame(self) -> Preprocessing:
        """What it wants of its images."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that are read."""

    @property
    def has_foreground_head(self) -> bool:
        """Whether a head has learnt what foreground looks like."""

    def resize(self, pixels: Pixels, *, height: int, width: int) -> Pixels:
        """Squash pixels to a size, bicubic with antialiasing; the same pixels where they have it."""

    def run(self, photos: Sequence[Pixels], methods: Sequence[str], asked: Asked) -> list[ClassifierOutput]:
        """See photos of the size in :attr:`frame` by each of some methods, in one forward pass.

        Raises:
            InputError: If a method does not fit the classifier, or a class is none of its.
        """

    def check(self, method: str) -> None:
        """Refuse a method that does not fit the classifier.

        Raises:
            InputError: If it does not.
        """

    def default_threshold(self, method: str) -> float:
        """Where heatmaps of a method are cut if nothing else is known."""

    def single_pass_methods(self) -> tuple[str, ...]:
        """Names of the methods that fit the classifier and need no more of it than one forward pass."""

    def single_threaded(self) -> "Backend":
        """The same for several threads that each run a batch of their own; itself where nothing is gained by that."""


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A classifier that is ready to look at photos, and what is known of it.

    Attributes:
        backend: What runs it.
        method: Name of the method to read by.
        quality: Name of the quality.
        looks: How closely to look; without views where they add nothing.
        threshold: Where heatmaps are cut if nobody says otherwise.
        view_threshold: Where they are cut for the boxes that are looked into.
        class_names: One for each logit.
        multi_label: Whether each class is present or not, for itself.
        background: Index of the class of images that hold no object, or None.
        drawn: Whether its maps are drawn around boxes, which leaves nothing to doubt.
        may_export: Whether its forward pass may be exported for onnxruntime once it has seen enough images.
    """

    backend: Backend
    method: str
    quality: str
    looks: Quality
    threshold: float
    crop_threshold: float
    class_names: tuple[str, ...]
    multi_label: bool = False
    background: int | None = None
    drawn: bool = False
    may_export: bool = False
