"""What is wrong with single boxes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import isfinite

from weakspot.data.dataset import Sample
from weakspot.data.noticed import Issue

NOT_FINITE = "box that is not finite"
SWAPPED = "box with swapped sides"
DEGENERATE = "box without area"
OUTSIDE = "box outside the image"
TWICE = "the same box twice"

# Pixels by which a box may reach over the edge: conventions of counting differ by one.
TOLERANCE = 1


def box_issues(example: Sample, size: tuple[int, int] | None) -> Iterator[Issue]:
    """Name what is wrong with the boxes of an image.

    Args:
        example: The image.
        size: ``(height, width)`` of the frame of its boxes, or None if it is not known.

    Yields:
        Kind and place; of each box the first kind that fits, and which boxes of a class are given twice.
    """
    for truth in example.annotations:
        boxes = [tuple(box) for box in truth.boxes.tolist()]
        kinds = [(_kind(box, size), box) for box in boxes]
        kinds += [(TWICE, box) for box, times in Counter(boxes).items() if times > 1]
        frame = "" if size is None else f" in {size[1]} x {size[0]}"
        place = f"{example.image_id}: {truth.label}"
        yield from ((kind, f"{place} {', '.join(f'{side:g}' for side in box)}{frame}") for kind, box in kinds if kind)


def _kind(box: Sequence[float], size: tuple[int, int] | None) -> str:
    """What is wrong with a box, empty if nothing is."""
    left, top, right, bottom = box
    height, width = size or (float("inf"), float("inf"))
    wrong = {
        NOT_FINITE: not all(map(isfinite, box)),
        SWAPPED: right < left or bottom < top,
        DEGENERATE: right == left or bottom == top,
        OUTSIDE: min(left, top) < -TOLERANCE or right > width + TOLERANCE or bottom > height + TOLERANCE,
    }
    return next((kind for kind, found in wrong.items() if found), "")
