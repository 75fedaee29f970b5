"""Uncertainty of a box without ground truth, computed from its heatmap."""

from weakspot.ops.uncertainty.calibration import Calibration, fit_calibration
from weakspot.ops.uncertainty.score import (
    REFERENCE_CUES,
    Cues,
    normalized_cues,
    reference_method,
    uncertainty_cues,
    uncertainty_score,
)
from weakspot.ops.uncertainty.typical_areas import TypicalArea, estimate_typical_areas, unusual_area

__all__ = [
    "REFERENCE_CUES",
    "Calibration",
    "Cues",
    "TypicalArea",
    "estimate_typical_areas",
    "fit_calibration",
    "normalized_cues",
    "reference_method",
    "uncertainty_cues",
    "uncertainty_score",
    "unusual_area",
]
