"""Summaries of many items: order, classes, histogram, error probabilities."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, median
from typing import Literal, NamedTuple

import numpy as np

from weakspot.ops.uncertainty import fit_calibration
from weakspot.report.content import ReportItem

IOU_THRESHOLD = 0.5  # minimum IoU of a correct box (GT-known Loc)
BINS = 20
MIN_CALIBRATION_ITEMS = 50

Measure = Literal["iou", "uncertainty", "score"]


class ClassRow(NamedTuple):
    """Summary of one class; values are None if unknown.

    Attributes:
        label: Name of the class.
        items: Number of items.
        score: Mean probability.
        correct: Percentage of items whose box has an IoU of at least 0.5 with the ground truth (GT-known Loc).
        iou: Median IoU with the ground truth.
        uncertainty: Mean uncertainty.
    """

    label: str
    items: int
    score: float | None
    correct: float | None
    iou: float | None
    uncertainty: float | None


def leading_measure(items: Sequence[ReportItem]) -> Measure:
    """Choose the measure that orders items: IoU if ground truth is known, otherwise uncertainty, otherwise score."""
    if any(item.iou is not None for item in items):
        return "iou"
    return "uncertainty" if any(item.uncertainty is not None for item in items) else "score"


def worst_first(items: Sequence[ReportItem]) -> list[ReportItem]:
    """Sort items by the leading measure, the worst or most uncertain first.

    Items without the measure come last. Ties keep their order.
    """
    measure = leading_measure(items)
    sign = -1 if measure == "uncertainty" else 1

    def key(item: ReportItem) -> tuple[bool, float]:
        value = getattr(item, measure)
        return value is None, sign * (value or 0.0)

    return sorted(items, key=key)


def class_rows(items: Sequence[ReportItem]) -> list[ClassRow]:
    """Summarize each class, in alphabetical order."""
    groups = defaultdict(list)
    for item in items:
        groups[item.label].append(item)
    return [_class_row(label, groups[label]) for label in sorted(groups, key=lambda name: (name.casefold(), name))]


def _class_row(label: str, items: Sequence[ReportItem]) -> ClassRow:
    ious, scores, uncertainties = (_values(items, measure) for measure in ("iou", "score", "uncertainty"))
    return ClassRow(
        label,
        len(items),
        score=fmean(scores) if scores else None,
        correct=percent_correct(ious),
        iou=median(ious) if ious else None,
        uncertainty=fmean(uncertainties) if uncertainties else None,
    )


def _values(items: Sequence[ReportItem], measure: str) -> list[float]:
    return [value for item in items if (value := getattr(item, measure)) is not None]


def percent_correct(ious: Sequence[float]) -> float | None:
    """Return the percentage of IoUs of at least 0.5; None if there are none.

    Example:
        >>> percent_correct([0.2, 0.5, 0.9, 0.49])
        50.0
    """
    return 100 * sum(iou >= IOU_THRESHOLD for iou in ious) / len(ious) if ious else None


def histogram(items: Sequence[ReportItem], measure: Measure) -> list[int]:
    """Count the values of a measure in 20 bins over [0, 1]; empty if no value is known."""
    values = _values(items, measure)
    counts = [0] * BINS
    for value in values:
        counts[min(max(int(value * BINS), 0), BINS - 1)] += 1
    return counts if values else []


def with_error_probability(items: Sequence[ReportItem]) -> list[ReportItem]:
    """Add the probability that the box is wrong as a fact to each item that has an uncertainty.

    The uncertainty is calibrated on the items with ground truth. Nothing is added if fewer than 50 items have both an
    uncertainty and an IoU, or if all of these are correct or all wrong.
    """
    pairs = [
        (item.uncertainty, item.iou < IOU_THRESHOLD)
        for item in items
        if item.uncertainty is not None and item.iou is not None
    ]
    if len(pairs) < MIN_CALIBRATION_ITEMS or len({wrong for _, wrong in pairs}) < 2:
        return list(items)
    uncertainties, wrong = np.array(pairs, float).T
    calibration = fit_calibration(uncertainties[:, None], wrong.astype(bool))

    def percent(uncertainty: float) -> str:
        return f"{100 * calibration.probability(np.array([[uncertainty]])).item():.0f} %"

    return [
        item
        if item.uncertainty is None
        else replace(item, facts={"error probability": percent(item.uncertainty), **item.facts})
        for item in items
    ]
