"""What a data set says: images, the classes in them, and where they are."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError, suggest


@dataclass(frozen=True, eq=False)
class Annotation:
    """One class in one image, and where it is.

    Attributes:
        label: Name of the class.
        class_index: Its index among a classifier's logits, where the data set says it.
        boxes: Shape (n, 4), xyxy in pixels of the image, right and bottom excluded, as they stand in the data set:
            they may lie outside the image or have their sides swapped, which ``check_dataset`` reports. No box
            is known where n is 0.
        masks: Mask files, not 0 where an object of the class is; to be united. Their size may differ from the image's.
        ignore: Mask file, not 0 where neither object nor background counts, or None.
    """

    label: str
    class_index: int | None = None
    boxes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    masks: tuple[Path, ...] = ()
    ignore: Path | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """One image, and one truth for each class in it.

    Attributes:
        image_id: Its name in the data set.
        path: The image file, which may be missing.
        split: Name of the split it belongs to; empty where the data set has none.
        annotations: One for each class in it; none where it has no label.
        size: ``(height, width)`` in pixels as annotated, the frame of the boxes; None where the data set does not say.
    """

    image_id: str
    path: Path
    split: str = ""
    annotations: tuple[Annotation, ...] = ()
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class DatasetIssue:
    """A kind of thing that is wrong with a data set, and where.

    Attributes:
        kind: What is wrong, a few words, the same for all of its places.
        where: One line for each place.
    """

    kind: str
    where: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with their classes and boxes, read but not decoded.

    Attributes:
        root: The folder it was read from.
        layout: Name of the layout it was read as.
        class_names: All classes, in the order of their indices where they have any, else sorted.
        examples: The images in the order of the data set.
        problems: What the reader noticed itself and an example cannot show.
    """

    root: Path
    layout: str
    class_names: tuple[str, ...]
    samples: tuple[Sample, ...]
    issues: tuple[DatasetIssue, ...] = ()

    @property
    def splits(self) -> dict[str, int]:
        """Number of images in each split, in the order in which they appear."""
        return dict(Counter(example.split for example in self.samples))

    def of_split(self, split: str) -> tuple[Sample, ...]:
        """The images of a split, or all of them for ``"all"``.

        Raises:
            InputError: If there is no such split, or it is empty.
        """
        chosen = tuple(example for example in self.samples if split in ("all", example.split))
        if not chosen:
            known = [name for name in self.splits if name]
            named = f"It has {', '.join(known)}; all takes everything." if known else "Use --test-split all."
            raise InputError(f"{self.root} has no images in a split {split!r}.", suggest(split, known, named))
        return chosen
