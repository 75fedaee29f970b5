"""Compare score maps with masks by pixel: histograms of scores, average precision, intersection over union."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from weakspot.errors import InputError
from weakspot.ops.boxes import absolute_threshold
from weakspot.ops.checks import check_score_map
from weakspot.ops.threshold_kernels import digitize

IGNORED = 255
INTERVAL = 0.001


def pixel_counts(
    score_map: NDArray[np.floating], mask: NDArray[np.uint8], interval: float = INTERVAL
) -> NDArray[np.int32]:
    """Count a score map's foreground and background pixels by score.

    Args:
        score_map: Shape (H, W), values in [0, 1].
        mask: Shape (H, W): 1 foreground, 0 background, 255 ignored.
        interval: Width of a bin, in (0, 1].

    Returns:
        Shape (2, T + 2), T the number of thresholds ``arange(0, 1, interval)``: foreground, then background pixels
        in the bins ``[0, t1), [t1, t2), ..., [tT, 1), [1, 2), [2, 3)``; the last bin is always empty.

    Raises:
        InputError: ``out-of-range`` for the interval; codes of the map and of :func:`check_mask`.

    Source:
        Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, and its reference
        code.

    Example:
        >>> pixel_counts(np.array([[0.0, 0.6, 1.0]]), np.array([[0, 1, 255]], np.uint8), 0.5).tolist()
        [[0, 1, 0, 0], [1, 0, 0, 0]]
    """
    bins = pixel_bins(score_map, mask, interval)
    counts: NDArray[np.int32] = _count(bins, 3 * bin_count(interval)).reshape(3, -1)[:2]
    return counts


def bin_count(interval: float) -> int:
    """Return the number of bins of :func:`pixel_counts` for a width of a bin."""
    return len(np.arange(0, 1, interval)) + 2


def pixel_bins(score_map: NDArray[np.floating], mask: NDArray[np.uint8], interval: float) -> NDArray[Any]:
    """Find the bin of each pixel, shape (H * W,): bins of the foreground, then of background and of ignored pixels.

    The arguments and errors are those of :func:`pixel_counts`.
    """
    if not 0 < interval <= 1:
        raise InputError("out-of-range", f"interval must be above 0 and at most 1, got {interval}.")
    thresholds = len(np.arange(0, 1, interval))
    scores = score_map.astype(np.float64, copy=False).ravel()
    bins = np.empty(mask.size, np.uint16 if thresholds < 20_000 else np.int32)  # small, to stay in the cache
    if (
        score_map.shape != mask.shape
        or mask.dtype != np.uint8
        or not _find_bins(scores, mask.ravel(), interval, thresholds, bins)
    ):
        check_score_map(score_map)
        check_mask(mask, score_map.shape)
    return bins


# Two passes instead of one, because the compiler can vectorize the first one.
@njit(cache=True, nogil=True)
def _find_bins(scores: Any, kinds: Any, interval: float, thresholds: int, bins: Any) -> bool:
    """Find the bin of each pixel: foreground bins, then background and ignored ones; False for an invalid value."""
    last = np.int32(thresholds)
    per_unit = 1 / interval
    valid = True
    for i in range(len(scores)):
        score = scores[i]
        valid &= (score >= 0.0) & (score <= 1.0)
        index = np.int32(score * per_unit)
        # The product may be rounded across an edge; the edges are index * interval, rounded.
        index += np.int32(score >= (index + 1) * interval) - np.int32(score < index * interval)
        index = last if score >= 1.0 else min(index, last - np.int32(1))
        valid &= (kinds[i] <= 1) | (kinds[i] == IGNORED)
        bins[i] = index + min(np.int32(kinds[i] ^ 1), np.int32(2)) * (last + np.int32(2))
    return valid


@njit(cache=True, nogil=True)
def _count(bins: Any, size: int) -> Any:
    """Count the pixels of each bin, in four independent histograms for instruction-level parallelism."""
    counts = np.zeros((4, size), np.int32)
    fours = len(bins) // 4 * 4
    for i in range(0, fours, 4):
        counts[0, bins[i]] += 1
        counts[1, bins[i + 1]] += 1
        counts[2, bins[i + 2]] += 1
        counts[3, bins[i + 3]] += 1
    for i in range(fours, len(bins)):
        counts[0, bins[i]] += 1
    return counts.sum(axis=0)


def average_precision(counts: NDArray[np.floating]) -> NDArray[np.float64]:
    """Compute the area under the precision-recall curve of pooled pixel counts, in percent.

    Args:
        counts: Counts of :func:`pixel_counts`, summed over images, shape (..., 2, bins).

    Returns:
        Shape (...); NaN without foreground pixels.

    Source:
        PxAP of Choe et al., CVPR 2020: the sum over thresholds of P (R - R of the threshold above).

    Example:
        >>> average_precision(np.array([[0, 3, 0], [1, 0, 0]])).item()  # all foreground scores are above the background
        100.0
    """
    precision, recall = precision_and_recall(counts)
    steps = np.diff(recall, axis=-1)
    area: NDArray[np.float64] = 100 * np.nansum(precision[..., 1:] * steps, axis=-1)
    return np.where(np.asarray(counts)[..., 0, :].sum(-1) > 0, area, np.nan)


def precision_and_recall(counts: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute precision and recall of the pixels at or above the left edge of each bin, in descending order.

    From counts of shape (..., 2, bins): shape (..., bins) each; precision is NaN without pixels, recall without
    foreground.
    """
    true, false = np.moveaxis(np.asarray(counts, np.float64)[..., ::-1].cumsum(-1), -2, 0)
    with np.errstate(invalid="ignore"):
        return true / (true + false), true / true[..., -1:]


def mask_overlaps(
    heatmap: NDArray[np.floating], mask: NDArray[np.uint8], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute the intersection over union of a heatmap's foreground with a mask, at every threshold.

    Args:
        heatmap: Shape (H, W), any finite values; negative values count as 0.
        mask: Shape (H, W): 1 foreground, 0 background, 255 ignored.
        thresholds: Ascending fractions of the heatmap's maximum, in (0, 1], inclusive. If no value is above 0, all
            pixels are foreground.

    Returns:
        Shape (T,); NaN if the mask has no foreground.

    Raises:
        InputError: As :func:`check_mask`.

    Example:
        >>> mask_overlaps(np.array([[0.2, 0.6, 1.0]]), np.array([[0, 1, 1]], np.uint8), np.array([0.1, 0.5])).tolist()
        [0.6666666666666666, 1.0]
    """
    check_mask(mask, heatmap.shape)
    heatmap = heatmap if (heatmap > 0).any() else np.ones_like(heatmap)
    absolute = np.asarray(absolute_threshold(heatmap, thresholds))
    true, false = (_at_or_above(heatmap[mask == kind], absolute) for kind in (1, 0))
    positives = np.count_nonzero(mask == 1)
    return true / (positives + false) if positives else np.full(len(thresholds), np.nan)


def _at_or_above(values: NDArray[np.floating], thresholds: NDArray[np.floating]) -> NDArray[np.int64]:
    """Count the values at or above each of the ascending thresholds."""
    counts = np.bincount(digitize(values[None], thresholds)[0], minlength=len(thresholds) + 1)
    return len(values) - counts.cumsum()[:-1]


def check_mask(mask: NDArray[np.uint8], shape: tuple[int, ...]) -> None:
    """Raise InputError unless a mask has the shape of its map and the values 0, 1 and 255."""
    if mask.shape != shape:
        raise InputError("shape-mismatch", f"A mask must have the shape {shape} of its score map, got {mask.shape}.")
    if mask.dtype != np.uint8:
        raise InputError("dtype-mismatch", f"A mask must be of dtype uint8, got {mask.dtype}.")
    values = np.unique(mask)
    if not np.isin(values, (0, 1, IGNORED)).all():
        problem = f"A mask must contain 0 (background), 1 (foreground) and 255 (ignored) only, got {values.tolist()}."
        raise InputError("mask-invalid", problem, "For a mask of 0 and 255, use mask > 0.")
