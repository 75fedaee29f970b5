"""The metrics of an evaluation as a table: every kind of map, its figures at both thresholds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The rows that an evaluation ends with, by name.
_WHOLE = "full-image box"
BASELINES = ("centred Gaussian", _WHOLE)


@dataclass(frozen=True)
class Cell:
    """One metric of one kind of map, as text; empty where it is not known.

    Attributes:
        fixed: The figure at the fixed threshold, or of a metric without thresholds.
        margin: Half of its 95 % interval.
        fixed_at: That threshold.
        oracle: The figure at the threshold that is best for the same images.
        oracle_at: That threshold.
        best: Whether no other map has a greater one at its fixed threshold; baselines aside.
    """

    fixed: str = ""
    margin: str = ""
    fixed_at: str = ""
    oracle: str = ""
    oracle_at: str = ""
    best: bool = False


@dataclass(frozen=True)
class MetricTable:
    """Metrics by kind of map.

    Attributes:
        metrics: Names of the columns.
        rows: Name of the map, whether it is a baseline, and a cell for each metric.
    """

    metrics: tuple[str, ...]
    rows: tuple[tuple[str, bool, tuple[Cell, ...]], ...]


def metric_table(rows: Mapping[str, Mapping[str, Any]]) -> MetricTable:
    """Lay out the rows of ``metrics.json``.

    Args:
        rows: By name of the map, what :meth:`weakspot.evaluation.Evaluation.to_dict` has of it.

    Raises:
        KeyError, TypeError, ValueError: If they are something else.

    Example:
        >>> figure = {"fixed": 66.66, "fixed_interval": [60, 72], "fixed_thresholds": [0.25],
        ...           "oracle": 70, "oracle_thresholds": [0.2]}
        >>> table = metric_table({"cam": {"figures": {"MaxBoxAcc": figure}}})
        >>> table.rows[0][2][0]
        Cell(fixed='66.7', margin='±6.0', fixed_at='0.25', oracle='70.0', oracle_at='0.2', best=True)
    """
    figures = {name: row["figures"] for name, row in rows.items()}
    metrics = tuple(dict.fromkeys(metric for row in figures.values() for metric in row))
    best = {metric: _best(metric, figures) for metric in metrics}
    lines = [
        (
            str(name),
            name in BASELINES,
            tuple(_cell(str(name), row.get(metric), best[metric]) for metric in metrics),
        )
        for name, row in figures.items()
    ]
    return MetricTable(metrics, tuple(lines))


def _best(metric: str, figures: Mapping[str, Mapping[str, Any]]) -> float | None:
    known = [row[metric]["fixed"] for name, row in figures.items() if name not in BASELINES and metric in row]
    return max((float(value) for value in known if value is not None), default=None)


def _cell(name: str, figure: Mapping[str, Any] | None, best: float | None) -> Cell:
    if figure is None:
        return Cell()
    fixed, interval = figure["fixed"], figure.get("fixed_interval")
    thresholded = bool(figure["fixed_thresholds"] or figure["oracle_thresholds"] or figure["oracle"] != fixed)
    return Cell(
        fixed=_number(fixed),
        margin=_margin(interval) if fixed is not None and interval is not None else "",
        fixed_at=_thresholds(name, figure["fixed_thresholds"]),
        oracle=_number(figure["oracle"]) if thresholded else "",
        oracle_at=_thresholds(name, figure["oracle_thresholds"]),
        best=name not in BASELINES and best is not None and fixed == best,
    )


def _margin(interval: Sequence[float | None]) -> str:
    low, high = interval
    return "" if low is None or high is None else f"±{(high - low) / 2:.1f}"


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.1f}"


def _thresholds(name: str, values: Sequence[float]) -> str:
    if name == _WHOLE:  # one box, whatever the threshold
        return ""
    return ", ".join(f"{value:.3g}" for value in dict.fromkeys(values))
