"""Data sets: images, their classes, and the boxes and masks of each class."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError, suggest

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Annotation:
    """A class in an image, with its boxes and masks.

    Attributes:
        label: Name of the class.
        class_index: Index of the class among a classifier's logits, if the data set defines it.
        boxes: Shape (n, 4), xyxy in pixels of the image, right and bottom excluded, as written in the data set: they
            may lie outside the image or have swapped sides, which ``check_dataset`` reports. n is 0 if no box is known.
        masks: Mask files whose union is the class: nonzero on its objects. Their size may differ from the image's.
        ignore: Mask file, nonzero on pixels that are neither object nor background, or None.
    """

    label: str
    class_index: int | None = None
    boxes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    masks: tuple[Path, ...] = ()
    ignore: Path | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """An image and its annotations.

    Attributes:
        image_id: Name of the image in the data set.
        path: The image file, which may be missing.
        split: Name of its split; empty if the data set has no splits.
        annotations: One for each class in the image; empty if the image has no label.
        size: Annotated ``(height, width)`` in pixels, to which the boxes refer; None if unknown.
    """

    image_id: str
    path: Path
    split: str = ""
    annotations: tuple[Annotation, ...] = ()
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class DatasetIssue:
    """A kind of error in a data set, and where it occurs.

    Attributes:
        kind: Short description of the error.
        where: One line for each occurrence.
    """

    kind: str
    where: tuple[str, ...]


# Kind of an issue, and one occurrence.
Issue = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with their classes and boxes; the images are not decoded.

    Attributes:
        root: Folder of the data set.
        layout: Name of its layout.
        class_names: All classes, in the order of their indices if they have any, else sorted.
        samples: The images in the order of the data set.
        issues: Issues that the reader found and that samples cannot represent.
    """

    root: Path
    layout: str
    class_names: tuple[str, ...]
    samples: tuple[Sample, ...]
    issues: tuple[DatasetIssue, ...] = ()

    @property
    def splits(self) -> dict[str, int]:
        """Number of images in each split, in order of appearance."""
        return dict(Counter(sample.split for sample in self.samples))

    def of_split(self, split: str) -> tuple[Sample, ...]:
        """Return the images of a split, or all of them for ``"all"``.

        Raises:
            InputError: ``unknown-split`` if the split does not exist or is empty.
        """
        samples = tuple(sample for sample in self.samples if split in ("all", sample.split))
        if not samples:
            names = [name for name in self.splits if name]
            hint = f"Splits: {', '.join(names)}, all." if names else "It has no splits: use --split all."
            raise InputError("unknown-split", f"{self.root} has no split {split!r}.", suggest(split, names, hint))
        return samples


class ObjectAnnotation(NamedTuple):
    """An object in an image: its class, and its box if known."""

    label: str
    box: Box | None = None
    class_index: int | None = None


def group_issues(issues: Iterable[Issue]) -> tuple[DatasetIssue, ...]:
    """Group issues by kind, in order of appearance."""
    groups: dict[str, list[str]] = {}
    for kind, where in issues:
        groups.setdefault(kind, []).append(where)
    return tuple(DatasetIssue(kind, tuple(lines)) for kind, lines in groups.items())


def boxes_array(boxes: Iterable[Box]) -> NDArray[np.float64]:
    """Convert boxes to an array of shape (n, 4)."""
    return np.array(list(boxes), np.float64).reshape(-1, 4)


def group_by_class(objects: Iterable[ObjectAnnotation], masks: Sequence[Path] = ()) -> tuple[Annotation, ...]:
    """Group the objects of an image by class, in order of appearance; the masks apply to each class."""
    boxes: dict[tuple[str, int | None], list[Box]] = {}
    for item in objects:
        group = boxes.setdefault((item.label, item.class_index), [])
        if item.box is not None:
            group.append(item.box)
    return tuple(Annotation(label, index, boxes_array(group), tuple(masks)) for (label, index), group in boxes.items())
