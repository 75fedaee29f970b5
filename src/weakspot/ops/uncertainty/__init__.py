"""How much a box is in doubt, told without knowing the truth: plain arrays, a cue a function."""

from weakspot.ops.uncertainty.calibration import Calibration, fit_calibration
from weakspot.ops.uncertainty.cues import (
    REFERENCE_CUES,
    Cues,
    normalized_cues,
    reference_method,
    uncertainty_cues,
    uncertainty_score,
)

__all__ = [
    "REFERENCE_CUES",
    "Calibration",
    "Cues",
    "fit_calibration",
    "normalized_cues",
    "reference_method",
    "uncertainty_cues",
    "uncertainty_score",
]
