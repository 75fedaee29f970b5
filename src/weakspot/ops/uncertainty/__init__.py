"""How much a box is in doubt, told without knowing the truth: plain arrays, a cue a function."""

from weakspot.ops.uncertainty.calibration import Calibration, fit_calibration
from weakspot.ops.uncertainty.cues import TYPICAL, Cues, cues_of, doubt_of, shares_of, witness_of

__all__ = ["TYPICAL", "Calibration", "Cues", "cues_of", "doubt_of", "fit_calibration", "shares_of", "witness_of"]
