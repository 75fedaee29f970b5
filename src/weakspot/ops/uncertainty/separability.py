"""Doubt that a heatmap gives whose object does not stand out."""

import numpy as np
from numpy.typing import NDArray


def inseparability(heatmap: NDArray[np.floating]) -> float:
    """How little of a heatmap's variance a cut into two explains, at the cut that explains most (Otsu's).

    Args:
        heatmap: Shape (H, W), in [0, 1].

    Returns:
        1 less the variance between the two parts over the whole, in [0, 1]; 1 for a constant heatmap.

    Source:
        Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE SMC 1979: the separability eta.

    Example:
        >>> round(inseparability(np.array([[0.0, 0.0, 1.0]])), 6), inseparability(np.zeros((2, 2)))
        (0.0, 1.0)
    """
    counts, edges = np.histogram(heatmap, bins=256, range=(0.0, 1.0))
    middles = (edges[:-1] + edges[1:]) / 2
    mean = (counts * middles).sum() / counts.sum()
    variance = (counts * (middles - mean) ** 2).sum() / counts.sum()
    if variance <= 0:
        return 1.0
    below = counts.cumsum()[:-1] / counts.sum()
    apart = mean * below - (counts * middles).cumsum()[:-1] / counts.sum()
    weight = below * (1 - below)
    between = np.divide(apart**2, weight, out=np.zeros_like(weight), where=weight > 0)
    return float(np.clip(1 - between.max() / variance, 0.0, 1.0))
