"""All cues of one heatmap, and the doubt that they come to."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from weakspot.ops import heatmap_from_class_map
from weakspot.ops.uncertainty.agreement import map_difference, region_disagreement
from weakspot.ops.uncertainty.separability import inseparability
from weakspot.ops.uncertainty.stability import band_tree, box_instability, competing_area


@dataclass(frozen=True)
class Cues:
    """What speaks against a box, each in [0, 1], 0 where nothing does; None where it is not known.

    Attributes:
        instability: The box hangs on the threshold.
        rivalry: Much of what is above the threshold lies elsewhere.
        blur: The heatmap does not fall into two parts.
        disagreement: Another method sees the object elsewhere.
        background: The heatmap does not follow what the foreground head takes for an object.
    """

    instability: float
    rivalry: float
    blur: float
    disagreement: float | None = None
    background: float | None = None


# What each cue comes to in an image in the middle: about the medians of 179 photos that a run had not learnt from.
REFERENCE_CUES = Cues(instability=0.15, rivalry=0.02, blur=0.1, disagreement=0.02, background=0.008)


def uncertainty_cues(
    heatmap: NDArray[np.floating],
    threshold: float,
    *,
    witness: NDArray[np.floating] | None = None,
    foreground: NDArray[np.floating] | None = None,
) -> Cues | None:
    """Find all cues of a heatmap.

    Args:
        heatmap: Shape (H, W), in [0, 1].
        threshold: Fraction of the heatmap's peak at which boxes are cut, in (0, 1].
        witness: Class map of the same class by another method, shape (h, w), any sign; see :func:`reference_method`.
        foreground: Probability that something stands there, shape (h, w).

    Returns:
        The cues; None where the heatmap is empty, which leaves nothing to ask.

    Raises:
        InputError: If the threshold is outside (0, 1], or the heatmap is not a finite 2-D array.
    """
    tree = band_tree(heatmap, threshold)
    if not len(tree.boxes):
        return None
    height, width = heatmap.shape
    other = None if witness is None else heatmap_from_class_map(witness, height=height, width=width)
    return Cues(
        instability=box_instability(tree, threshold),
        rivalry=competing_area(tree, threshold),
        blur=inseparability(heatmap),
        disagreement=None if other is None else region_disagreement(heatmap, other, threshold),
        background=None if foreground is None else map_difference(heatmap, foreground),
    )


def uncertainty_score(cues: Cues | None) -> float:
    """Bring cues to one number: the mean of the shares of those that are known, see :func:`normalized_cues`.

    Nothing is fitted, so it can be said of one image alone. It is a rank, and no probability: see
    :func:`fit_calibration`.

    Args:
        cues: Those of a heatmap; None where it is empty.

    Returns:
        In [0, 1], 1 the most doubtful, which an empty heatmap always is.

    Example:
        >>> uncertainty_score(REFERENCE_CUES), uncertainty_score(Cues(0.0, 0.0, 0.0)), doubt_of(None)
        (0.5, 0.0, 1.0)
    """
    return 1.0 if cues is None else float(np.mean(list(normalized_cues(cues).values())))


def normalized_cues(cues: Cues) -> dict[str, float]:
    """Give each known cue over the sum of itself and what is typical of it: all of them on one scale.

    A typical cue is one half, one of zero nothing, and a great one no more than 1, however great.

    Example:
        >>> normalized_cues(Cues(instability=0.15, rivalry=0.0, blur=0.1))
        {'box_instability': 0.5, 'competing_area': 0.0, 'inseparability': 0.5}
    """
    values = {field.name: getattr(cues, field.name) for field in fields(cues)}
    typical = {name: getattr(REFERENCE_CUES, name) for name in values}
    return {name: value / (value + typical[name]) for name, value in values.items() if value is not None}


def reference_method(method: str) -> str:
    """Name the method whose map is compared with another's, from the same forward pass.

    LayerCAM lets only what speaks for the class have a say, place by place; where a map hangs on what speaks against
    it, the two part. LayerCAM's own is compared with Grad-CAM's.

    Example:
        >>> reference_method("cam"), reference_method("layercam")
        ('layercam', 'gradcam')
    """
    return "gradcam" if method == "layercam" else "layercam"
