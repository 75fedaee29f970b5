"""Non-maximum suppression of boxes."""

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import check_fraction
from weakspot.ops.iou import box_iou


def nms(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    max_overlap: float = 0.5,
    *,
    classes: NDArray[np.integer] | None = None,
) -> NDArray[np.intp]:
    """Repeatedly keep the box with the highest score and drop those that overlap it by more than a limit.

    Args:
        boxes: Shape (n, 4), xyxy.
        scores: Shape (n,); ties are in favor of the first box.
        max_overlap: Maximum intersection over union of two kept boxes, in [0, 1].
        classes: Shape (n,): boxes of different classes do not suppress one another. None treats all boxes as one class.

    Returns:
        Indices of the kept boxes, by descending score.

    Raises:
        InputError: ``out-of-range`` for ``max_overlap``.

    Source:
        Felzenszwalb et al., "Object Detection with Discriminatively Trained Part-Based Models", IEEE TPAMI 2010,
        section 5.2, with intersection over union.

    Example:
        >>> boxes = np.array([[0, 0, 4, 4], [0, 0, 4, 3], [4, 0, 8, 4]])
        >>> nms(boxes, np.array([0.5, 0.9, 0.7])).tolist()
        [1, 2]
    """
    check_fraction(max_overlap, "max_overlap")
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    close = box_iou(boxes, boxes) > max_overlap
    if classes is not None:
        close &= classes[:, None] == classes
    selected: list[int] = []
    for i in order.tolist():
        if not close[i, selected].any():
            selected.append(i)
    return np.array(selected, np.intp)
