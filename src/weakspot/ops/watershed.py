"""Split regions of a heatmap that hold several peaks: objects that touch."""

import numpy as np
from numpy.typing import NDArray

from weakspot.ops.components import EIGHT_CONNECTED

# How far, of the whole peak, one must go down from a peak on the way to a higher one.
PROMINENCE = 0.2


def split_instances(
    labels: NDArray[np.int32], heatmap: NDArray[np.floating], *, prominence: float = PROMINENCE
) -> NDArray[np.int32]:
    """Split labelled regions between their peaks, along the lines where the heatmap is lowest.

    Args:
        labels: Shape (H, W), 0 for background; regions do not touch, as those of
            :func:`~weakspot.ops.connected_components`.
        heatmap: Shape (H, W), finite.
        prominence: From a peak one must go down further than this on the way to another of the same region that is
            as high or higher, as a fraction of the heatmap's greatest value, in (0, 1]: other peaks are none.

    Returns:
        Shape (H, W): the same foreground in pieces, numbered from 1 on, by their peaks in raster order. Each piece
        is 8-connected. A region with one peak, or of one value, stays whole.

    Source:
        Meyer, "Topographic Distance and Watershed Lines", Signal Processing 1994; for the peaks, extended maxima:
        Soille, "Morphological Image Analysis", 2003, section 6.3. The implementation is scikit-image's.

    Example:
        >>> heatmap = np.array([[0.0, 1.0, 0.6, 0.5, 0.9, 0.0]])
        >>> split_instances((heatmap > 0).astype(np.int32), heatmap).tolist()
        [[0, 1, 1, 2, 2, 0]]
        >>> split_instances((heatmap > 0).astype(np.int32), heatmap, prominence=0.5).tolist()
        [[0, 1, 1, 1, 1, 0]]
    """
    from scipy import ndimage
    from skimage.morphology import local_maxima, reconstruction
    from skimage.segmentation import watershed

    foreground, peak = labels > 0, float(heatmap.max())
    if not foreground.any() or peak <= 0:
        return labels
    # Low ground between regions and around the map, so that each region has a peak of its own.
    ground = np.pad(np.where(foreground, heatmap, -peak).astype(np.float64), 1, constant_values=-peak)
    # What is left of a peak when it is cut down by so much, and lies no higher than the pass, is none.
    cut_down = reconstruction(ground - prominence * peak, ground, footprint=EIGHT_CONNECTED)
    peaks, _ = ndimage.label(local_maxima(cut_down, footprint=EIGHT_CONNECTED), structure=EIGHT_CONNECTED)
    pieces: NDArray[np.int32] = watershed(
        -ground[1:-1, 1:-1], peaks[1:-1, 1:-1], connectivity=EIGHT_CONNECTED, mask=foreground
    )
    return pieces
