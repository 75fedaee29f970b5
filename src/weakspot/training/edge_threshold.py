"""Choose the threshold of heatmaps without boxes: at it, the outlines of the regions follow the edges of the images."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.ops import resize

# Levels of a heatmap: multiples of 0.01 from 0 to 1.
LEVELS = 101
# Images and heatmaps are compared at this size; edges are found at two scales, in its pixels.
_SIDE, _SCALES = 144, (2, 4)
# Outlines within 0.04 of a level are averaged.
_SMOOTHING = 4
# Levels to choose from. An edge strength that still grows at the last ones is that of a peak, not of an outline.
_LOWEST, _HIGHEST, _STILL_GROWING = 15, 95, 93
# Fewer images have no reliable standard error.
_MIN_IMAGES = 5
# The mean edge strength of random outlines, and how close to the best another threshold is as good: a fraction of what
# the best has above random ones, or this many standard errors of the difference.
_RANDOM, _CLOSE, _STANDARD_ERRORS = 0.5, 0.07, 2


def outline_edges(heatmap: NDArray[np.floating], pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Measure how well the outlines of a heatmap's regions follow the edges of the image, at every threshold.

    The edge strength of a pixel is how much the colors change across the outline through it, as a rank in the image:
    0 for the weakest, 1 for the strongest, so that contrast does not matter; the mean over two scales. The integral
    of a quantity along all outlines between two levels is the sum over the pixels between them of the quantity times
    the slope of the heatmap.

    Args:
        heatmap: Values in [0, 1], shape (H, W).
        pixels: The whole image at any size, shape (H', W', C).

    Returns:
        Length of the outlines, and the sum of edge strength along them, at the thresholds 0, 0.01, ... 1: shape
        (2, 101). Their quotient is the mean edge strength. Zeros for a constant heatmap.

    Source:
        Weszka and Rosenfeld, "Threshold Evaluation Techniques", IEEE SMC 8, 1978, and Hertz and Schafer, "Multilevel
        Thresholding Using Edge Matching", CVGIP 44, 1988: choose the threshold whose edges match those of the image.
        The integral is the coarea formula (Federer, 1959).

    Example:
        >>> image = np.zeros((144, 144, 3), np.uint8)
        >>> image[:, 60:] = 255
        >>> ramp = np.tile(np.linspace(0, 1, 144), (144, 1))
        >>> length, edges = outline_edges(ramp, image)
        >>> int(np.argmax(edges / length)), 60 / 144
        (42, 0.4166666666666667)
    """
    from scipy import ndimage

    scaled = np.clip(resize(heatmap, height=_SIDE, width=_SIDE, kernel="bilinear"), 0, 1).astype(np.float64)
    colors = _resized(pixels)
    rows, columns = np.gradient(scaled)
    slope = np.hypot(rows, columns)
    levels = np.rint((LEVELS - 1) * scaled).astype(int).ravel()
    strength = np.zeros(scaled.size)
    for sigma in _SCALES:
        across = sum(
            (
                rows * ndimage.gaussian_filter(channel, sigma, order=(1, 0))
                + columns * ndimage.gaussian_filter(channel, sigma, order=(0, 1))
            )
            ** 2
            for channel in colors
        )
        change = np.sqrt(np.divide(across, slope**2, out=np.zeros_like(slope), where=slope > 0))
        strength += _ranks(change) / len(_SCALES)
    weights = (slope.ravel(), slope.ravel() * strength)
    return np.stack([np.bincount(levels, weight, LEVELS) for weight in weights])


def edge_threshold(outlines: Sequence[NDArray[np.float64]], start: float) -> float:
    """Choose the threshold at which the outlines of many heatmaps follow the edges of their images.

    It is the nearest one to a first estimate at which they do so about as well as at the best one: with at least 93 %
    of the edge strength that outlines have there above random ones, or with no significant difference. So the estimate
    changes no further than the images require.

    Args:
        outlines: Result of :func:`outline_edges` for each image.
        start: The first estimate, in (0, 1).

    Returns:
        A multiple of 0.01 in [0.15, 0.95]; or ``start``, if fewer than five heatmaps have outlines, if these follow
        edges no better than random ones, or if the edge strength grows up to the highest threshold, as for objects that
        are smaller than a heatmap can show.

    Source:
        The constants were chosen on 19 data sets, see docs/benchmarks.md. The standard error is that of a ratio of
        means: Cochran, "Sampling Techniques", 1977, chapter 6.

    Example:
        >>> length = np.ones(101)
        >>> edges = np.exp(-np.square(np.linspace(0, 1, 101) - 0.7) / 0.02)
        >>> edge_threshold([np.stack([length, edges])] * 5, start=0.4)
        0.68
    """
    kept = [outline for outline in outlines if outline[0].any()]
    if len(kept) < _MIN_IMAGES:
        return start
    lengths, edges = _smooth(np.stack(kept)).transpose(1, 0, 2)  # (N, levels) each
    length = np.maximum(lengths.mean(axis=0), np.finfo(float).tiny)
    strength = edges.mean(axis=0) / length
    candidates = np.arange(_LOWEST, _HIGHEST + 1)
    best = candidates[strength[candidates].argmax()]
    if best >= _STILL_GROWING or strength[best] <= _RANDOM:
        return start
    influence = (edges - strength * lengths) / length
    error = (influence[:, [best]] - influence).std(axis=0, ddof=1) / np.sqrt(len(kept))
    margin = np.maximum(_STANDARD_ERRORS * error, _CLOSE * (strength[best] - _RANDOM))
    close = candidates[(strength >= strength[best] - margin)[candidates]]
    return float(close[np.abs(close - (LEVELS - 1) * start).argmin()] / (LEVELS - 1))


def _resized(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Resize the channels of an image to the common size, shape (C, 144, 144)."""
    channels = [Image.fromarray(pixels[..., i]) for i in range(pixels.shape[-1])]
    resized = [np.asarray(one.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)) for one in channels]
    return np.stack(resized).astype(np.float64)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each value as a fraction, 0 for the lowest and 1 for the highest, shape (H * W,).

    Equal values have their mean rank.
    """
    from scipy.stats import rankdata

    ranks: NDArray[np.float64] = (rankdata(values) - 1) / max(values.size - 1, 1)
    return ranks


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum each level with its neighbors along the last axis; there are fewer at the ends."""
    sums = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(1, 0)]).cumsum(axis=-1)
    levels = np.arange(values.shape[-1])
    low, high = np.maximum(levels - _SMOOTHING, 0), np.minimum(levels + _SMOOTHING + 1, len(levels))
    smoothed: NDArray[np.float64] = sums[..., high] - sums[..., low]
    return smoothed
