"""Labeled images and their objects, independent of file formats."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import NamedTuple

from weakspot.labels.rle import Rle

Box = tuple[float, float, float, float]

# Formats store boxes as fractions, percentages or widths: coordinates are rounded to this many decimals when read.
DECIMALS = 6


@dataclass(frozen=True)
class LabeledObject:
    """An object in an image.

    Attributes:
        label: Name of its class.
        box: ``(x1, y1, x2, y2)`` in pixels of the upright image, right and bottom excluded.
        score: Confidence of the model, in [0, 1]; None for labels of a person.
        mask: Its pixels, of the image's size; None if only the box is known.
    """

    label: str
    box: Box
    score: float | None = None
    mask: Rle | None = None


@dataclass(frozen=True)
class LabeledImage:
    """An image and its objects.

    Attributes:
        path: Path relative to the folder of the images, with ``/``.
        width: Width in pixels, upright.
        height: Height in pixels, upright.
        objects: The objects in it.
        split: Name of its split; empty if there is none.
        uncertainty: Uncertainty of its localization in [0, 1]; None if it was not computed.
    """

    path: str
    width: int
    height: int
    objects: tuple[LabeledObject, ...] = ()
    split: str = ""
    uncertainty: float | None = None

    @property
    def score(self) -> float | None:
        """Minimum score of its objects; None if none has a score."""
        return min((item.score for item in self.objects if item.score is not None), default=None)


@dataclass(frozen=True)
class LabelSet:
    """Labeled images and their classes.

    Attributes:
        classes: Names of the classes; the position is the class index in every format.
        images: The images.
    """

    classes: tuple[str, ...]
    images: tuple[LabeledImage, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits in order of appearance."""
        return tuple(dict.fromkeys(image.split for image in self.images))


class LabelProblem(NamedTuple):
    """A label that cannot be used, and its image."""

    image: str
    problem: str


class LoadedLabels(NamedTuple):
    """Content of a label file, and the labels in it that cannot be used."""

    labels: LabelSet
    problems: tuple[LabelProblem, ...]


@dataclass(frozen=True)
class WriteOptions:
    """Options of label files.

    Attributes:
        scores: Write YOLO's sixth column.
        polygons: Write masks as polygons: in COCO instead of RLE, in YOLO and Label Studio instead of boxes.
        url: Prefix of an image's path in a task of Label Studio.
    """

    scores: bool = False
    polygons: bool = False
    url: str = "/data/local-files/?d=images/"


def sorted_classes(images: Iterable[LabeledImage]) -> tuple[str, ...]:
    """Return the sorted classes of all objects."""
    return tuple(sorted({item.label for image in images for item in image.objects}))


def uncertainty_of(record: dict[str, object]) -> float | None:
    """Return the uncertainty in a record of a label file, called "doubt" before version 0.2; None if invalid.

    Example:
        >>> uncertainty_of({"uncertainty": 0.5}), uncertainty_of({"doubt": "high"}), uncertainty_of({"doubt": 1})
        (0.5, None, 1.0)
    """
    value = record.get("uncertainty", record.get("doubt"))
    try:
        number = float(value) if isinstance(value, int | float) else nan
    except OverflowError:
        number = inf
    return number if isfinite(number) else None


def round_box(sides: Iterable[float]) -> Box:
    """Round a box to a millionth of a pixel, so that writing and reading returns an equal box."""
    x1, y1, x2, y2 = (round(float(side), DECIMALS) for side in sides)
    return x1, y1, x2, y2
