"""Base class of the metrics: sums over images, over groups of images and over bootstrap samples, at every threshold.

Memory does not grow with the number of images: a bootstrap sample is a sum in which each image is weighted by a Poisson
variate of mean 1 (Hanley and MacGibbon, "Creating Non-Parametric Bootstrap Samples Using Poisson
Frequencies", Computer Methods and Programs in Biomedicine 2006).
"""

from collections.abc import Sequence
from contextlib import nullcontext
from math import e, factorial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from weakspot.errors import InputError

# A Poisson variate of mean 1 for each 16-bit number; a table is ten times as fast as sampling.
_POISSON = np.searchsorted(np.cumsum([1 / factorial(k) for k in range(9)]) / e, (np.arange(65536) + 0.5) / 65536)

CONFIDENCE = 95.0  # percent of a confidence interval


class PerImageMetric(Metric):
    """Accumulate a row of ``values`` numbers for each image, and compute a metric from their sums.

    With ``thresholds``, a row is one curve or several: values at every threshold. The metric is then the mean over the
    curves of their best values, in percent: an **oracle** value, since the threshold is selected on the same images;
    :meth:`at` uses thresholds that were selected on other images. A metric without thresholds overrides
    :meth:`compute_from_sums`.

    Each of the ``groups``, such as classes, also has its own sums, and each of the ``samples`` of the bootstrap for
    :meth:`interval`. With the same ``seed``, the same images in the same order have the same interval.

    ``update`` of a subclass computes the rows of images and calls :meth:`add`.
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False
    sums: Tensor
    total: Tensor
    group_sums: Tensor
    group_totals: Tensor
    sample_sums: Tensor
    sample_totals: Tensor

    def __init__(
        self,
        values: int,
        *,
        thresholds: NDArray[np.float64] | None = None,
        groups: int = 0,
        samples: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.thresholds = np.empty(0) if thresholds is None else thresholds
        self.curves = values // len(self.thresholds) if len(self.thresholds) else 0
        self._seed = seed
        self._random: np.random.Generator | None = None
        self._in_forward = False  # torchmetrics resets a metric to compute it for one batch, and restores it
        for name, shape, dtype in (
            ("sums", (values,), torch.float64),
            ("total", (), torch.float64),
            ("group_sums", (groups, values), torch.float64),
            ("group_totals", (groups,), torch.float64),
            # Most of the memory, and only for an interval: single precision suffices.
            ("sample_sums", (samples, values), torch.float32),
            ("sample_totals", (samples,), torch.float32),
        ):
            self.add_state(name, torch.zeros(shape, dtype=dtype), dist_reduce_fx="sum")

    def add(self, values: NDArray[np.generic], groups: NDArray[np.integer[Any]] | None = None) -> None:
        """Add the rows of images, shape (B, number of values), and their groups, shape (B,) or (B, k)."""
        rows = torch.from_numpy(np.ascontiguousarray(values)).to(self.sums)
        self.sums += rows.sum(dim=0)
        self.total += len(rows)
        if groups is not None and len(self.group_totals):
            # A loop: index_add_ is fifty times slower for long rows and many groups.
            for row, indices in zip(rows, groups.reshape(len(rows), -1).tolist(), strict=True):
                for index in indices:
                    self.group_sums[index] += row
                    self.group_totals[index] += 1
        if len(self.sample_totals):
            counts = torch.from_numpy(self._counts(len(rows))).to(self.sample_sums)
            self.sample_sums.addmm_(counts, rows.float())
            self.sample_totals += counts.sum(dim=1)

    def compute_from_sums(
        self, sums: NDArray[np.floating], totals: NDArray[np.floating], at: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """Compute the metric from sums of shape (..., values) over (...) images: shape (...).

        The mean of the best values of the curves, or of those at the thresholds ``at``, with one index per curve.
        """
        curves = sums.reshape(*sums.shape[:-1], self.curves, -1)
        selected = curves.max(axis=-1) if at is None else curves[..., np.arange(self.curves), list(at)]
        with np.errstate(invalid="ignore"):  # the order of operations is that of the reference, to the last bit
            values: NDArray[np.float64] = (100 * selected.astype(np.float64) / totals[..., None]).mean(axis=-1)
        return values

    def compute(self) -> Tensor:
        """Compute the metric over all images, in percent; NaN without images."""
        return torch.tensor(float(self.compute_from_sums(*self.totals())), dtype=torch.float64)

    def best(self) -> tuple[int, ...]:
        """Return the index of the first best threshold of each curve; () for a metric without thresholds."""
        return tuple(int(index) for index in self._mean_curves().argmax(axis=-1))

    def middle(self) -> tuple[int, ...]:
        """Return the index of the middle one of the best thresholds of each curve, the most robust for other images."""
        ties = (np.flatnonzero(curve == curve.max()) for curve in self._mean_curves())
        return tuple(int(indices[(len(indices) - 1) // 2]) for indices in ties)

    def at(self, indices: Sequence[int]) -> float:
        """Compute the metric at thresholds, with one index per curve, in percent."""
        return float(self.compute_from_sums(*self.totals(), at=indices))

    def details(self) -> dict[str, NDArray[np.float64]]:
        """Return the ``thresholds``, the ``curves``, and the ``best`` value and ``best_threshold`` of each curve.

        Shapes (T,), (curves, T), (curves,) and (curves,); the values are in percent.
        """
        curves = self._mean_curves()
        best = self.thresholds[curves.argmax(axis=-1)]
        return {"thresholds": self.thresholds, "curves": curves, "best": curves.max(axis=-1), "best_threshold": best}

    def interval(self, **options: Any) -> tuple[float, float]:
        """Compute the 95 % confidence interval of the metric, by bootstrap over images.

        The options are those of :meth:`compute_from_sums`; if it searches for the best threshold, it does so in each
        sample. Raises InputError ``missing-samples`` if the metric has no bootstrap samples.
        """
        if not len(self.sample_totals):
            raise InputError("missing-samples", "The metric has no bootstrap samples.", "Create it with samples=1000.")
        values = self.compute_from_sums(*self.totals("sample"), **options)
        if not np.isfinite(values).any():
            return float("nan"), float("nan")
        low, high = np.nanpercentile(values, [50 - CONFIDENCE / 2, 50 + CONFIDENCE / 2])
        return float(low), float(high)

    def per_group(self, **options: Any) -> NDArray[np.float64]:
        """Compute the metric of each group, shape (groups,); NaN for a group without images."""
        return self.compute_from_sums(*self.totals("group"), **options)

    def totals(self, of: Literal["", "group", "sample"] = "") -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Return the sums (..., values) and the numbers of images (...), over all processes.

        ``of`` selects all images, ``"group"`` with shape (groups, ...), or ``"sample"`` with shape (samples, ...).
        """
        with nullcontext() if self._is_synced else self.sync_context():
            names = (f"{of}_sums", f"{of}_totals") if of else ("sums", "total")
            sums, totals = (getattr(self, name).cpu().numpy() for name in names)
            return sums, totals

    def reset(self) -> None:
        """Remove all images, and restart the bootstrap."""
        super().reset()
        if not self._in_forward:
            self._random = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Add images, and compute the metric of these images alone."""
        self._in_forward = True
        try:
            return super().forward(*args, **kwargs)
        finally:
            self._in_forward = False

    def _mean_curves(self) -> NDArray[np.float64]:
        """Compute the mean curves, shape (curves, T), in percent; (0, 1) for a metric without thresholds."""
        if not self.curves:
            return np.empty((0, 1))
        sums, total = self.totals()
        with np.errstate(invalid="ignore"):
            means: NDArray[np.float64] = 100 * sums / total
        return means.reshape(self.curves, -1)

    def _counts(self, images: int) -> NDArray[np.int64]:
        """Draw the weight of each image in each sample, shape (samples, images); each process draws its own."""
        if self._random is None:
            distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
            self._random = np.random.default_rng([self._seed, torch.distributed.get_rank() if distributed else 0])
        return draw_poisson(self._random, images, len(self.sample_totals))


def draw_poisson(random: np.random.Generator, images: int, samples: int) -> NDArray[np.int64]:
    """Draw the weight of each image in each bootstrap sample, shape (samples, images)."""
    # Four 16-bit numbers from one of 64 bits, so that the weights of an image do not depend on the batch size.
    drawn = random.integers(0, 2**64, (images, -(-samples // 4)), np.uint64).view(np.uint16)[:, :samples]
    counts: NDArray[np.int64] = _POISSON[drawn].T
    return counts


def percent_of_images(sums: NDArray[np.floating], totals: NDArray[np.floating]) -> NDArray[np.float64]:
    """Compute the mean of one number per image, in percent, from sums (..., 1) and numbers of images (...)."""
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = 100 * sums[..., 0].astype(np.float64) / totals
    return means
