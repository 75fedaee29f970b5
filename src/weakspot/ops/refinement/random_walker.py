"""Random walker: foreground and background spread from the heatmap's seeds until they meet at an edge."""

import numpy as np
from numpy.typing import NDArray

from weakspot.ops.refinement.rescale import remap

# How little a walker likes to cross an edge.
BETA = 1000.0
# Foreground is so much of the way from the level to the peak; background is so much of the level.
SURE_FOREGROUND, SURE_BACKGROUND = 0.5, 0.5


def random_walker(image: NDArray[np.uint8], heatmap: NDArray[np.floating], level: float) -> NDArray[np.float32]:
    """Give the probability that a walker who avoids edges comes to the heatmap's hot part before its cold one.

    Args:
        image: Shape (H, W, 3), RGB.
        heatmap: Shape (H, W), in [0, 1].
        level: Fraction of the peak at which the heatmap is cut, in (0, 1).

    Returns:
        Shape (H, W), in [0, 1]: the probability, bent so that a half lies at the level. The heatmap as it was where
        it has no hot or no cold part, or the image is of one colour.

    Source:
        Grady, "Random Walks for Image Segmentation", IEEE TPAMI 2006; the implementation is scikit-image's.

    Example:
        >>> image = np.zeros((8, 8, 3), np.uint8)
        >>> image[2:6, 2:6] = 255
        >>> heatmap = np.full((8, 8), 0.4, np.float32)
        >>> heatmap[3:5, 3:5], heatmap[0], heatmap[-1] = 1.0, 0.0, 0.0
        >>> int((random_walker(image, heatmap, 0.5) >= 0.5).sum())
        16
    """
    from skimage import segmentation

    seeds = np.zeros(heatmap.shape, np.uint8)
    seeds[heatmap < SURE_BACKGROUND * level] = 1
    seeds[heatmap >= level + SURE_FOREGROUND * (1 - level)] = 2
    if len(np.unique(seeds[seeds > 0])) < 2 or seeds.all() or image.min() == image.max():
        return heatmap.astype(np.float32)
    likely = segmentation.random_walker(
        image / 255, seeds, beta=BETA, mode="cg_j", tol=1e-4, prob_tol=np.inf, return_full_prob=True, channel_axis=-1
    )
    return remap(np.clip(likely[1], 0, 1), level)
