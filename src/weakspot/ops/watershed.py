"""Split regions of a heatmap that have several peaks, such as objects that touch."""

import numpy as np
from numpy.typing import NDArray

from weakspot.ops.components import EIGHT_CONNECTED

# Minimum prominence of a peak, as a fraction of the heatmap's maximum.
PROMINENCE = 0.2


def split_instances(
    labels: NDArray[np.int32], heatmap: NDArray[np.floating], *, prominence: float = PROMINENCE
) -> NDArray[np.int32]:
    """Split labeled regions between their peaks, along the lines of lowest activation.

    Args:
        labels: Shape (H, W), 0 for background; regions do not touch, like those of
            :func:`~weakspot.ops.connected_components`.
        heatmap: Shape (H, W), finite.
        prominence: Minimum prominence of a peak as a fraction of the heatmap's maximum, in (0, 1]: the descent on the
            way to any peak of the same region that is at least as high must be greater.

    Returns:
        Shape (H, W): the same foreground, its pieces numbered from 1 on by their peaks in raster order. Each piece is
        8-connected. A region with one peak, or with one value, stays whole.

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
    # Fill the background with a low value, so that each region has its own peak.
    surface = np.pad(np.where(foreground, heatmap, -peak).astype(np.float64), 1, constant_values=-peak)
    # A peak that is lowered by its prominence and then is not above the saddle is suppressed.
    lowered = reconstruction(surface - prominence * peak, surface, footprint=EIGHT_CONNECTED)
    peaks, _ = ndimage.label(local_maxima(lowered, footprint=EIGHT_CONNECTED), structure=EIGHT_CONNECTED)
    pieces: NDArray[np.int32] = watershed(
        -surface[1:-1, 1:-1], peaks[1:-1, 1:-1], connectivity=EIGHT_CONNECTED, mask=foreground
    )
    return pieces
