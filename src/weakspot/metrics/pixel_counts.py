"""Score maps against masks, pixel by pixel: counts by score, average precision, intersection over union."""

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
        in the bins ``[0, t1), [t1, t2), ..., [tT, 1), [1, 2), [2, 3)``; the last one is always empty.

    Raises:
        InputError: If the map is no score map, the mask has another shape, or holds other values.

    Source:
        Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, and its reference
        code.

    Example:
        >>> pixel_counts(np.array([[0.0, 0.6, 1.0]]), np.array([[0, 1, 255]], np.uint8), 0.5).tolist()
        [[0, 1, 0, 0], [1, 0, 0, 0]]
    """
    if not 0 < interval <= 1:
        raise InputError(f"The interval {interval} is outside (0, 1].", "Give a width of bins such as 0.001.")
    thresholds = len(np.arange(0, 1, interval))
    scores = score_map.astype(np.float64, copy=False).ravel()
    places = np.empty(mask.size, np.uint16 if thresholds < 20_000 else np.int32)  # small: it stays in the cache
    if (
        score_map.shape != mask.shape
        or mask.dtype != np.uint8
        or not _place(scores, mask.ravel(), interval, thresholds, places)
    ):
        check_score_map(score_map)
        check_mask(mask, score_map.shape)
    counts: NDArray[np.int32] = _count(places, 3 * (thresholds + 2)).reshape(3, -1)[:2]
    return counts


# Two passes instead of one: the compiler makes the first one do several pixels at once.
@njit(cache=True, nogil=True)
def _place(scores: Any, kinds: Any, interval: float, thresholds: int, places: Any) -> bool:
    """Find each pixel's bin: those of the foreground, then of the background and the ignored; False for a bad value."""
    last = np.int32(thresholds)
    per_unit = 1 / interval
    fine = True
    for i in range(len(scores)):
        score = scores[i]
        fine &= (score >= 0.0) & (score <= 1.0)
        place = np.int32(score * per_unit)
        # The product may have been rounded over an edge; the edges themselves are place * interval, rounded.
        place += np.int32(score >= (place + 1) * interval) - np.int32(score < place * interval)
        place = last if score >= 1.0 else min(place, last - np.int32(1))
        fine &= (kinds[i] <= 1) | (kinds[i] == IGNORED)
        places[i] = place + min(np.int32(kinds[i] ^ 1), np.int32(2)) * (last + np.int32(2))
    return fine


@njit(cache=True, nogil=True)
def _count(places: Any, size: int) -> Any:
    """Count what is in each place; four counts, so that a pixel need not wait for its neighbour's."""
    counts = np.zeros((4, size), np.int32)
    fours = len(places) // 4 * 4
    for i in range(0, fours, 4):
        counts[0, places[i]] += 1
        counts[1, places[i + 1]] += 1
        counts[2, places[i + 2]] += 1
        counts[3, places[i + 3]] += 1
    for i in range(fours, len(places)):
        counts[0, places[i]] += 1
    return counts.sum(axis=0)


def average_precision(counts: NDArray[np.floating]) -> NDArray[np.float64]:
    """Area under the precision-recall curve of pooled pixel counts, in percent.

    Args:
        counts: Shape (..., 2, bins) of :func:`pixel_counts`, summed over images.

    Returns:
        Shape (...); NaN where no pixel is foreground.

    Source:
        PxAP of Choe et al., CVPR 2020: the sum over thresholds of P (R - R of the threshold above).

    Example:
        >>> average_precision(np.array([[0, 3, 0], [1, 0, 0]])).item()  # all foreground is above all background
        100.0
    """
    precision, recall = precision_and_recall(counts)
    steps = np.diff(recall, axis=-1)
    area: NDArray[np.float64] = 100 * np.nansum(precision[..., 1:] * steps, axis=-1)
    return np.where(np.asarray(counts)[..., 0, :].sum(-1) > 0, area, np.nan)


def precision_and_recall(counts: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall of the pixels at or above each bin's left edge, from the highest bin down.

    Args:
        counts: Shape (..., 2, bins).

    Returns:
        Precision, NaN where no pixel is so high, and recall, NaN without foreground: shape (..., bins) each.
    """
    true, false = np.moveaxis(np.asarray(counts, np.float64)[..., ::-1].cumsum(-1), -2, 0)
    with np.errstate(invalid="ignore"):
        return true / (true + false), true / true[..., -1:]


def mask_overlaps(
    heatmap: NDArray[np.floating], mask: NDArray[np.uint8], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Intersection over union of a heatmap's foreground with a mask, at every threshold.

    Args:
        heatmap: Shape (H, W), any finite values; negative counts as 0.
        mask: Shape (H, W): 1 foreground, 0 background, 255 ignored.
        thresholds: Rising fractions of the heatmap's peak, in (0, 1]; the foreground is at or above it. Everything is
            foreground when nothing is above 0.

    Returns:
        Shape (T,); NaN when the mask has no foreground.

    Raises:
        InputError: If the mask has another shape or holds other values.

    Example:
        >>> mask_overlaps(np.array([[0.2, 0.6, 1.0]]), np.array([[0, 1, 1]], np.uint8), np.array([0.1, 0.5])).tolist()
        [0.6666666666666666, 1.0]
    """
    check_mask(mask, heatmap.shape)
    heatmap = heatmap if (heatmap > 0).any() else np.ones_like(heatmap)
    cuts = np.asarray(absolute_threshold(heatmap, thresholds))
    true, false = (_at_or_above(heatmap[mask == kind], cuts) for kind in (1, 0))
    wanted = np.count_nonzero(mask == 1)
    return true / (wanted + false) if wanted else np.full(len(thresholds), np.nan)


def _at_or_above(values: NDArray[np.floating], cuts: NDArray[np.floating]) -> NDArray[np.int64]:
    """How many values are at or above each of the rising cuts."""
    reached = np.bincount(digitize(values[None], cuts)[0], minlength=len(cuts) + 1)
    return len(values) - reached.cumsum()[:-1]


def check_mask(mask: NDArray[np.uint8], shape: tuple[int, ...]) -> None:
    """Refuse a mask of another shape than the map's, or with values other than 0, 1 and 255."""
    if mask.shape != shape:
        raise InputError(f"A mask has shape {mask.shape}, its score map {shape}.", "Resize the mask to the map's size.")
    if mask.dtype != np.uint8:
        raise InputError(
            f"A mask is of {mask.dtype}, not uint8.", "Give 1 for foreground, 0 for background, 255 for ignored."
        )
    if not np.isin(np.unique(mask), (0, 1, IGNORED)).all():
        raise InputError(
            "A mask holds other values than 0 (background), 1 (foreground) and 255 (ignored).",
            "Give uint8 masks with these values, or mask > 0 where all above 0 is foreground.",
        )
