"""From marked objects, one by one, to one truth for each class of an image."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakspot.data.dataset import Annotation

Box = tuple[float, float, float, float]


class ObjectAnnotation(NamedTuple):
    """An object in an image: its class, and where it is if that is known."""

    label: str
    box: Box | None = None
    class_index: int | None = None


def boxes_array(corners: Iterable[Box]) -> NDArray[np.float64]:
    """Put boxes into an array of shape (n, 4).

    Example:
        >>> boxes_array([]).shape
        (0, 4)
    """
    return np.array(list(corners), np.float64).reshape(-1, 4)


def group_by_class(marked: Iterable[ObjectAnnotation], masks: Sequence[Path] = ()) -> tuple[Annotation, ...]:
    """Gather the objects of an image by class.

    Args:
        marked: The objects.
        masks: The masks of the image, which count for each of its classes.

    Returns:
        A truth for each class, in the order in which they appear.

    Example:
        >>> objects = [ObjectAnnotation("cat", (1, 2, 3, 4)), ObjectAnnotation("dog")]
        >>> [(truth.label, len(truth.boxes)) for truth in group_by_class(objects)]
        [('cat', 1), ('dog', 0)]
    """
    boxes: dict[tuple[str, int | None], list[Box]] = {}
    for one in marked:
        gathered = boxes.setdefault((one.label, one.class_index), [])
        if one.box is not None:
            gathered.append(one.box)
    return tuple(Annotation(label, index, boxes_array(found), tuple(masks)) for (label, index), found in boxes.items())
