"""Random walker: foreground and background grow from the heatmap's seeds until they meet at an edge."""

import numpy as np
from numpy.typing import NDArray

from weakspot.ops.refinement.rescale import remap

# Penalty of crossing an edge.
BETA = 1000.0
# Foreground seeds are above this fraction of the way from the threshold to the maximum; background seeds are below
# this fraction of the threshold.
SURE_FOREGROUND, SURE_BACKGROUND = 0.5, 0.5


def random_walker(image: NDArray[np.uint8], heatmap: NDArray[np.floating], threshold: float) -> NDArray[np.float32]:
    """Compute the probability that a random walk that avoids edges reaches a foreground seed first.

    It is remapped such that 0.5 becomes the threshold. The heatmap is unchanged if it has no foreground or no
    background seeds, or the image has one color.

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
    seeds[heatmap < SURE_BACKGROUND * threshold] = 1
    seeds[heatmap >= threshold + SURE_FOREGROUND * (1 - threshold)] = 2
    if len(np.unique(seeds[seeds > 0])) < 2 or seeds.all() or image.min() == image.max():
        return heatmap.astype(np.float32)
    # The direct solver: conjugate gradients are slower at this size, and do not always converge.
    probability = segmentation.random_walker(
        image / 255, seeds, beta=BETA, mode="bf", prob_tol=np.inf, return_full_prob=True, channel_axis=-1
    )
    return remap(np.clip(probability[1], 0, 1), threshold)
