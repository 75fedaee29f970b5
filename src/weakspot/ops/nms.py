"""Non-maximum suppression: of boxes that bound the same, one."""

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError
from weakspot.ops.iou import box_iou


def nms(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    max_overlap: float = 0.5,
    *,
    classes: NDArray[np.integer] | None = None,
) -> NDArray[np.intp]:
    """Keep the box with the greatest score, drop those that overlap it by more than so much, and so on.

    Args:
        boxes: Shape (n, 4), xyxy.
        scores: Shape (n,); of equal scores the first counts as greater.
        max_overlap: Greatest intersection over union of two boxes that are kept, in [0, 1].
        classes: Shape (n,): boxes of different classes do not suppress one another. None takes all as one class.

    Returns:
        Indices of the boxes that are kept, by falling score; none of none.

    Raises:
        InputError: If the greatest overlap is outside [0, 1].

    Source:
        Felzenszwalb et al., "Object Detection with Discriminatively Trained Part-Based Models", IEEE TPAMI 2010,
        section 5.2, with intersection over union.

    Example:
        >>> boxes = np.array([[0, 0, 4, 4], [0, 0, 4, 3], [4, 0, 8, 4]])
        >>> nms(boxes, np.array([0.5, 0.9, 0.7])).tolist()
        [1, 2]
    """
    if not 0 <= max_overlap <= 1:
        raise InputError(f"The greatest overlap {max_overlap} is outside [0, 1].", "Give a fraction, for example 0.5.")
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    close = box_iou(boxes, boxes) > max_overlap
    if classes is not None:
        close &= classes[:, None] == classes
    kept: list[int] = []
    for i in order.tolist():
        if not close[i, kept].any():
            kept.append(i)
    return np.array(kept, np.intp)
