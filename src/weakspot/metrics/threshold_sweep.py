"""A value at every threshold, averaged over images, and the threshold at which it is best."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weakspot.metrics.base import PerImageMetric


class ThresholdSweep(PerImageMetric):
    """Average values that each image has at every threshold, in one curve or in several.

    The figure is the mean over the curves of each one's best value, in percent: an **oracle** figure, as it chooses
    the threshold on the images that it scores. :meth:`at` gives the honest one, at thresholds chosen elsewhere.

    Args:
        thresholds: Shape (T,).
        curves: Number of curves.
        groups: As for :class:`PerImageMetric`.
        samples: As for :class:`PerImageMetric`.
        seed: As for :class:`PerImageMetric`.

    Example:
        >>> sweep = ThresholdSweep(np.array([0.2, 0.5]))
        >>> sweep.update(np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]))
        >>> float(sweep.compute()), sweep.best(), sweep.at([0])
        (75.0, (1,), 50.0)
    """

    def __init__(
        self,
        thresholds: NDArray[np.float64],
        curves: int = 1,
        *,
        groups: int = 0,
        samples: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(curves * len(thresholds), groups=groups, samples=samples, seed=seed)
        self.thresholds = thresholds
        self.curves = curves

    def compute_from_sums(
        self, sums: NDArray[np.floating], totals: NDArray[np.floating], at: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """Average the curves' best values, or those at given thresholds, one index a curve."""
        curves = sums.reshape(*sums.shape[:-1], self.curves, -1)
        chosen = curves.max(axis=-1) if at is None else curves[..., np.arange(self.curves), list(at)]
        with np.errstate(invalid="ignore"):
            figures: NDArray[np.float64] = 100 * chosen.mean(axis=-1, dtype=np.float64) / totals
        return figures

    def best(self) -> tuple[int, ...]:
        """Index of the first best threshold of each curve."""
        means = self._means(*self.totals())
        return tuple(int(index) for index in means.argmax(axis=-1))

    def middle(self) -> tuple[int, ...]:
        """Index of the middle one of the best thresholds of each curve: of them, the safest for other images."""
        means = self._means(*self.totals())
        ties = (np.flatnonzero(curve == curve.max()) for curve in means)
        return tuple(int(indices[(len(indices) - 1) // 2]) for indices in ties)

    def at(self, indices: Sequence[int]) -> float:
        """The figure at given thresholds, one index a curve, in percent."""
        return float(self.compute_from_sums(*self.totals(), at=indices))

    def details(self) -> dict[str, NDArray[np.float64]]:
        """What the figure is made of.

        Returns:
            ``thresholds`` (T,), the ``curves`` (curves, T) in percent, and for each of them the ``best`` value and the
            ``best_threshold``.
        """
        means = self._means(*self.totals())
        best = self.thresholds[means.argmax(axis=-1)]
        return {"thresholds": self.thresholds, "curves": means, "best": means.max(axis=-1), "best_threshold": best}

    def _means(self, sums: NDArray[np.floating], totals: NDArray[np.floating]) -> NDArray[np.float64]:
        """Shape (..., curves, T), in percent."""
        with np.errstate(invalid="ignore"):
            means: NDArray[Any] = 100 * sums / totals[..., None]
        return means.reshape(*sums.shape[:-1], self.curves, len(self.thresholds))
