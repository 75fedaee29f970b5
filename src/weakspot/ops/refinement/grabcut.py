"""GrabCut: foreground and background by their colors, with seeds from the heatmap."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError
from weakspot.ops.refinement.rescale import remap_with_mask

ROUNDS = 3
# Minimum IoU of the result with the region above the threshold; below it, colors are misleading.
MIN_AGREEMENT = 0.5
# Certain foreground is above this fraction of the way from the threshold to the maximum; certain background is below
# this fraction of the threshold.
SURE_FOREGROUND, SURE_BACKGROUND = 0.8, 0.25


def grabcut(image: NDArray[np.uint8], heatmap: NDArray[np.floating], threshold: float) -> NDArray[np.float32]:
    """Separate foreground from background by their colors, starting from the heatmap; the result is deterministic.

    At the threshold, the foreground of the result is that of GrabCut. The heatmap is unchanged if all values or none
    reach the threshold, or if the IoU of the result with the region above it is below 0.5.

    Source:
        Rother, Kolmogorov and Blake, "GrabCut: Interactive Foreground Extraction using Iterated Graph Cuts", ACM
        Transactions on Graphics 2004; the implementation is OpenCV's.

    Example:
        >>> image = np.zeros((8, 8, 3), np.uint8)
        >>> image[2:6, 2:6] = 255
        >>> heatmap = np.zeros((8, 8), np.float32)
        >>> heatmap[2:6, 2:6], heatmap[2:5, 2:5] = 0.4, 1.0
        >>> int((grabcut(image, heatmap, 0.5) >= 0.5).sum())
        16
    """
    cv2 = import_opencv()
    above = heatmap >= threshold
    if above.all() or not above.any():
        return heatmap.astype(np.float32)
    seeds = np.where(above, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seeds[heatmap >= threshold + SURE_FOREGROUND * (1 - threshold)] = cv2.GC_FGD
    seeds[heatmap < SURE_BACKGROUND * threshold] = cv2.GC_BGD
    cv2.setRNGSeed(0)  # the color clusters are initialized at random
    color_models = [np.zeros((1, 65)) for _ in range(2)]
    pixels = np.ascontiguousarray(image[..., ::-1])
    classes, _, _ = cv2.grabCut(pixels, seeds, (0, 0, 0, 0), *color_models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    mask = (classes == cv2.GC_FGD) | (classes == cv2.GC_PR_FGD)
    agrees = (mask & above).sum() >= MIN_AGREEMENT * (mask | above).sum()
    return remap_with_mask(heatmap, mask, threshold) if agrees else heatmap.astype(np.float32)


def import_opencv() -> Any:
    """Import OpenCV, an optional dependency; InputError ``not-installed``."""
    try:
        import cv2
    except ImportError as error:
        hint = "Run: pip install 'weakspot[refine]'"
        raise InputError("not-installed", "The refinement grabcut needs OpenCV.", hint) from error
    return cv2
