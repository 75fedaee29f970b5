"""What a report says of many items at once: their order, their classes, a histogram."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean, median
from typing import Literal, NamedTuple

from weakspot.report.content import ReportItem

IOU_THRESHOLD = 0.5  # a box is right from this overlap on (GT-known Loc)
BINS = 20

Measure = Literal["overlap", "doubt", "score"]


class ClassRow(NamedTuple):
    """One class: how many items it has, and how they went; None where nothing is known.

    Attributes:
        label: Its name.
        items: Number of items.
        score: Mean probability.
        right: Share of items whose box overlaps a true one by half or more, in percent (GT-known Loc).
        overlap: Median overlap with the true boxes.
        doubt: Mean doubt.
    """

    label: str
    items: int
    score: float | None
    right: float | None
    overlap: float | None
    doubt: float | None


def leading_measure(items: Sequence[ReportItem]) -> Measure:
    """Choose what tells the worst items: overlap where true boxes are known, else doubt, else score."""
    if any(item.overlap is not None for item in items):
        return "overlap"
    return "doubt" if any(item.doubt is not None for item in items) else "score"


def worst_first(items: Sequence[ReportItem]) -> list[ReportItem]:
    """Order items by the leading measure, the worst or most doubtful first.

    Items without the measure come last. Ties keep their order.
    """
    measure = leading_measure(items)
    sign = -1 if measure == "doubt" else 1

    def key(item: ReportItem) -> tuple[bool, float]:
        value = getattr(item, measure)
        return value is None, sign * (value or 0.0)

    return sorted(items, key=key)


def class_rows(items: Sequence[ReportItem]) -> list[ClassRow]:
    """Sum up each class; the classes are in order of their names."""
    groups = defaultdict(list)
    for item in items:
        groups[item.label].append(item)
    return [_class_row(label, groups[label]) for label in sorted(groups, key=lambda name: (name.casefold(), name))]


def _class_row(label: str, items: Sequence[ReportItem]) -> ClassRow:
    overlaps = _known(items, "overlap")
    scores, doubts = _known(items, "score"), _known(items, "doubt")
    return ClassRow(
        label,
        len(items),
        score=fmean(scores) if scores else None,
        right=right_share(overlaps),
        overlap=median(overlaps) if overlaps else None,
        doubt=fmean(doubts) if doubts else None,
    )


def _known(items: Sequence[ReportItem], measure: Measure) -> list[float]:
    return [value for item in items if (value := getattr(item, measure)) is not None]


def right_share(overlaps: Sequence[float]) -> float | None:
    """Share of overlaps of a half or more, in percent; None of none.

    Example:
        >>> right_share([0.2, 0.5, 0.9, 0.49])
        50.0
    """
    return 100 * sum(overlap >= IOU_THRESHOLD for overlap in overlaps) / len(overlaps) if overlaps else None


def histogram(items: Sequence[ReportItem], measure: Measure) -> list[int]:
    """Count a measure's values in 20 bins over [0, 1]; the last one holds 1, too. Empty where no value is known."""
    values = _known(items, measure)
    counts = [0] * BINS
    for value in values:
        counts[min(max(int(value * BINS), 0), BINS - 1)] += 1
    return counts if values else []
