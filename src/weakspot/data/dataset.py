"""Data sets: images, and the classes, boxes and masks of the objects in them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weakspot.data.rle import Rle
from weakspot.errors import InputError, suggest

Box = tuple[float, float, float, float]

# Formats store boxes as fractions, percentages or widths: coordinates are rounded to this many decimals when read.
DECIMALS = 6


@dataclass(frozen=True)
class ObjectAnnotation:
    """An object in an image.

    Attributes:
        label: Name of its class.
        box: ``(x1, y1, x2, y2)`` in pixels of the image, right and bottom excluded; None if only its class is known.
        class_index: Index of the class among a classifier's logits, if the data set defines it.
        score: Confidence of the model, in [0, 1]; None for objects that a person annotated.
        mask: Its pixels, of the image's size, or None.
        mask_files: Files whose union is its mask: nonzero on the object. Their size may differ from the image's.
        point: ``(x, y)`` of a point on it, in pixels of the image, or None.
    """

    label: str
    box: Box | None = None
    class_index: int | None = None
    score: float | None = None
    mask: Rle | None = None
    mask_files: tuple[Path, ...] = ()
    point: tuple[float, float] | None = None

    @property
    def xyxy(self) -> Box:
        """Its box.

        Raises:
            ValueError: If it has no box.
        """
        if self.box is None:
            raise ValueError(f"an object has no box: {self.label}")
        return self.box


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


@dataclass(frozen=True)
class Sample:
    """An image and its objects.

    Attributes:
        image_id: Name of the image in the data set. In label files, its path relative to the folder of the images.
        path: The image file, which may be missing.
        split: Name of its split; empty if the data set has no splits.
        objects: The objects in it; empty if the image has no label.
        size: Annotated ``(height, width)`` in pixels, to which the boxes refer; None if unknown.
        ignore: Mask file, nonzero on pixels that are neither object nor background, or None.
        uncertainty: Uncertainty of its localization in [0, 1]; None if it was not computed.
        predicted: Whether a model, and no person, says what is in it, also if its objects have no score.
        status: What a person has said of a prediction: ``confirmed``, ``corrected``, ``empty`` or ``untouched``, see
            :class:`weakspot.data.review_rows.ReviewRow`; empty if the data set does not tell.
        size_from_image: Whether the size is that of the image file, as its labels have none.
        group: Name of the item that the image shows, if others show it, too: they stay in one split; empty if none do.
        by_uncertainty: Whether a review offered it because its prediction was uncertain: it is unlike most others.
    """

    image_id: str
    path: Path
    split: str = ""
    objects: tuple[ObjectAnnotation, ...] = ()
    size: tuple[int, int] | None = None
    ignore: Path | None = None
    uncertainty: float | None = None
    predicted: bool = False
    status: str = ""
    size_from_image: bool = field(default=False, compare=False)
    group: str = ""
    by_uncertainty: bool = False

    @cached_property
    def annotations(self) -> tuple[Annotation, ...]:
        """Its objects by class, in order of appearance."""
        groups: dict[tuple[str, int | None], list[ObjectAnnotation]] = {}
        for item in self.objects:
            groups.setdefault((item.label, item.class_index), []).append(item)
        return tuple(self._annotation(*key, objects) for key, objects in groups.items())

    @property
    def height(self) -> int:
        """Annotated height in pixels; 0 if unknown."""
        return 0 if self.size is None else self.size[0]

    @property
    def width(self) -> int:
        """Annotated width in pixels; 0 if unknown."""
        return 0 if self.size is None else self.size[1]

    @property
    def is_decided(self) -> bool:
        """Whether a person has said whether its predictions are right."""
        return self.status not in ("", "untouched")

    @property
    def score(self) -> float | None:
        """Minimum score of its objects; None if none has a score."""
        return min((item.score for item in self.objects if item.score is not None), default=None)

    def _annotation(self, label: str, class_index: int | None, objects: list[ObjectAnnotation]) -> Annotation:
        boxes = np.array([item.box for item in objects if item.box is not None], np.float64).reshape(-1, 4)
        masks = tuple(dict.fromkeys(file for item in objects for file in item.mask_files))
        return Annotation(label, class_index, boxes, masks, self.ignore)


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


@dataclass(frozen=True)
class Dataset:
    """Images with their objects; the images are not decoded.

    Attributes:
        root: Folder of the data set.
        layout: Name of its layout.
        class_names: All classes, in the order of their indices if they have any, else sorted.
        samples: The images in the order of the data set.
        issues: Issues that the reader found and that samples cannot represent.
        background: Class of images without an object; empty if the layout does not define it.
    """

    root: Path
    layout: str
    class_names: tuple[str, ...]
    samples: tuple[Sample, ...]
    issues: tuple[DatasetIssue, ...] = ()
    background: str = ""

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
            hint = f"Splits: {', '.join(names)}, all." if names else "It has no splits: use --test-split all."
            raise InputError("unknown-split", f"{self.root} has no split {split!r}.", suggest(split, names, hint))
        return samples


def round_box(sides: Iterable[float]) -> Box:
    """Round a box to a millionth of a pixel, so that writing and reading returns an equal box."""
    x1, y1, x2, y2 = (round(float(side), DECIMALS) for side in sides)
    return x1, y1, x2, y2


def is_fraction(box: Box) -> bool:
    """Return whether a box is inside the first pixel, as are boxes whose sides are fractions of the image.

    Example:
        >>> is_fraction((0.25, 0.5, 0.75, 1.0)), is_fraction((0, 0, 1, 9))
        (True, False)
    """
    x1, y1, x2, y2 = box
    return 0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1 and any(side % 1 for side in box)


def group_issues(issues: Iterable[Issue]) -> tuple[DatasetIssue, ...]:
    """Group issues by kind, in order of appearance."""
    groups: dict[str, list[str]] = {}
    for kind, where in issues:
        groups.setdefault(kind, []).append(where)
    return tuple(DatasetIssue(kind, tuple(lines)) for kind, lines in groups.items())
