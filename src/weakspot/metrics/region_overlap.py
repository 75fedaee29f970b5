"""AUPRO: area under the curve of per-region overlap against the false positive rate."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weakspot.errors import InputError
from weakspot.metrics.base import PerImageMetric
from weakspot.metrics.check_inputs import map_mask_pairs
from weakspot.metrics.pixel_counts import INTERVAL, bin_count, pixel_bins
from weakspot.ops import connected_components

LIMIT = 0.3  # of the false positive rate


def region_counts(
    score_map: NDArray[np.floating], mask: NDArray[np.uint8], interval: float = INTERVAL
) -> NDArray[np.float64]:
    """Count a score map's pixels by score: each true region as one, and the background.

    Args:
        score_map: Shape (H, W), values in [0, 1].
        mask: Shape (H, W): 1 foreground, 0 background, 255 ignored. Its regions are the 8-connected components of the
            foreground.
        interval: Width of a bin, in (0, 1].

    Returns:
        Shape (2, bins), the bins of :func:`~weakspot.metrics.pixel_counts`. The first row is the sum over regions of
        the share of their pixels in each bin, so its sum is the number of regions; 0 without foreground. The second row
        is the number of background pixels.

    Raises:
        InputError: As :func:`~weakspot.metrics.pixel_counts`.

    Example:
        >>> region_counts(np.array([[0.1, 0.6, 0.0, 0.6]]), np.array([[1, 1, 0, 1]], np.uint8), 0.5).tolist()
        [[0.5, 1.5, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]
    """
    bins = pixel_bins(score_map, mask, interval)
    size = bin_count(interval)
    labels, _ = connected_components(mask == 1)
    flat = labels.ravel()
    areas = np.bincount(flat)
    on_region = flat > 0
    shares = np.bincount(bins[on_region], 1 / areas[flat[on_region]], minlength=size)
    background = np.bincount(bins[mask.ravel() == 0] - size, minlength=size)
    return np.stack([shares, background.astype(np.float64)])


def per_region_overlap(counts: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the false positive rate and the per-region overlap at every score, in descending order.

    Args:
        counts: Counts of :func:`region_counts`, summed over images, shape (..., 2, bins).

    Returns:
        Shape (..., bins) each, in [0, 1], of the pixels at or above the left edge of a bin, from the empty last bin
        down: the share of the background, and the mean over regions of the share of their pixels. NaN without
        background, or without regions.

    Example:
        >>> rate, overlap = per_region_overlap(np.array([[0.5, 1.5, 0.0], [3.0, 1.0, 0.0]]))
        >>> rate.tolist(), overlap.tolist()
        ([0.0, 0.25, 1.0], [0.0, 0.75, 1.0])
    """
    shares, background = np.moveaxis(np.asarray(counts, np.float64)[..., ::-1].cumsum(-1), -2, 0)
    with np.errstate(invalid="ignore"):
        return background / background[..., -1:], shares / shares[..., -1:]


def area_under_overlap(counts: NDArray[np.floating], limit: float = LIMIT) -> NDArray[np.float64]:
    """Compute the normalized area under the curve of per-region overlap, in percent.

    Args:
        counts: Counts of :func:`region_counts`, summed over images, shape (..., 2, bins).
        limit: Highest false positive rate, in (0, 1].

    Returns:
        Shape (...): the area up to the limit over the limit; the curve is linear between its points. NaN without
        regions or without background. A constant map has 50 % times the limit.

    Raises:
        InputError: ``out-of-range`` for the limit.

    Source:
        Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021, section 5.2.

    Example:
        >>> area_under_overlap(np.array([[0.0, 2.0, 0.0], [9.0, 0.0, 0.0]])).item()  # no background above a region
        100.0
    """
    if not 0 < limit <= 1:
        raise InputError("out-of-range", f"limit must be above 0 and at most 1, got {limit}.")
    rate, overlap = per_region_overlap(counts)
    steps, rises = np.diff(rate, axis=-1), np.diff(overlap, axis=-1)
    widths = np.diff(np.minimum(rate, limit), axis=-1)
    # Of the step across the limit, the part before it counts.
    parts = np.divide(widths, steps, out=np.zeros_like(steps), where=steps > 0)
    area: NDArray[np.float64] = 100 * (widths * (overlap[..., :-1] + rises * parts / 2)).sum(axis=-1) / limit
    return area


class AUPRO(PerImageMetric):
    """Area under the per-region overlap curve up to a false positive rate, in percent; it has no threshold.

    Each region, a connected component of the masks, counts the same, whatever its size. The false positive rate is that
    of all background pixels, of images without an object as well. Scores are counted in bins, so that memory does not
    grow with the number of images.

    Args:
        limit: Highest false positive rate, in (0, 1].
        interval: Width of a bin of scores; scores within a bin are ties.
        groups: Number of groups, such as sizes, for :meth:`per_group`: regions of the group against the background of
            all images.
        samples: Number of bootstrap samples for :meth:`interval`.
        seed: Random seed of the bootstrap.

    Raises:
        InputError: ``out-of-range`` for the limit or the interval.

    Source:
        Bergmann et al., "MVTec AD: A Comprehensive Real-World Dataset for Unsupervised Anomaly Detection", CVPR 2019;
        IJCV 2021, section 5.2.

    Example:
        >>> metric = AUPRO()
        >>> metric.update([[[0.9, 0.1, 0.2, 0.8]]], np.array([[[1, 0, 0, 1]]], np.uint8))
        >>> metric.update([[[0.3, 0.1, 0.2, 0.2]]], np.zeros((1, 1, 4), np.uint8))  # no object
        >>> float(metric.compute())
        100.0
    """

    def __init__(
        self,
        limit: float = LIMIT,
        interval: float = INTERVAL,
        *,
        groups: int = 0,
        samples: int = 0,
        seed: int = 0,
    ) -> None:
        if not 0 < interval <= 1:
            raise InputError("out-of-range", f"interval must be above 0 and at most 1, got {interval}.")
        bins = bin_count(interval)
        area_under_overlap(np.zeros((2, bins)), limit)  # checks the limit
        super().__init__(2 * bins, groups=groups, samples=samples, seed=seed)
        self._interval, self._limit = interval, limit

    def update(self, score_maps: ArrayLike, masks: ArrayLike, groups: NDArray[np.integer[Any]] | None = None) -> None:
        """Add images; those without an object have a mask without foreground.

        Args:
            score_maps: Shape (B, H, W), values in [0, 1]; a tensor or an array.
            masks: Shape (B, H, W), bool, or uint8: 1 foreground, 0 background, 255 ignored.
            groups: Group of the regions of each image, shape (B,).

        Raises:
            InputError: Codes of :func:`~weakspot.metrics.pixel_counts`; ``length-mismatch``.
        """
        pairs = zip(*map_mask_pairs(score_maps, masks), strict=True)
        self.add_counts(np.stack([region_counts(*pair, self._interval) for pair in pairs]), groups)

    def add_counts(self, counts: NDArray[np.floating], groups: NDArray[np.integer[Any]] | None = None) -> None:
        """Add images by the counts of :func:`region_counts`, shape (B, 2, bins)."""
        self.add(counts.reshape(len(counts), -1), groups)

    def compute_from_sums(
        self, sums: NDArray[np.floating], _totals: NDArray[np.floating], _at: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """Compute the area under the curve of summed counts; there is no threshold to choose."""
        return area_under_overlap(sums.reshape(*sums.shape[:-1], 2, -1), self._limit)

    def per_group(self, **_options: Any) -> NDArray[np.float64]:
        """Compute the area of the regions of each group, against the background of all images, shape (groups,)."""
        sums, totals = self.totals("group")
        shares, background = np.split(sums, 2, axis=-1)
        of_all = np.broadcast_to(np.split(self.totals()[0], 2)[1], background.shape)
        return self.compute_from_sums(np.concatenate([shares, of_all], axis=-1), totals)

    def regions(self) -> float:
        """Return the number of regions."""
        sums, _ = self.totals()
        return float(sums[: len(sums) // 2].sum().round())

    def details(self) -> dict[str, NDArray[np.float64]]:
        """Return the curve: ``false_positive_rate`` and ``overlap``, from the highest score down, in [0, 1]."""
        rate, overlap = per_region_overlap(self.totals()[0].reshape(2, -1))
        return {"false_positive_rate": rate, "overlap": overlap}
