"""Superpixels: the heatmap averaged over patches of similar color."""

import numpy as np
from numpy.typing import NDArray

from weakspot.ops import normalize

PATCHES, COMPACTNESS = 100, 10.0


def superpixels(image: NDArray[np.uint8], heatmap: NDArray[np.floating], threshold: float) -> NDArray[np.float32]:  # noqa: ARG001
    """Average a heatmap over patches of similar color, so that its edges are those of the image.

    The result is min-max normalized, and all zeros if all averages are equal. The threshold is not used.

    Source:
        Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods", IEEE TPAMI 2012; the
        implementation is scikit-image's.

    Example:
        >>> image, heatmap = np.zeros((60, 60, 3), np.uint8), np.zeros((60, 60), np.float32)
        >>> image[:, 30:], heatmap[:, 31:] = 255, 1.0
        >>> refined = superpixels(image, heatmap, 0.5)
        >>> float(refined[:, 29].max()), bool((refined[:, 30] >= 0.5).all())
        (0.0, True)
    """
    from skimage.segmentation import slic

    patches = slic(image, n_segments=PATCHES, compactness=COMPACTNESS, start_label=0, channel_axis=-1)
    sums = np.bincount(patches.ravel(), heatmap.ravel())
    return normalize((sums / np.maximum(np.bincount(patches.ravel()), 1))[patches])
