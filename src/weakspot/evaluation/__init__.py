"""Measure predictions against ground truth by the WSOL protocol (Choe et al., 2020)."""

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from weakspot.evaluation.config import EvaluationConfig as EvaluationConfig
    from weakspot.evaluation.external_boxes import read_boxes as read_boxes
    from weakspot.evaluation.metric_collection import MetricValue as MetricValue
    from weakspot.evaluation.protocol import compare as compare
    from weakspot.evaluation.protocol import evaluate as evaluate
    from weakspot.evaluation.protocol import evaluate_boxes as evaluate_boxes
    from weakspot.evaluation.protocol import evaluate_maps as evaluate_maps
    from weakspot.evaluation.results import Evaluation as Evaluation
    from weakspot.evaluation.results import MethodResult as MethodResult

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "external_boxes": ["read_boxes"],
        "results": ["Evaluation", "MethodResult"],
        "protocol": ["compare", "evaluate", "evaluate_boxes", "evaluate_maps"],
        "config": ["EvaluationConfig"],
        "metric_collection": ["MetricValue"],
    },
)
