"""Boxes against boxes: intersection over union."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def box_iou(boxes: NDArray[Any], others: NDArray[Any], *, inclusive: bool = False) -> NDArray[np.float64]:
    """Intersection over union of each box with each other one.

    Args:
        boxes: Shape (n, 4), xyxy.
        others: Shape (m, 4), xyxy.
        inclusive: Whether right and bottom belong to the boxes, in whole pixels, as the field's reference counts.

    Returns:
        Shape (n, m), in [0, 1].

    Example:
        >>> box_iou(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2], [4, 4, 5, 5]])).tolist()
        [[0.3333333333333333, 0.0]]
        >>> box_iou(np.array([[0, 0, 1, 1]]), np.array([[1, 0, 2, 1]]), inclusive=True).tolist()
        [[0.3333333333333333]]
    """
    boxes, others = _wide(boxes), _wide(others)
    more = 1 if inclusive else 0
    width, height = (
        np.minimum(boxes[:, None, side + 2], others[:, side + 2]) - np.maximum(boxes[:, None, side], others[:, side])
        for side in (0, 1)
    )
    shared = np.maximum(width + more, 0) * np.maximum(height + more, 0)
    union = _areas(boxes, more)[:, None] + _areas(others, more) - shared
    found: NDArray[np.float64] = np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)
    return found


def _wide(boxes: NDArray[Any]) -> NDArray[Any]:
    """Boxes in a type in which their areas do not overflow."""
    return boxes.astype(np.int64 if np.issubdtype(boxes.dtype, np.integer) else np.float64, copy=False)


def _areas(boxes: NDArray[Any], more: int) -> NDArray[Any]:
    areas: NDArray[Any] = (boxes[:, 2] - boxes[:, 0] + more) * (boxes[:, 3] - boxes[:, 1] + more)
    return areas
