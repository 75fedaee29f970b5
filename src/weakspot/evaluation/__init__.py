"""Ground truth and maps in, the field's figures out."""

from weakspot.evaluation.box_files import read_boxes
from weakspot.evaluation.results import Evaluation, Measured
from weakspot.evaluation.running import METHODS, compare, evaluate, evaluate_boxes, evaluate_maps
from weakspot.evaluation.setting import Setting
from weakspot.evaluation.tallies import Figure

__all__ = [
    "METHODS",
    "Evaluation",
    "Figure",
    "Measured",
    "Setting",
    "compare",
    "evaluate",
    "evaluate_boxes",
    "evaluate_maps",
    "read_boxes",
]
