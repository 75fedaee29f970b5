"""Sums over images, with groups of images and bootstrap samples: what every metric here accumulates.

Memory does not grow with the number of images: a bootstrap sample is a sum in which each image counts as often as a
Poisson number of mean 1 says (Hanley and MacGibbon, "Creating Non-Parametric Bootstrap Samples Using Poisson
Frequencies", Computer Methods and Programs in Biomedicine 2006).
"""

from contextlib import nullcontext
from math import e, factorial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from weakspot.errors import InputError

# A Poisson number of mean 1 for each 16-bit number: its distribution to 1 in 65536, ten times as fast as drawing it.
_POISSON = np.searchsorted(np.cumsum([1 / factorial(k) for k in range(9)]) / e, (np.arange(65536) + 0.5) / 65536)

CONFIDENCE = 95.0  # percent of a confidence interval


class PerImageMetric(Metric):
    """Sum a row of values an image; subclasses turn sums into a figure.

    Args:
        values: Number of values of an image.
        groups: Number of groups, such as classes, that are also summed by themselves.
        samples: Number of bootstrap samples for :meth:`interval`; 0 for none.
        seed: Of the bootstrap; the same images in the same order give the same interval.
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

    def __init__(self, values: int, *, groups: int = 0, samples: int = 0, seed: int = 0) -> None:
        super().__init__()
        self._seed = seed
        self._random: np.random.Generator | None = None
        self._whole = True  # torchmetrics resets a metric for the figure of one batch, and puts it back
        for name, shape, dtype in (
            ("sums", (values,), torch.float64),
            ("total", (), torch.float64),
            ("group_sums", (groups, values), torch.float64),
            ("group_totals", (groups,), torch.float64),
            # The most memory, and only for an interval: single precision is enough.
            ("sample_sums", (samples, values), torch.float32),
            ("sample_totals", (samples,), torch.float32),
        ):
            self.add_state(name, torch.zeros(shape, dtype=dtype), dist_reduce_fx="sum")

    def update(self, values: NDArray[np.generic], groups: NDArray[np.integer[Any]] | None = None) -> None:
        """Add images.

        Args:
            values: Shape (B, number of values).
            groups: Indices of the groups that each image is in, shape (B,) or (B, k).
        """
        rows = torch.from_numpy(np.ascontiguousarray(values)).to(self.sums)
        self.sums += rows.sum(dim=0)
        self.total += len(rows)
        if groups is not None and len(self.group_totals):
            # One by one: index_add_ takes fifty times as long where an image's row is long and its groups are many.
            for row, places in zip(rows, groups.reshape(len(rows), -1).tolist(), strict=True):
                for place in places:
                    self.group_sums[place] += row
                    self.group_totals[place] += 1
        if len(self.sample_totals):
            counts = torch.from_numpy(self._counts(len(rows))).to(self.sample_sums)
            self.sample_sums.addmm_(counts, rows.float())
            self.sample_totals += counts.sum(dim=1)

    def compute_from_sums(self, sums: NDArray[np.floating], totals: NDArray[np.floating]) -> NDArray[np.float64]:
        """Turn sums of shape (..., values) over totals (...) images into figures (...)."""
        raise NotImplementedError

    def compute(self) -> Tensor:
        """The figure over all images, in percent; NaN without images."""
        return torch.tensor(float(self.compute_from_sums(*self.totals())), dtype=torch.float64)

    def interval(self, **fixed: Any) -> tuple[float, float]:
        """The 95 % confidence interval of the figure, by bootstrap over images.

        Args:
            fixed: Further arguments of :meth:`compute_from_sums`.

        Raises:
            InputError: If the metric was made without samples.
        """
        if not len(self.sample_totals):
            raise InputError("The metric was made without bootstrap samples.", "Make it with samples=1000.")
        figures = self.compute_from_sums(*self.totals("sample"), **fixed)
        if not np.isfinite(figures).any():
            return float("nan"), float("nan")
        low, high = np.nanpercentile(figures, [50 - CONFIDENCE / 2, 50 + CONFIDENCE / 2])
        return float(low), float(high)

    def per_group(self, **fixed: Any) -> NDArray[np.float64]:
        """The figure of each group, shape (groups,); NaN for a group without images."""
        return self.compute_from_sums(*self.totals("group"), **fixed)

    def totals(self, of: Literal["", "group", "sample"] = "") -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Sums (..., values) and the number of images (...) behind them, of all processes where there are several.

        Args:
            of: All images; each group, shape (groups, ...); or each bootstrap sample, shape (samples, ...).
        """
        with nullcontext() if self._is_synced else self.sync_context():
            names = (f"{of}_sums", f"{of}_totals") if of else ("sums", "total")
            sums, totals = (getattr(self, name).cpu().numpy() for name in names)
            return sums, totals

    def reset(self) -> None:
        """Forget all images, and begin the bootstrap again."""
        super().reset()
        if self._whole:
            self._random = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Add images and give the figure of them alone."""
        self._whole = False
        try:
            return super().forward(*args, **kwargs)
        finally:
            self._whole = True

    def _counts(self, images: int) -> NDArray[np.int64]:
        """How often each image counts in each sample: shape (samples, images). Each process draws its own."""
        if self._random is None:
            ready = torch.distributed.is_available() and torch.distributed.is_initialized()
            self._random = np.random.default_rng([self._seed, torch.distributed.get_rank() if ready else 0])
        samples = len(self.sample_totals)
        # Four 16-bit numbers from one of 64, so that an image's are the same in whatever batch it comes.
        drawn = self._random.integers(0, 2**64, (images, -(-samples // 4)), np.uint64).view(np.uint16)[:, :samples]
        counts: NDArray[np.int64] = _POISSON[drawn].T
        return counts
