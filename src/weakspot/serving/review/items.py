"""The images of a review, with what the model predicted in them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from pathlib import Path

from weakspot.data import ObjectAnnotation
from weakspot.labels.image_names import name_in_review
from weakspot.report.content import ReportItem, Threshold
from weakspot.report.from_localize import read_localized


@dataclass(frozen=True)
class ClassPrediction:
    """What was predicted for one class in an image.

    Attributes:
        label: Name of the class.
        objects: Its objects, the default one first.
        heatmap: File of its heatmap, or None if it was not saved.
        threshold: How its boxes are cut from the heatmap; None if there is nothing to cut.
    """

    label: str
    objects: tuple[ObjectAnnotation, ...]
    heatmap: Path | None = None
    threshold: Threshold | None = None


@dataclass(frozen=True)
class ReviewItem:
    """An image of a review.

    Attributes:
        id: Hexadecimal name of the image in requests, which is not a path.
        name: Its path relative to the folder of the images, with ``/``.
        path: The image file.
        size: ``(height, width)`` in pixels of the upright image.
        predictions: What was predicted for each class.
        uncertainty: Uncertainty of the boxes, in [0, 1], 1 the most uncertain, or None.
        logits: Logits of all classes; empty if unknown.
    """

    id: str
    name: str
    path: Path
    size: tuple[int, int]
    predictions: tuple[ClassPrediction, ...]
    uncertainty: float | None = None
    logits: tuple[float, ...] = ()

    @property
    def objects(self) -> tuple[ObjectAnnotation, ...]:
        """All predicted objects."""
        return tuple(item for prediction in self.predictions for item in prediction.objects)


def read_report_items(folder: Path, images: Path | None = None) -> tuple[ReportItem, ...]:
    """Read what ``weakspot localize`` wrote to a folder; ``images`` is where the images are now, if they have moved.

    Raises:
        InputError: As :func:`weakspot.report.from_localize.read_localized`.
    """
    return read_localized(folder, images=images).items


def review_items(found: Sequence[ReportItem], root: Path) -> tuple[ReviewItem, ...]:
    """Group the predictions of each image; names are relative to ``root``."""
    ordered = sorted(found, key=lambda item: item.name)  # a stable sort: the first class of an image stays the first
    return tuple(_item(list(group), root) for _, group in groupby(ordered, key=lambda item: item.name))


def _item(group: Sequence[ReportItem], root: Path) -> ReviewItem:
    path, frame = Path(os.path.abspath(group[0].image)), group[0].frame
    if frame is None:
        raise ValueError(f"{path} has no size")
    known = [item.uncertainty for item in group if item.uncertainty is not None]
    name = name_in_review(path, root)
    predictions = tuple(map(_prediction, group))
    return ReviewItem(_id(path), name, path, frame, predictions, max(known, default=None), group[0].logits)


def _prediction(item: ReportItem) -> ClassPrediction:
    objects = tuple(ObjectAnnotation(item.label, box, score=item.score) for box in item.boxes)
    return ClassPrediction(item.label, objects, item.heatmap, item.threshold)


def _id(path: Path) -> str:
    """Return a hash of a path and of when its file was changed, so that a browser may keep what it has loaded."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError:  # a missing image is told when it is asked for
        changed = 0
    return blake2b(os.fsencode(path) + changed.to_bytes(12, "big", signed=True), digest_size=8).hexdigest()
