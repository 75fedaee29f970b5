"""Metrics of an evaluation as a table: every map, its values at both thresholds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Names of the last rows of an evaluation.
_FULL_IMAGE = "full-image box"
BASELINES = ("centred Gaussian", _FULL_IMAGE)


@dataclass(frozen=True)
class Cell:
    """One metric of one map, as text; empty if unknown.

    Attributes:
        fixed: Value at the fixed threshold, or of a metric without thresholds.
        margin: Half of its 95 % confidence interval.
        fixed_at: Fixed threshold.
        oracle: Value at the best threshold for the same images.
        oracle_at: Oracle threshold.
        best: Whether no other map has a larger value at its fixed threshold, baselines excluded.
    """

    fixed: str = ""
    margin: str = ""
    fixed_at: str = ""
    oracle: str = ""
    oracle_at: str = ""
    best: bool = False


@dataclass(frozen=True)
class MetricTable:
    """Metrics by map.

    Attributes:
        metrics: Names of the columns.
        rows: Name of the map, whether it is a baseline, and a cell for each metric.
    """

    metrics: tuple[str, ...]
    rows: tuple[tuple[str, bool, tuple[Cell, ...]], ...]


def metric_table(rows: Mapping[str, Mapping[str, Any]]) -> MetricTable:
    """Convert the rows of ``metrics.json`` to a table.

    Args:
        rows: Rows of :meth:`weakspot.evaluation.Evaluation.to_dict`, by the name of the map.

    Raises:
        KeyError, TypeError, ValueError: If they are anything else.

    Example:
        >>> value = {"fixed": 66.66, "fixed_interval": [60, 72], "fixed_thresholds": [0.25],
        ...          "oracle": 70, "oracle_thresholds": [0.2]}
        >>> table = metric_table({"cam": {"figures": {"MaxBoxAcc": value}}})
        >>> table.rows[0][2][0]
        Cell(fixed='66.7', margin='±6.0', fixed_at='0.25', oracle='70.0', oracle_at='0.2', best=True)
    """
    values = {name: row["figures"] for name, row in rows.items()}
    metrics = tuple(dict.fromkeys(metric for row in values.values() for metric in row))
    best = {metric: _best(metric, values) for metric in metrics}
    lines = [
        (
            str(name),
            name in BASELINES,
            tuple(_cell(str(name), row.get(metric), best[metric]) for metric in metrics),
        )
        for name, row in values.items()
    ]
    return MetricTable(metrics, tuple(lines))


def _best(metric: str, rows: Mapping[str, Mapping[str, Any]]) -> float | None:
    values = [row[metric]["fixed"] for name, row in rows.items() if name not in BASELINES and metric in row]
    return max((float(value) for value in values if value is not None), default=None)


def _cell(name: str, value: Mapping[str, Any] | None, best: float | None) -> Cell:
    if value is None:
        return Cell()
    fixed, interval = value["fixed"], value.get("fixed_interval")
    has_thresholds = bool(value["fixed_thresholds"] or value["oracle_thresholds"] or value["oracle"] != fixed)
    return Cell(
        fixed=_number(fixed),
        margin=_margin(interval) if fixed is not None and interval is not None else "",
        fixed_at=_thresholds(name, value["fixed_thresholds"]),
        oracle=_number(value["oracle"]) if has_thresholds else "",
        oracle_at=_thresholds(name, value["oracle_thresholds"]),
        best=name not in BASELINES and best is not None and fixed == best,
    )


def _margin(interval: Sequence[float | None]) -> str:
    low, high = interval
    return "" if low is None or high is None else f"±{(high - low) / 2:.1f}"


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.1f}"


def _thresholds(name: str, values: Sequence[float]) -> str:
    if name == _FULL_IMAGE:  # the box is the same at every threshold
        return ""
    return ", ".join(f"{value:.3g}" for value in dict.fromkeys(values))
