"""Figures -> tables of text."""

from collections.abc import Mapping, Sequence
from math import isnan

from weakspot.evaluation.metric_collection import METRICS, UNTHRESHOLDED, MetricValue
from weakspot.evaluation.targets import SIZES

Table = list[list[str]]
Figures = Mapping[str, Mapping[str, MetricValue]]

NONE = "-"

# Every table says which threshold a figure has.
LEGEND = (
    "oracle: at the threshold that is best for these same images; fixed: at one chosen elsewhere, with 95 % interval"
)


INSTANCES = "one to one at an overlap of 0.5: all regions of at least 1 % of the image at GT-known's fixed threshold"


def summary_table(rows: Figures) -> Table:
    """A line for each kind of map: every metric at the oracle and at the fixed threshold.

    Example:
        >>> figure = MetricValue(9, 70.0, None, (0.2,), 66.7, (60.0, 72.0), (0.25,))
        >>> summary_table({"cam": {"MaxBoxAcc": figure}})
        [['map', 'MaxBoxAcc oracle', 'MaxBoxAcc fixed'], ['cam', '70.0', '66.7 ±6.0']]
    """
    metrics = _metrics(rows)
    header = ["map", *(column for metric in metrics for column in _columns(metric))]
    return [header, *([name, *_cells(figures, metrics)] for name, figures in rows.items())]


def detail_table(rows: Figures) -> Table:
    """A line for each metric: the first kind of map with intervals and thresholds, and the others beside it."""
    (name, figures), *others = rows.items()
    header = ["metric", "images", f"{name}, oracle", "95 %", "at", f"{name}, fixed", "95 %", "at"]
    header += [f"{other}, {kind}" for other, _ in others for kind in ("oracle", "fixed")]
    lines = []
    for metric in _metrics(rows):
        one = figures[metric]
        line = [metric, str(one.images), _number(one.oracle), _range(one.oracle_interval), _at(one.oracle_thresholds)]
        line += [_number(one.fixed), _range(one.fixed_interval), _at(one.fixed_thresholds)]
        for _, theirs in others:
            there = theirs.get(metric)
            line += [NONE, NONE] if there is None else [_number(there.oracle), _number(there.fixed)]
        lines.append(line)
    return [header, *lines]


def group_table(groups: Mapping[str, Mapping[str, float]]) -> Table:
    """A line for each group that has images: their number, and every metric at the fixed threshold.

    Example:
        >>> group_table({"small": {"images": 3, "MaxBoxAcc": 33.3}, "large": {"images": 0, "MaxBoxAcc": float("nan")}})
        [['group', 'images', 'MaxBoxAcc fixed'], ['small', '3', '33.3']]
    """
    metrics = [name for name in METRICS if any(name in figures for figures in groups.values())]
    header = ["group", "images", *(_columns(metric)[-1] for metric in metrics)]
    there = {name: figures for name, figures in groups.items() if figures["images"]}
    lines = [
        [name, str(figures["images"]), *(_number(figures.get(metric, float("nan"))) for metric in metrics)]
        for name, figures in there.items()
    ]
    return [header, *lines]


def size_table(rows: Mapping[str, Sequence[float]], counts: Sequence[int]) -> Table:
    """A line for each kind of map: GT-known Loc at the fixed threshold of small, medium and large objects.

    Args:
        rows: By the name of the map, a figure for each size; NaN where there is no such object.
        counts: Number of objects of each size.

    Example:
        >>> size_table({"cam": [0.0, 25.0, 80.0]}, [2, 4, 10])
        [['map', 'small (2)', 'medium (4)', 'large (10)'], ['cam', '0.0', '25.0', '80.0']]
    """
    header = ["map", *(f"{size} ({count})" for size, count in zip(SIZES, counts, strict=True))]
    return [header, *([name, *map(_number, figures)] for name, figures in rows.items())]


def instance_table(rows: Mapping[str, Mapping[str, float]]) -> Table:
    """A line for each kind of map that has such figures: precision, recall and F1 of all its boxes.

    Example:
        >>> instance_table({"cam": {"precision": 75.0, "recall": 60.0, "F1": 66.7}, "none": {}})
        [['map', 'precision', 'recall', 'F1'], ['cam', '75.0', '60.0', '66.7']]
    """
    names = ("precision", "recall", "F1")
    lines = [[name, *(_number(figures[one]) for one in names)] for name, figures in rows.items() if figures]
    return [["map", *names], *lines]


def markdown(table: Table) -> str:
    """Write a table as Markdown, its columns aligned.

    Example:
        >>> print(markdown([["map", "PxAP"], ["cam", "60.1"]]))
        | map | PxAP |
        |-----|------|
        | cam | 60.1 |
    """
    table = [[" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in table]
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    header, *lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in table]
    return "\n".join([header, "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines])


def _metrics(rows: Figures) -> list[str]:
    return [name for name in METRICS if any(name in figures for figures in rows.values())]


def _columns(metric: str) -> list[str]:
    return [metric] if metric in UNTHRESHOLDED else [f"{metric} oracle", f"{metric} fixed"]


def _cells(figures: Mapping[str, MetricValue], metrics: Sequence[str]) -> list[str]:
    cells = []
    for metric in metrics:
        one = figures.get(metric)
        if one is None:
            cells += [NONE] * len(_columns(metric))
        elif metric in UNTHRESHOLDED:
            cells.append(_with_margin(one.fixed, one.fixed_interval))
        else:
            cells += [_number(one.oracle), _with_margin(one.fixed, one.fixed_interval)]
    return cells


def _number(value: float) -> str:
    return NONE if isnan(value) else f"{value:.1f}"


def _with_margin(value: float, interval: tuple[float, float] | None) -> str:
    known = interval is not None and not isnan(value)
    return _number(value) + (f" ±{(interval[1] - interval[0]) / 2:.1f}" if known and interval is not None else "")


def _range(interval: tuple[float, float] | None) -> str:
    return NONE if interval is None or isnan(interval[0]) else f"{interval[0]:.1f} to {interval[1]:.1f}"


def _at(thresholds: Sequence[float]) -> str:
    return ", ".join(f"{threshold:.3f}" for threshold in thresholds) or NONE
