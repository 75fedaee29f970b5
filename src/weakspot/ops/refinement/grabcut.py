"""GrabCut: foreground and background by their colours, with the heatmap as its seeds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError
from weakspot.ops.refinement.rescale import remap_with_mask

ROUNDS = 3
# Colours mislead where what they find shares less than this with what the heatmap found (intersection over union).
LEAST_AGREEMENT = 0.5
# Surely foreground is so much of the way from the level to the peak; surely background is so much of the level.
SURE_FOREGROUND, SURE_BACKGROUND = 0.8, 0.25


def grabcut(image: NDArray[np.uint8], heatmap: NDArray[np.floating], level: float) -> NDArray[np.float32]:
    """Separate foreground from background by their colours, beginning with what the heatmap says.

    Args:
        image: Shape (H, W, 3), RGB.
        heatmap: Shape (H, W), in [0, 1].
        level: Fraction of the peak at which the heatmap is cut, in (0, 1).

    Returns:
        Shape (H, W), in [0, 1]; cut at the level, it is the foreground found. The heatmap as it was where all of
        the image, or none, is at or above the level, and where the foreground found shares less than half with what
        was above it, as colours then mislead. The same input gives the same result.

    Raises:
        InputError: If OpenCV is not installed.

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
    cv2 = opencv()
    hot = heatmap >= level
    if hot.all() or not hot.any():
        return heatmap.astype(np.float32)
    seeds = np.where(hot, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seeds[heatmap >= level + SURE_FOREGROUND * (1 - level)] = cv2.GC_FGD
    seeds[heatmap < SURE_BACKGROUND * level] = cv2.GC_BGD
    cv2.setRNGSeed(0)  # its colour clusters begin at random
    colours = [np.zeros((1, 65)) for _ in range(2)]
    pixels = np.ascontiguousarray(image[..., ::-1])
    found, _, _ = cv2.grabCut(pixels, seeds, (0, 0, 0, 0), *colours, ROUNDS, cv2.GC_INIT_WITH_MASK)
    mask = (found == cv2.GC_FGD) | (found == cv2.GC_PR_FGD)
    agrees = (mask & hot).sum() >= LEAST_AGREEMENT * (mask | hot).sum()
    return remap_with_mask(heatmap, mask, level) if agrees else heatmap.astype(np.float32)


def opencv() -> Any:
    """Give OpenCV, which only this needs.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise InputError("GrabCut needs OpenCV, which is not installed.", "pip install 'weakspot[refine]'") from error
    return cv2
