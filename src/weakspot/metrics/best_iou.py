"""Best intersection over union of a map's boxes with true boxes, at every threshold."""

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

# Thresholds of the native protocol, which are inclusive: 0.001 to 1.
NATIVE_THRESHOLDS = np.arange(1, 1001) / 1000


def reference_overlaps(
    score_map: NDArray[np.floating] | Contours,
    boxes: NDArray[np.integer],
    regions: Regions = "largest",
    thresholds: NDArray[np.float64] = THRESHOLDS,
) -> NDArray[np.float64]:
    """Compute the best IoU at every threshold by the WSOL protocol (Choe et al., 2020), with inclusive corners.

    Args:
        score_map: Shape (H, W), values in [0, 1]; or its contours.
        boxes: True boxes of shape (m, 4), m >= 1, integer pixels of the map, corners inclusive; see
            :func:`reference_boxes`.
        regions: ``"largest"`` for the contour of the largest polygon area (MaxBoxAcc), ``"all"`` for every contour,
            including those of holes (MaxBoxAccV2).
        thresholds: In [0, 1).

    Returns:
        Shape (T,): the best IoU with any true box. Without a contour, that of the upper left pixel, as in the
        reference.

    Raises:
        InputError: ``shape-mismatch``, ``not-finite`` or ``out-of-range`` for the map; ``shape-mismatch`` or
            ``box-invalid`` for the boxes.

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
    contours = score_map if isinstance(score_map, Contours) else reference_contours(score_map, holes=holes)
    if not contours.peak:
        return np.full(len(thresholds), box_iou(np.zeros((1, 4), np.int64), boxes, inclusive=True).max())
    if regions == "largest":
        by_threshold: NDArray[np.float64] = box_iou(contours.largest_boxes(), boxes, inclusive=True).max(axis=1)
    else:
        by_contour = box_iou(contours.boxes, boxes, inclusive=True).max(axis=1)
        by_threshold = by_contour[best_per_threshold(contours.birth, contours.death, by_contour, contours.peak)]
    return by_threshold[contours.cut_indices(thresholds)]


def native_overlaps(
    heatmap: NDArray[np.floating] | ComponentTree,
    boxes: NDArray[np.floating],
    regions: Regions = "largest",
    thresholds: NDArray[np.float64] = NATIVE_THRESHOLDS,
) -> NDArray[np.float64]:
    """Compute the best IoU of the boxes of a Localizer at every threshold, right and bottom excluded.

    Args:
        heatmap: Shape (H, W), any finite values; or its component tree for these thresholds.
        boxes: True boxes of shape (m, 4), m >= 1, in heatmap pixels, not rounded.
        regions: ``"largest"`` for the box of the largest component, ``"all"`` for that of every component.
        thresholds: Ascending, in (0, 1].

    Returns:
        Shape (T,): the best IoU with any true box.

    Raises:
        InputError: ``shape-mismatch`` or ``not-finite`` for the heatmap; ``shape-mismatch`` or ``box-invalid`` for the
            boxes.

    Example:
        >>> native_overlaps(np.pad(np.ones((2, 2)), 1), np.array([[1, 1, 3, 3]]), thresholds=np.array([0.5])).tolist()
        [1.0]
    """
    from weakspot.ops.threshold_kernels import best_per_threshold

    _check_boxes(boxes)
    tree = heatmap if isinstance(heatmap, ComponentTree) else component_tree(heatmap, thresholds)
    if regions == "largest" or not len(tree.boxes):
        by_threshold: NDArray[np.float64] = box_iou(tree.largest_boxes(), boxes).max(axis=1)
        return by_threshold
    by_node: NDArray[np.float64] = box_iou(tree.boxes, boxes).max(axis=1)
    return by_node[best_per_threshold(tree.birth, tree.death, by_node, len(tree.thresholds))]


def reference_boxes(boxes: NDArray[np.floating], *, height: int, width: int, side: int = 224) -> NDArray[np.int64]:
    """Scale true boxes to the square map of the reference evaluator, and truncate them.

    Args:
        boxes: Shape (m, 4), xyxy in pixels of the image.
        height: Height of the image.
        width: Width of the image.
        side: Side of the square map.

    Returns:
        Shape (m, 4), integers.

    Example:
        >>> reference_boxes(np.array([[534, 458, 1000, 650]]), width=1083, height=1174).tolist()
        [[110, 87, 206, 124]]
    """
    # The order of operations determines the rounding, and so the truncation.
    resized: NDArray[np.float64] = boxes.astype(np.float64) * side / np.array([width, height, width, height])
    return resized.astype(np.int64)


def _check_boxes(boxes: NDArray[np.generic]) -> None:
    if boxes.ndim != 2 or boxes.shape[1:] != (4,) or not len(boxes):
        raise InputError("shape-mismatch", f"True boxes must have shape (n, 4) with n >= 1, got {boxes.shape}.")
    inverted = (boxes[:, :2] > boxes[:, 2:]).any(axis=1)  # type: ignore[operator]
    if inverted.any():
        problem = f"A true box must be x1, y1, x2, y2 with x1 <= x2 and y1 <= y2, got {boxes[inverted][0].tolist()}."
        raise InputError("box-invalid", problem)
