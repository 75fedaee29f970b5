"""A map's boxes against true ones: the best intersection over union at every threshold."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError
from weakspot.ops import component_tree
from weakspot.ops.component_trees import ComponentTree
from weakspot.ops.contours import THRESHOLDS, Contours, reference_contours
from weakspot.ops.iou import box_iou

Regions = Literal["largest", "all"]
Protocol = Literal["reference", "native"]

# Of the plain protocol, whose thresholds are inclusive: 0.001 to 1.
NATIVE_THRESHOLDS = np.arange(1, 1001) / 1000


def reference_overlaps(
    score_map: NDArray[np.floating] | Contours,
    boxes: NDArray[np.integer],
    regions: Regions = "largest",
    thresholds: NDArray[np.float64] = THRESHOLDS,
) -> NDArray[np.float64]:
    """Score a map's boxes as the field's reference does: the best overlap at every threshold, corners inclusive.

    Args:
        score_map: Shape (H, W), values in [0, 1]; or its contours.
        boxes: True boxes of shape (m, 4), m >= 1, whole pixels of the map, corners inclusive; see
            :func:`reference_boxes`.
        regions: ``"largest"`` scores the contour of the greatest polygon area (MaxBoxAcc), ``"all"`` every contour,
            that of a hole too (MaxBoxAccV2).
        thresholds: In [0, 1).

    Returns:
        Shape (T,): the best intersection over union with any true box. Where the map has no contour, that of the one
        pixel at the upper left, which is what the reference scores then.

    Raises:
        InputError: If the map is no score map, or there is no true box.

    Source:
        Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, and its reference
        code.

    Example:
        >>> square = np.pad(np.ones((2, 2)), 1)
        >>> reference_overlaps(square, np.array([[1, 1, 3, 3]]), thresholds=np.array([0.5])).tolist()
        [1.0]
    """
    from weakspot.ops.threshold_kernels import best_per_threshold

    _check_boxes(boxes)
    holes = regions == "all"
    found = score_map if isinstance(score_map, Contours) else reference_contours(score_map, holes=holes)
    if not found.peak:
        return np.full(len(thresholds), box_iou(np.zeros((1, 4), np.int64), boxes, inclusive=True).max())
    if regions == "largest":
        by_cut: NDArray[np.float64] = box_iou(found.largest_boxes(), boxes, inclusive=True).max(axis=1)
    else:
        by_contour = box_iou(found.boxes, boxes, inclusive=True).max(axis=1)
        by_cut = by_contour[best_per_threshold(found.birth, found.death, by_contour, found.peak)]
    return by_cut[found.cut_indices(thresholds)]


def native_overlaps(
    heatmap: NDArray[np.floating] | ComponentTree,
    boxes: NDArray[np.floating],
    regions: Regions = "largest",
    thresholds: NDArray[np.float64] = NATIVE_THRESHOLDS,
) -> NDArray[np.float64]:
    """Score the boxes that localizing gives: the best overlap at every threshold, right and bottom excluded.

    Args:
        heatmap: Shape (H, W), any finite values; or the tree made of it for these thresholds.
        boxes: True boxes of shape (m, 4), m >= 1, in heatmap pixels, not rounded.
        regions: ``"largest"`` scores the box of the largest component, ``"all"`` that of every component.
        thresholds: Rising, in (0, 1].

    Returns:
        Shape (T,): the best intersection over union with any true box.

    Raises:
        InputError: If the heatmap is not finite and 2-D, or there is no true box.

    Example:
        >>> native_overlaps(np.pad(np.ones((2, 2)), 1), np.array([[1, 1, 3, 3]]), thresholds=np.array([0.5])).tolist()
        [1.0]
    """
    from weakspot.ops.threshold_kernels import best_per_threshold

    _check_boxes(boxes)
    tree = heatmap if isinstance(heatmap, ComponentTree) else component_tree(heatmap, thresholds)
    if regions == "largest" or not len(tree.boxes):
        by_cut: NDArray[np.float64] = box_iou(tree.largest_boxes(), boxes).max(axis=1)
        return by_cut
    by_node: NDArray[np.float64] = box_iou(tree.boxes, boxes).max(axis=1)
    return by_node[best_per_threshold(tree.birth, tree.death, by_node, len(tree.thresholds))]


def reference_boxes(boxes: NDArray[np.floating], *, height: int, width: int, side: int = 224) -> NDArray[np.int64]:
    """Bring true boxes to the square in which the reference scores, truncating.

    Args:
        boxes: Shape (m, 4), xyxy in pixels of the image.
        height: Rows of the image.
        width: Columns of the image.
        side: Side of the square.

    Returns:
        Shape (m, 4), whole numbers.

    Example:
        >>> reference_boxes(np.array([[534, 458, 1000, 650]]), width=1083, height=1174).tolist()
        [[110, 87, 206, 124]]
    """
    # In this order, which decides what a value that is whole but for rounding is truncated to.
    resized: NDArray[np.float64] = boxes.astype(np.float64) * side / np.array([width, height, width, height])
    return resized.astype(np.int64)


def _check_boxes(boxes: NDArray[np.generic]) -> None:
    if boxes.ndim != 2 or boxes.shape[1:] != (4,) or not len(boxes):
        raise InputError(
            f"True boxes must have shape (n, 4), n at least 1; these have {boxes.shape}.",
            "Give each image's boxes as rows x1, y1, x2, y2, and leave out images without.",
        )
    turned = (boxes[:, :2] > boxes[:, 2:]).any(axis=1)  # type: ignore[operator]
    if turned.any():
        raise InputError(
            f"The true box {boxes[turned][0].tolist()} ends before it begins.",
            "Give x1, y1, x2, y2: corners, not a width and a height.",
        )
