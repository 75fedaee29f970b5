"""What label files hold: images, and the objects in each."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import NamedTuple

from weakspot.labels.rle import Rle

Box = tuple[float, float, float, float]

# Formats store boxes as fractions, percentages or widths: read back, sides are rounded to so many decimals.
DECIMALS = 6


@dataclass(frozen=True)
class LabeledObject:
    """An object in an image.

    Attributes:
        label: Name of its class.
        box: ``(x1, y1, x2, y2)`` in pixels of the upright image, right and bottom excluded.
        score: How sure the model was, in [0, 1]; None where a person has said it.
        mask: Its pixels, of the image's size; None where only the box is known.
    """

    label: str
    box: Box
    score: float | None = None
    mask: Rle | None = None


@dataclass(frozen=True)
class LabeledImage:
    """An image and what is in it.

    Attributes:
        path: Path from the folder of the images on, with ``/``.
        width: Width in pixels, upright.
        height: Height in pixels, upright.
        objects: The objects in it; none where it shows none.
        split: Name of its split; empty where there is none.
        doubt: 0 sure, 1 most doubtful; None where nobody has computed it.
    """

    path: str
    width: int
    height: int
    objects: tuple[LabeledObject, ...] = ()
    split: str = ""
    doubt: float | None = None

    @property
    def score(self) -> float | None:
        """The least score of its objects; None where none has one."""
        return min((one.score for one in self.objects if one.score is not None), default=None)


@dataclass(frozen=True)
class LabelSet:
    """Labelled images and their classes.

    Attributes:
        classes: Names of the classes; the position is the class's number in every format.
        images: The images.
    """

    classes: tuple[str, ...]
    images: tuple[LabeledImage, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits in the order in which they appear."""
        return tuple(dict.fromkeys(image.split for image in self.images))


class LabelProblem(NamedTuple):
    """What is wrong with a label, and in which image."""

    image: str
    problem: str


class LoadedLabels(NamedTuple):
    """What a label file holds, and what of it could not be taken."""

    labels: LabelSet
    problems: tuple[LabelProblem, ...]


@dataclass(frozen=True)
class WriteOptions:
    """What a user can choose about label files.

    Attributes:
        scores: Write YOLO's sixth column.
        polygons: Write masks as polygons: in COCO instead of RLE, in YOLO and Label Studio instead of boxes.
        url: What comes before an image's path in a task of Label Studio.
    """

    scores: bool = False
    polygons: bool = False
    url: str = "/data/local-files/?d=images/"


def finite_or_none(value: object) -> float | None:
    """Take a number that a file may hold beside its labels; None where it is no number.

    Example:
        >>> finite_or_none(0.5), finite_or_none("high"), finite_or_none(float("nan"))
        (0.5, None, None)
    """
    try:
        number = float(value) if isinstance(value, int | float) else nan
    except OverflowError:
        number = inf
    return number if isfinite(number) else None


def round_box(sides: Iterable[float]) -> Box:
    """Round a box that was read to a millionth of a pixel, so that writing and reading give the same.

    Example:
        >>> round_box([0.1 + 0.2, 0, 5, 5])
        (0.3, 0.0, 5.0, 5.0)
    """
    x1, y1, x2, y2 = (round(float(side), DECIMALS) for side in sides)
    return x1, y1, x2, y2
