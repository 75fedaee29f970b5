"""Mean of per-image values at every threshold, and the threshold at which it is best."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weakspot.metrics.base import PerImageMetric


class ThresholdSweep(PerImageMetric):
    """Accumulate values of each image at every threshold, in one curve or several.

    The result is the mean over the curves of their best values, in percent. It is an **oracle** value, since the
    threshold is selected on the same images; :meth:`at` uses thresholds that were selected on other images.

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
        """Average the best values of the curves, or those at thresholds, with one index per curve."""
        curves = sums.reshape(*sums.shape[:-1], self.curves, -1)
        selected = curves.max(axis=-1) if at is None else curves[..., np.arange(self.curves), list(at)]
        with np.errstate(invalid="ignore"):
            values: NDArray[np.float64] = 100 * selected.mean(axis=-1, dtype=np.float64) / totals
        return values

    def best(self) -> tuple[int, ...]:
        """Return the index of the first best threshold of each curve."""
        means = self._means(*self.totals())
        return tuple(int(index) for index in means.argmax(axis=-1))

    def middle(self) -> tuple[int, ...]:
        """Return the index of the middle one of the best thresholds of each curve, the most robust for other images."""
        means = self._means(*self.totals())
        ties = (np.flatnonzero(curve == curve.max()) for curve in means)
        return tuple(int(indices[(len(indices) - 1) // 2]) for indices in ties)

    def at(self, indices: Sequence[int]) -> float:
        """Compute the metric at thresholds, with one index per curve, in percent."""
        return float(self.compute_from_sums(*self.totals(), at=indices))

    def details(self) -> dict[str, NDArray[np.float64]]:
        """Return the ``thresholds``, the ``curves``, and the ``best`` value and ``best_threshold`` of each curve.

        Shapes (T,), (curves, T), (curves,) and (curves,); the values are in percent.
        """
        means = self._means(*self.totals())
        best = self.thresholds[means.argmax(axis=-1)]
        return {"thresholds": self.thresholds, "curves": means, "best": means.max(axis=-1), "best_threshold": best}

    def _means(self, sums: NDArray[np.floating], totals: NDArray[np.floating]) -> NDArray[np.float64]:
        """Compute the mean curves, shape (..., curves, T), in percent."""
        with np.errstate(invalid="ignore"):
            means: NDArray[Any] = 100 * sums / totals[..., None]
        return means.reshape(*sums.shape[:-1], self.curves, len(self.thresholds))
