"""Precision, recall and F1 of predicted boxes, with one-to-one matching."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weakspot.errors import InputError
from weakspot.metrics.base import PerImageMetric
from weakspot.metrics.check_inputs import array
from weakspot.ops.iou import box_iou


def matched(
    predicted: NDArray[np.floating],
    true: NDArray[np.floating],
    min_iou: float = 0.5,
    *,
    scores: NDArray[np.floating] | None = None,
) -> NDArray[np.intp]:
    """Match predicted boxes with true boxes one to one, as COCO does.

    By descending score, each predicted box is matched with the unmatched true box of the highest IoU, if that IoU is
    sufficient.

    Args:
        predicted: Shape (n, 4), xyxy.
        true: Shape (m, 4), xyxy.
        min_iou: Minimum IoU of a pair, in (0, 1].
        scores: Shape (n,); None for boxes in descending order. Ties are in order of the boxes.

    Returns:
        Index of the true box of each predicted box, shape (n,), -1 if unmatched. Of equal IoUs, the last true box is
        matched, as in COCO.

    Source:
        Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its evaluation code, without crowds.

    Example:
        >>> true = np.array([[0.0, 0.0, 4.0, 4.0], [4.0, 0.0, 8.0, 4.0]])
        >>> matched(np.array([[0.0, 0.0, 4.0, 3.0], [0.0, 0.0, 4.0, 4.0], [4.0, 0.0, 8.0, 4.0]]), true).tolist()
        [0, -1, 1]
    """
    matches = np.full(len(predicted), -1, np.intp)
    order = np.arange(len(predicted)) if scores is None else np.argsort(-np.asarray(scores), kind="stable")
    iou = box_iou(predicted, true)  # (n, m)
    free = np.ones(len(true), bool)
    for i in order.tolist() if len(true) else []:
        best = len(true) - 1 - int(np.where(free, iou[i], -1)[::-1].argmax())
        if free[best] and iou[i, best] >= min_iou:
            matches[i], free[best] = best, False
    return matches


class InstanceF1(PerImageMetric):
    """F1 of predicted boxes over all images, in percent.

    F1 is twice the number of pairs over the number of predicted and true boxes. With several minimum IoUs, the result
    is the mean. :meth:`details` returns precision and recall. NaN without any boxes.

    Args:
        overlaps: Minimum IoU of a pair, in (0, 1]; one or several.
        groups: Number of groups, such as classes, for :meth:`per_group`.
        samples: Number of bootstrap samples for :meth:`interval`.
        seed: Random seed of the bootstrap.

    Example:
        >>> metric = InstanceF1()
        >>> metric.update([[[0, 0, 4, 4], [5, 5, 6, 6]]], [[[0, 0, 4, 3]]])
        >>> round(float(metric.compute()), 1)
        66.7
        >>> {name: values.tolist() for name, values in metric.details().items()}
        {'overlaps': [0.5], 'precision': [50.0], 'recall': [100.0], 'F1': [66.66666666666667]}
    """

    def __init__(self, overlaps: Sequence[float] = (0.5,), *, groups: int = 0, samples: int = 0, seed: int = 0) -> None:
        if not overlaps or not all(0 < least <= 1 for least in overlaps):
            problem = f"overlaps must be one or more values above 0 and at most 1, got {tuple(overlaps)}."
            raise InputError("out-of-range", problem)
        super().__init__(len(overlaps) + 2, groups=groups, samples=samples, seed=seed)
        self.overlaps = tuple(overlaps)

    def update(
        self,
        predicted: Sequence[ArrayLike],
        true: Sequence[ArrayLike],
        groups: NDArray[np.integer[Any]] | None = None,
        *,
        scores: Sequence[ArrayLike] | None = None,
    ) -> None:
        """Add images.

        Args:
            predicted: Predicted boxes of each image, shape (n, 4), n >= 0, xyxy, by descending score.
            true: True boxes of each image, shape (m, 4), m >= 0.
            groups: Group of each image, shape (B,).
            scores: Scores of the predicted boxes of each image, shape (n,), if they are not sorted.

        Raises:
            InputError: ``length-mismatch`` or ``shape-mismatch``.
        """
        lengths = (len(predicted), len(true), len(predicted if scores is None else scores))
        if len(set(lengths)) > 1:
            problem = f"predicted, true and scores must have one entry per image, got {lengths} entries."
            raise InputError("length-mismatch", problem)
        score_arrays = [None] * len(predicted) if scores is None else [array(values) for values in scores]
        images = zip(predicted, true, score_arrays, strict=True)
        rows = [self.counts(_boxes(boxes), _boxes(true_boxes), values) for boxes, true_boxes, values in images]
        self.add(np.array(rows, np.float64).reshape(-1, len(self.overlaps) + 2), groups)

    def counts(
        self, predicted: NDArray[Any], true: NDArray[Any], scores: NDArray[np.floating] | None = None
    ) -> list[int]:
        """Count the pairs of one image at each minimum IoU, its predicted boxes and its true boxes."""
        pairs = [int((matched(predicted, true, least, scores=scores) >= 0).sum()) for least in self.overlaps]
        return [*pairs, len(predicted), len(true)]

    def compute_from_sums(
        self, sums: NDArray[np.floating], _totals: NDArray[np.floating], _at: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """Compute the mean F1 of counts; there is no threshold to choose."""
        f1: NDArray[np.float64] = _percent(2 * sums[..., :-2], sums[..., -2:].sum(axis=-1, keepdims=True))
        return np.asarray(f1.mean(axis=-1))

    def details(self) -> dict[str, NDArray[np.float64]]:
        """Return precision, recall and F1.

        Returns:
            ``overlaps``; and at each of them, in percent, ``precision`` of the predicted boxes, ``recall`` of the true
            boxes, and ``F1``; NaN if undefined.
        """
        sums = self.totals()[0]
        pairs, predicted, true = sums[:-2], sums[-2], sums[-1]
        return {
            "overlaps": np.array(self.overlaps),
            "precision": _percent(pairs, predicted),
            "recall": _percent(pairs, true),
            "F1": _percent(2 * pairs, predicted + true),
        }


def _percent(part: NDArray[np.floating], whole: Any) -> NDArray[np.float64]:
    """Compute ratios in percent; NaN for a denominator of 0."""
    parts, wholes = np.broadcast_arrays(part, np.asarray(whole, np.float64))
    ratios: NDArray[np.float64] = np.divide(100 * parts, wholes, out=np.full(parts.shape, np.nan), where=wholes > 0)
    return ratios


def _boxes(values: ArrayLike) -> NDArray[Any]:
    """Convert the boxes of one image to shape (n, 4), also from an empty list."""
    boxes = array(values)
    if boxes.size == 0:
        return np.zeros((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputError("shape-mismatch", f"Boxes must have shape (n, 4), got {boxes.shape}.")
    return boxes
