"""Uncertainty of a box: the cues of one heatmap, and the score that combines them."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from weakspot.ops import heatmap_from_class_map
from weakspot.ops.uncertainty.cues import (
    band_tree,
    box_instability,
    competing_area,
    inseparability,
    map_difference,
    region_disagreement,
)
from weakspot.ops.uncertainty.typical_areas import TypicalArea, unusual_area


@dataclass(frozen=True)
class Cues:
    """Evidence against a box: each cue is in [0, 1], 0 if the box is certain, and None if it is unavailable.

    Attributes:
        box_instability: Change of the box if the threshold changes.
        competing_area: Fraction of the area above the threshold outside the default region.
        inseparability: Variance of the heatmap that no threshold explains.
        disagreement: Disagreement with the region of another method.
        background: Difference from the foreground probability of a fitted foreground head.
        unusual_area: How unusual the area of the box is for its class.
    """

    box_instability: float
    competing_area: float
    inseparability: float
    disagreement: float | None = None
    background: float | None = None
    unusual_area: float | None = None


# About the median of each cue over 179 images that the classifier was not trained on; of most boxes, the area is usual,
# and three spreads from the median count as one half.
REFERENCE_CUES = Cues(
    box_instability=0.15,
    competing_area=0.02,
    inseparability=0.1,
    disagreement=0.02,
    background=0.008,
    unusual_area=0.5,
)


def uncertainty_cues(
    heatmap: NDArray[np.floating],
    threshold: float,
    *,
    evidence: NDArray[np.int32] | None = None,
    reference_map: NDArray[np.floating] | None = None,
    foreground: NDArray[np.floating] | None = None,
    typical_area: TypicalArea | None = None,
) -> Cues | None:
    """Compute all cues of a heatmap.

    Args:
        heatmap: Shape (H, W), in [0, 1].
        threshold: Threshold of the boxes as a fraction of the heatmap's maximum, in (0, 1].
        evidence: Evidence in each pixel, shape (H, W), by which the default region is chosen; None for the largest one.
        reference_map: Class map of the same class by the :func:`reference_method`, shape (h, w), any sign.
        foreground: Foreground probability at each position, shape (h, w).
        typical_area: Typical box area of the class.

    Returns:
        The cues, or None for an empty heatmap.

    Raises:
        InputError: ``out-of-range`` for the threshold, ``shape-mismatch`` or ``not-finite`` for the heatmap.
    """
    tree = band_tree(heatmap, threshold, evidence)
    if not len(tree.boxes):
        return None
    height, width = heatmap.shape
    x1, y1, x2, y2 = tree.boxes_at(threshold, min_area=1.0)[0]
    area = float((x2 - x1) * (y2 - y1) / heatmap.size)
    other = None if reference_map is None else heatmap_from_class_map(reference_map, height=height, width=width)
    return Cues(
        box_instability=box_instability(tree, threshold),
        competing_area=competing_area(tree, threshold),
        inseparability=inseparability(heatmap),
        disagreement=None if other is None else region_disagreement(heatmap, other, threshold),
        background=None if foreground is None else map_difference(heatmap, foreground),
        unusual_area=None if typical_area is None else unusual_area(area, typical_area),
    )


def uncertainty_score(cues: Cues | None) -> float:
    """Average the available cues, normalized by :func:`normalized_cues`.

    The score ranks boxes without any fitted parameter; :func:`fit_calibration` turns it into a probability.

    Args:
        cues: Cues of a heatmap, or None for an empty one.

    Returns:
        In [0, 1]; 1, the most uncertain, for an empty heatmap.

    Example:
        >>> uncertainty_score(REFERENCE_CUES), uncertainty_score(Cues(0.0, 0.0, 0.0)), uncertainty_score(None)
        (0.5, 0.0, 1.0)
    """
    return 1.0 if cues is None else float(np.mean(list(normalized_cues(cues).values())))


def normalized_cues(cues: Cues) -> dict[str, float]:
    """Bring the available cues to a common scale: ``cue / (cue + reference)``, the reference in REFERENCE_CUES.

    Returns:
        Value by name: 0.5 for a cue that equals its reference, 0 for 0, below 1 for any other.

    Example:
        >>> normalized_cues(Cues(box_instability=0.15, competing_area=0.0, inseparability=0.1))
        {'box_instability': 0.5, 'competing_area': 0.0, 'inseparability': 0.5}
    """
    reference = asdict(REFERENCE_CUES)
    return {name: cue / (cue + reference[name]) for name, cue in asdict(cues).items() if cue is not None}


def reference_method(method: str) -> str:
    """Return the method whose map a method's map is compared with, computed in the same forward pass.

    LayerCAM uses positive evidence only; a map that depends on negative evidence differs from it. LayerCAM itself is
    compared with Grad-CAM.

    Example:
        >>> reference_method("cam"), reference_method("layercam")
        ('layercam', 'gradcam')
    """
    return "gradcam" if method == "layercam" else "layercam"
