"""False alarms: boxes on images without an object."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weakspot.errors import InputError
from weakspot.metrics.base import PerImageMetric
from weakspot.metrics.check_inputs import array


class FalseAlarms(PerImageMetric):
    """Mean number of boxes on images without an object, or percentage of such images with at least one.

    Args:
        share: Whether to compute the percentage instead of the number.
        samples: Number of bootstrap samples for :meth:`interval`.
        seed: Random seed of the bootstrap.

    Example:
        >>> number, share = FalseAlarms(), FalseAlarms(share=True)
        >>> for metric in (number, share):
        ...     metric.update([0, 3, 0, 1])
        >>> float(number.compute()), float(share.compute())
        (1.0, 50.0)
    """

    higher_is_better = False

    def __init__(self, *, share: bool = False, samples: int = 0, seed: int = 0) -> None:
        super().__init__(1, samples=samples, seed=seed)
        self._share = share

    def update(self, boxes: ArrayLike) -> None:
        """Add images by their numbers of boxes, shape (B,).

        Raises:
            InputError: ``shape-mismatch``; ``out-of-range`` for a negative number.
        """
        counts = array(boxes)
        if counts.ndim != 1:
            raise InputError("shape-mismatch", f"There must be one number of boxes per image, got {counts.shape}.")
        if (counts < 0).any():
            raise InputError("out-of-range", f"A number of boxes must be at least 0, got {counts.min()}.")
        self.add((counts > 0 if self._share else counts)[:, None])

    def compute_from_sums(
        self, sums: NDArray[np.floating], totals: NDArray[np.floating], _at: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """Compute the mean number, or the percentage; NaN without images."""
        with np.errstate(invalid="ignore"):
            mean: NDArray[np.float64] = sums[..., 0].astype(np.float64) / totals
        return 100 * mean if self._share else mean
