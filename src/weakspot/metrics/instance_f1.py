"""Precision, recall and F1 of boxes: every object counts, and every box that was found."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weakspot.errors import InputError
from weakspot.metrics.base import PerImageMetric
from weakspot.metrics.check_inputs import array
from weakspot.ops.iou import box_iou as overlaps_of


def matched(
    found: NDArray[np.floating],
    true: NDArray[np.floating],
    least: float = 0.5,
    *,
    scores: NDArray[np.floating] | None = None,
) -> NDArray[np.intp]:
    """Pair found boxes with true ones, one to one, as COCO does.

    The found boxes choose by falling score, each the free true box that it overlaps most, if that is enough.

    Args:
        found: Shape (n, 4), xyxy.
        true: Shape (m, 4), xyxy.
        least: Least intersection over union of a pair, in (0, 1].
        scores: Shape (n,); None takes the found boxes in their order, as equal scores do.

    Returns:
        Shape (n,): the index of each found box's true one, -1 for none. Of equal overlaps the last true box is
        taken, as COCO takes it.

    Source:
        Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its evaluation code, without crowds.

    Example:
        >>> true = np.array([[0.0, 0.0, 4.0, 4.0], [4.0, 0.0, 8.0, 4.0]])
        >>> matched(np.array([[0.0, 0.0, 4.0, 3.0], [0.0, 0.0, 4.0, 4.0], [4.0, 0.0, 8.0, 4.0]]), true).tolist()
        [0, -1, 1]
    """
    partners = np.full(len(found), -1, np.intp)
    order = np.arange(len(found)) if scores is None else np.argsort(-np.asarray(scores), kind="stable")
    shared = overlaps_of(found, true)  # (n, m)
    free = np.ones(len(true), bool)
    for i in order.tolist() if len(true) else []:
        best = len(true) - 1 - int(np.where(free, shared[i], -1)[::-1].argmax())
        if free[best] and shared[i, best] >= least:
            partners[i], free[best] = best, False
    return partners


class InstanceF1(PerImageMetric):
    """F1 of boxes over all images, in percent: one object, one box.

    F1 is twice the number of pairs over the number of found and true boxes together; of several least overlaps the
    mean is taken. Precision and recall are in :meth:`details`. NaN where there is neither a found nor a true box.

    Args:
        overlaps: Least intersection over union of a pair, in (0, 1].
        groups: Number of groups, such as classes, for :meth:`by_group`.
        samples: Number of bootstrap samples for :meth:`interval`.
        seed: Of the bootstrap.

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
            raise InputError(f"The least overlaps {tuple(overlaps)} are not in (0, 1].", "Give some, for example 0.5.")
        super().__init__(len(overlaps) + 2, groups=groups, samples=samples, seed=seed)
        self.overlaps = tuple(overlaps)

    def update(  # type: ignore[override]
        self,
        found: Sequence[ArrayLike],
        true: Sequence[ArrayLike],
        groups: NDArray[np.integer[Any]] | None = None,
        *,
        scores: Sequence[ArrayLike] | None = None,
    ) -> None:
        """Add images.

        Args:
            found: For each image the boxes that were found, shape (n, 4), n >= 0, xyxy, the surest first.
            true: For each image its true boxes, shape (m, 4), m >= 0.
            groups: Group of each image, shape (B,).
            scores: For each image the scores of its found boxes, shape (n,), if these are not sorted.

        Raises:
            InputError: If there are not as many lists of one as of the other, or a list holds no boxes.
        """
        lengths = {len(found), len(true), len(found if scores is None else scores)}
        if len(lengths) > 1:
            raise InputError("There are not as many lists of found boxes as of true ones.", "Give both for each image.")
        sure = [None] * len(found) if scores is None else [array(one) for one in scores]
        pairs = zip(found, true, sure, strict=True)
        rows = [self.counts(_boxes(one), _boxes(other), by) for one, other, by in pairs]
        super().update(np.array(rows, np.float64).reshape(-1, len(self.overlaps) + 2), groups)

    def counts(self, found: NDArray[Any], true: NDArray[Any], scores: NDArray[np.floating] | None = None) -> list[int]:
        """Of one image the number of pairs at each least overlap, of found and of true boxes."""
        pairs = [int((matched(found, true, least, scores=scores) >= 0).sum()) for least in self.overlaps]
        return [*pairs, len(found), len(true)]

    def compute_from_sums(self, sums: NDArray[np.floating], _totals: NDArray[np.floating]) -> NDArray[np.float64]:
        """Mean F1 of counts."""
        f1: NDArray[np.float64] = _percent(2 * sums[..., :-2], sums[..., -2:].sum(axis=-1, keepdims=True))
        return np.asarray(f1.mean(axis=-1))

    def details(self) -> dict[str, NDArray[np.float64]]:
        """What the figure is made of.

        Returns:
            ``overlaps``, and in percent at each of them ``precision``, the share of found boxes that are right, NaN
            without any; ``recall``, the share of objects that were found; and ``F1``.
        """
        sums = self.totals()[0]
        pairs, found, true = sums[:-2], sums[-2], sums[-1]
        return {
            "overlaps": np.array(self.overlaps),
            "precision": _percent(pairs, found),
            "recall": _percent(pairs, true),
            "F1": _percent(2 * pairs, found + true),
        }


def _percent(part: NDArray[np.floating], whole: Any) -> NDArray[np.float64]:
    """Shares in percent; NaN of nothing."""
    parts, wholes = np.broadcast_arrays(part, np.asarray(whole, np.float64))
    shares: NDArray[np.float64] = np.divide(100 * parts, wholes, out=np.full(parts.shape, np.nan), where=wholes > 0)
    return shares


def _boxes(values: ArrayLike) -> NDArray[Any]:
    """Boxes of one image, shape (n, 4); an empty list is none."""
    boxes = array(values)
    if boxes.size == 0:
        return np.zeros((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputError(f"Boxes must have shape (n, 4); these have {boxes.shape}.", "Give rows x1, y1, x2, y2.")
    return boxes
