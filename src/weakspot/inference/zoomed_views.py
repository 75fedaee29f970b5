"""Views of an image around a small region, each of half the size, and their maps pasted into that of the image."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weakspot.ops import evidence_per_pixel, heatmap_from_class_map, resize
from weakspot.ops.boxes import boxes_with_evidence

# A region is bounded at half its height. It is small if its longer side is below this share of the view's.
_HALF, _SMALL = 0.5, 0.25
# A view of fewer pixels on a side shows nothing that the one before does not.
_MIN_VIEW = 16
# A view counts if it shows the same region, only finer: so much of its box is inside that of the view before, and the
# evidence is at least this share as high. The classifier may not know objects of another size.
_MIN_INSIDE, _MIN_EVIDENCE = 0.9, 0.5

View = tuple[int, int, int, int]  # left, top, right, bottom in pixels of the image
Point = tuple[float, float]  # x, y in pixels of the image
Maps = tuple[NDArray[np.floating], NDArray[np.floating]]  # a class map, and the evidence for the class
Predict = Callable[[View], Maps]


@dataclass(frozen=True, eq=False)
class ZoomedView:
    """A view of the image around a small region.

    Attributes:
        view: The view.
        heatmap: Its heatmap, of the model's input size, in [0, 1].
        height: Value of the heatmap at the region's peak.
    """

    view: View
    heatmap: NDArray[np.float32]
    height: float


def zoomed_views(
    class_map: NDArray[np.floating],
    evidence: NDArray[np.floating],
    image_size: tuple[int, int],
    size: tuple[int, int],
    predict: Predict,
    zooms: int,
) -> Iterator[ZoomedView]:
    """Yield views around the region of most evidence, each of half the size, until it is not small any more.

    They also end if the region is another one in the next view, or if the evidence for it is much lower there.

    Args:
        class_map: Class map of the whole image, shape (h, w).
        evidence: Evidence by which its region is chosen, shape (h', w').
        image_size: ``(height, width)`` of the image.
        size: ``(height, width)`` of heatmaps.
        predict: Computes class map and evidence of a view.
        zooms: Maximum number of views.
    """
    (image_height, image_width), (height, width) = image_size, size
    view: View = (0, 0, image_width, image_height)
    heatmap = heatmap_from_class_map(class_map, height=height, width=width)
    if not heatmap.any():
        return
    per_pixel = evidence_per_pixel(evidence, height=height, width=width)
    left, top, right, bottom = boxes_with_evidence(heatmap, _HALF, per_pixel, min_area=1.0)[0][0].astype(int)
    row, column = _highest(heatmap, (top, bottom), (left, right))
    for number in range(1, zooms + 1):
        region = _region_of(heatmap, row, column)
        view_size = (image_height >> number, image_width >> number)
        if not _is_small(region, size) or min(view_size) < _MIN_VIEW:
            return
        before = _to_image(region, view, size)
        peak = _to_image(np.array([column, row, column + 1, row + 1]), view, size)
        view = view_around(((peak[0] + peak[2]) / 2, (peak[1] + peak[3]) / 2), image_size, view_size)
        larger, larger_evidence = predict(view)
        heatmap = heatmap_from_class_map(larger, height=height, width=width)
        row, column = _highest(heatmap, *_pixels_of(before, view, size))
        if heatmap[row, column] == 0 or larger_evidence.max() < _MIN_EVIDENCE * evidence.max():
            return
        after = _to_image(_region_of(heatmap, row, column), view, size)
        if _share_inside(after, before) < _MIN_INSIDE:
            return
        yield ZoomedView(view, heatmap, float(heatmap[row, column]))


def view_around(point: Point, image_size: tuple[int, int], view_size: tuple[int, int]) -> View:
    """Return a view with a point in its center, or as close to it as the image allows.

    Args:
        point: ``(x, y)`` in pixels of the image.
        image_size: ``(height, width)`` of the image.
        view_size: ``(height, width)`` of the view.

    Example:
        >>> view_around((50, 50), (100, 200), (50, 100)), view_around((190, 2), (100, 200), (50, 100))
        ((0, 25, 100, 75), (100, 0, 200, 50))
    """
    (x, y), (image_height, image_width), (height, width) = point, image_size, view_size
    left = min(max(round(x - width / 2), 0), image_width - width)
    top = min(max(round(y - height / 2), 0), image_height - height)
    return left, top, left + width, top + height


def paste(
    class_map: NDArray[np.float32], evidence: NDArray[np.float32], zoomed: ZoomedView, image_size: tuple[int, int]
) -> None:
    """Replace a class map and its evidence inside a view, in place.

    The peak of the region keeps its height in the class map, and nothing in the view is higher. The evidence in the
    view keeps its sum, and is spread like the heatmap of the view.

    Args:
        class_map: Class map of the size of a heatmap.
        evidence: Evidence in each pixel of it, 0 or more.
        zoomed: The view.
        image_size: ``(height, width)`` of the image.

    Example:
        >>> class_map, evidence = np.full((2, 4), 3, np.float32), np.ones((2, 4), np.float32)
        >>> class_map[0, 0] = 0
        >>> zoomed = ZoomedView((20, 0, 40, 20), np.array([[0.0, 1.0], [0.0, 0.0]], np.float32), 1.0)
        >>> paste(class_map, evidence, zoomed, (20, 40))
        >>> class_map.tolist(), evidence.tolist()
        ([[0.0, 3.0, 0.0, 3.0], [3.0, 3.0, 0.0, 0.0]], [[1.0, 1.0, 0.0, 4.0], [1.0, 1.0, 0.0, 0.0]])
    """
    (height, width), (image_height, image_width) = class_map.shape, image_size
    left, top, right, bottom = zoomed.view
    rows = _interval(top, bottom, image_height, height)
    columns = _interval(left, right, image_width, width)
    floor, peak = float(class_map.min()), float(class_map[rows, columns].max())
    inside = (rows.stop - rows.start, columns.stop - columns.start)
    heatmap = resize(zoomed.heatmap, height=inside[0], width=inside[1], kernel="bilinear")
    highest = min(zoomed.height, float(heatmap.max()))
    if highest > 0:
        shares = np.minimum(heatmap / highest, 1)
        class_map[rows, columns] = floor + (peak - floor) * shares
        evidence[rows, columns] = evidence[rows, columns].sum() * shares / shares.sum()


def _interval(start: int, stop: int, image_side: int, side: int) -> slice:
    """Return the pixels of a heatmap's side that show an interval of the image's side, at least one."""
    first = min(round(start / image_side * side), side - 1)
    return slice(first, max(round(stop / image_side * side), first + 1))


def _highest(heatmap: NDArray[np.float32], rows: tuple[int, int], columns: tuple[int, int]) -> tuple[int, int]:
    """Return row and column of the highest pixel of a part of a heatmap."""
    part = heatmap[slice(*rows), slice(*columns)]
    row, column = np.unravel_index(part.argmax(), part.shape)
    return rows[0] + int(row), columns[0] + int(column)


def _region_of(heatmap: NDArray[np.float32], row: int, column: int) -> NDArray[np.float64]:
    """Return the box of the region of a pixel at half its height, in pixels of the heatmap."""
    at_pixel = np.zeros(heatmap.shape, np.int32)
    at_pixel[row, column] = 1
    limited = np.minimum(heatmap, heatmap[row, column])
    box: NDArray[np.float64] = boxes_with_evidence(limited, _HALF, at_pixel, min_area=1.0)[0][0]
    return box


def _is_small(box: NDArray[np.float64], size: tuple[int, int]) -> bool:
    """Return whether a box is small in a heatmap of a size ``(height, width)``."""
    left, top, right, bottom = box
    return bool(max((right - left) / size[1], (bottom - top) / size[0]) < _SMALL)


def _to_image(box: NDArray[np.number], view: View, size: tuple[int, int]) -> NDArray[np.float64]:
    """Convert a box in pixels of a view's heatmap to pixels of the image."""
    left, top, right, bottom = view
    scale, origin = np.array([(right - left) / size[1], (bottom - top) / size[0]] * 2), np.array([left, top] * 2)
    in_image: NDArray[np.float64] = box * scale + origin
    return in_image


def _pixels_of(box: NDArray[np.float64], view: View, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return rows and columns of a view's heatmap that show a box in pixels of the image, at least one of each."""
    left, top, right, bottom = view
    columns = (box[[0, 2]] - left) / (right - left) * size[1]
    rows = (box[[1, 3]] - top) / (bottom - top) * size[0]
    return _whole(rows, size[0]), _whole(columns, size[1])


def _whole(interval: NDArray[np.float64], side: int) -> tuple[int, int]:
    """Return the pixels of a side that an interval touches, at least one."""
    first = min(max(int(np.floor(interval[0])), 0), side - 1)
    return first, max(min(int(np.ceil(interval[1])), side), first + 1)


def _share_inside(box: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the share of a box's area inside another one."""
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    return float(np.maximum(sides, 0).prod() / (box[2:] - box[:2]).prod())
