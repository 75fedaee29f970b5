"""What the formats of label files share: options, problems, and fields of records."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import NamedTuple

from weakspot.data.dataset import Dataset, Sample


class LabelProblem(NamedTuple):
    """A label that cannot be used, and its image."""

    image: str
    problem: str


class LoadedLabels(NamedTuple):
    """Content of label files, and the labels in them that cannot be used."""

    labels: Dataset
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


def sorted_classes(samples: Iterable[Sample]) -> tuple[str, ...]:
    """Return the sorted classes of all objects."""
    return tuple(sorted({item.label for sample in samples for item in sample.objects}))


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
