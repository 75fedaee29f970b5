"""Backend-independent inputs and outputs of a classifier."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from weakspot.data import Preprocessing
from weakspot.models.model_info import ModelInfo

Pixels = NDArray[np.uint8]  # (rows, columns, channels)


@dataclass(frozen=True, eq=False)
class ClassSelection:
    """Classes to localize in each image: indices (C,) for all images or (B, C), else the ``top_k`` most probable.

    With ``include_positive`` and without indices, the further classes with a logit above 0 are added. The ``rivals``
    most probable classes of each image follow given classes, and may be among them.
    """

    indices: NDArray[np.integer] | None = None
    top_k: int = 1
    include_positive: bool = False
    rivals: int = 0

    @property
    def count(self) -> int:
        """Number of classes per image, without those that ``include_positive`` adds."""
        return self.top_k if self.indices is None else self.indices.shape[-1]

    def rows(self, images: int) -> NDArray[np.integer] | None:
        """Return the class indices of a batch of images, shape (B, C), or None for the most probable classes."""
        if self.indices is None:
            return None
        return np.array(np.broadcast_to(self.indices, (images, self.count)))


@dataclass(frozen=True)
class ClassThresholds:
    """Per-class thresholds, in (0, 1), for one method: maps are calibrated so that ``threshold`` suits all classes."""

    method: str
    values: tuple[float, ...]
    threshold: float

    @classmethod
    def of(cls, info: ModelInfo) -> "ClassThresholds | None":
        """Return the thresholds of a run; None if it has none for each class."""
        if not info.class_thresholds or info.threshold is None:
            return None
        return cls(info.method, info.class_thresholds, info.threshold)


@dataclass(frozen=True, eq=False)
class ClassifierOutput:
    """Output of a classifier for a batch of images and one method.

    Attributes:
        logits: Shape (B, number of classes).
        classes: Class indices of shape (B, C).
        maps: Class maps of shape (B, C, h, w), any sign, propagated if the quality does.
        evidence: The method's own maps, before they are propagated, shape (B, C, h', w'): the region with the highest
            sum is the object's. An exported file of version 0.1 has the propagated ones.
        uncontested: The same where no rival has more evidence, see :func:`weakspot.inference.rivals.run_with_rivals`;
            None if rivals were not looked for.
        peaks: Maximum of the evidence of the two most probable object classes, shape (B,); None if rivals were not
            looked for, or without a background class.
        has_negative_activations: Whether the activations of each image had negative values, shape (B,).
        foreground: Foreground probability, shape (B, 1, h, w); None without a foreground head.
    """

    logits: NDArray[np.floating]
    classes: NDArray[np.integer]
    maps: NDArray[np.floating]
    evidence: NDArray[np.floating]
    has_negative_activations: NDArray[np.bool_]
    foreground: NDArray[np.floating] | None = None
    uncontested: NDArray[np.floating] | None = None
    peaks: NDArray[np.floating] | None = None


class Backend(Protocol):
    """A classifier, ready to run."""

    @property
    def name(self) -> str:
        """``"torch"`` or ``"onnx"``."""

    @property
    def preprocessing(self) -> Preprocessing:
        """The model's preprocessing: input size and normalization."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the target layers."""

    @property
    def has_foreground_head(self) -> bool:
        """Whether there is a fitted foreground head."""

    @property
    def has_evidence(self) -> bool:
        """Whether the evidence of outputs is that before propagation."""

    @property
    def class_thresholds(self) -> ClassThresholds | None:
        """Thresholds by which the maps are calibrated, each on its own; None if they are not."""

    def resize(self, pixels: Pixels, *, height: int, width: int) -> Pixels:
        """Resize an image, bicubic with antialiasing; the same array if it has that size."""

    def run(
        self, images: Sequence[Pixels], methods: Sequence[str], selection: ClassSelection
    ) -> list[ClassifierOutput]:
        """Compute the maps of several methods, one output each, with one forward pass of images of the input size.

        Raises InputError if a method does not fit the classifier, or a class does not exist.
        """

    def validate_method(self, method: str) -> None:
        """Raise InputError unless a method fits the classifier."""

    def default_threshold(self, method: str) -> float:
        """Return the default threshold of a method's heatmaps."""

    def single_pass_methods(self) -> tuple[str, ...]:
        """Return the names of the methods that fit the classifier and need a single forward pass."""

    def single_threaded(self) -> "Backend":
        """Return a backend for threads that each run a batch of their own; itself if that saves no time."""


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A classifier that is ready to run.

    Attributes:
        info: Metadata; method, quality and threshold are those that it was loaded for.
        default_threshold: Threshold of boxes if neither the user nor a run has chosen one.
        is_box_regressor: Whether its maps are drawn from regressed boxes, so that they have no uncertainty.
        may_export: Whether the classifier may be exported for ONNX Runtime after enough images.
    """

    backend: Backend
    info: ModelInfo
    default_threshold: float
    is_box_regressor: bool = False
    may_export: bool = False
