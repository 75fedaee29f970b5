"""Intersection over union of boxes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def box_iou(boxes: NDArray[Any], others: NDArray[Any], *, inclusive: bool = False) -> NDArray[np.float64]:
    """Compute the intersection over union of each pair of boxes.

    Args:
        boxes: Shape (n, 4), xyxy.
        others: Shape (m, 4), xyxy.
        inclusive: Whether right and bottom are included, in integer pixels, as in the reference evaluator.

    Returns:
        Shape (n, m), in [0, 1].

    Example:
        >>> box_iou(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2], [4, 4, 5, 5]])).tolist()
        [[0.3333333333333333, 0.0]]
        >>> box_iou(np.array([[0, 0, 1, 1]]), np.array([[1, 0, 2, 1]]), inclusive=True).tolist()
        [[0.3333333333333333]]
    """
    boxes, others = _widened(boxes), _widened(others)
    extra = 1 if inclusive else 0
    width, height = (
        np.minimum(boxes[:, None, side + 2], others[:, side + 2]) - np.maximum(boxes[:, None, side], others[:, side])
        for side in (0, 1)
    )
    shared = np.maximum(width + extra, 0) * np.maximum(height + extra, 0)
    union = _areas(boxes, extra)[:, None] + _areas(others, extra) - shared
    iou: NDArray[np.float64] = np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)
    return iou


def _widened(boxes: NDArray[Any]) -> NDArray[Any]:
    """Convert boxes to a dtype in which their areas do not overflow."""
    return boxes.astype(np.int64 if np.issubdtype(boxes.dtype, np.integer) else np.float64, copy=False)


def _areas(boxes: NDArray[Any], extra: int) -> NDArray[Any]:
    areas: NDArray[Any] = (boxes[:, 2] - boxes[:, 0] + extra) * (boxes[:, 3] - boxes[:, 1] + extra)
    return areas
