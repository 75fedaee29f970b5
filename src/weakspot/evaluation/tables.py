"""Tables of metrics, as lists of cells and as Markdown."""

from collections.abc import Mapping, Sequence
from math import isnan

from weakspot.evaluation.metric_collection import METRICS, UNTHRESHOLDED, MetricValue
from weakspot.evaluation.targets import SIZES
from weakspot.terminal import printable

Table = list[list[str]]
MetricRows = Mapping[str, Mapping[str, MetricValue]]

NONE = "-"

LEGEND = (
    "oracle: best threshold for these images themselves; fixed: threshold selected on other images, "
    "with 95 % confidence interval"
)
INSTANCE_LEGEND = (
    "one-to-one matches at an IoU of 0.5: all regions of at least 1 % of the image, "
    "at the fixed threshold of GT-known Loc"
)


def summary_table(rows: MetricRows) -> Table:
    """Return a row per map: every metric at the oracle and at the fixed threshold."""
    metrics = _metrics(rows)
    header = ["map", *(column for metric in metrics for column in _columns(metric))]
    return [header, *([name, *_cells(values, metrics)] for name, values in rows.items())]


def detail_table(rows: MetricRows) -> Table:
    """Return a row per metric: the first map with intervals and thresholds, then the values of the other maps."""
    (name, metrics), *others = rows.items()
    header = ["metric", "images", f"{name}, oracle", "95 %", "at", f"{name}, fixed", "95 %", "at"]
    header += [f"{other}, {kind}" for other, _ in others for kind in ("oracle", "fixed")]
    lines = []
    for metric in _metrics(rows):
        value = metrics[metric]
        line = [metric, str(value.images)]
        line += [_number(value.oracle), format_range(value.oracle_interval), _thresholds(value.oracle_thresholds)]
        line += [_number(value.fixed), format_range(value.fixed_interval), _thresholds(value.fixed_thresholds)]
        for _, other_metrics in others:
            other = other_metrics.get(metric)
            line += [NONE, NONE] if other is None else [_number(other.oracle), _number(other.fixed)]
        lines.append(line)
    return [header, *lines]


def group_table(groups: Mapping[str, Mapping[str, float]]) -> Table:
    """Return a row per group that has images: their number, and every metric at the fixed threshold.

    Example:
        >>> group_table({"small": {"images": 3, "MaxBoxAcc": 33.3}, "large": {"images": 0, "MaxBoxAcc": float("nan")}})
        [['group', 'images', 'MaxBoxAcc fixed'], ['small', '3', '33.3']]
    """
    metrics = [name for name in METRICS if any(name in values for values in groups.values())]
    header = ["group", "images", *(_columns(metric)[-1] for metric in metrics)]
    lines = [
        [name, str(values["images"]), *(_number(values.get(metric, float("nan"))) for metric in metrics)]
        for name, values in groups.items()
        if values["images"]
    ]
    return [header, *lines]


def size_table(rows: Mapping[str, Sequence[float]], counts: Sequence[int]) -> Table:
    """Return a row per map: GT-known Loc at the fixed threshold of small, medium and large objects, NaN without any.

    Example:
        >>> size_table({"cam": [0.0, 25.0, 80.0]}, [2, 4, 10])
        [['map', 'small (2)', 'medium (4)', 'large (10)'], ['cam', '0.0', '25.0', '80.0']]
    """
    header = ["map", *(f"{size} ({count})" for size, count in zip(SIZES, counts, strict=True))]
    return [header, *([name, *map(_number, values)] for name, values in rows.items())]


def instance_table(rows: Mapping[str, Mapping[str, float]]) -> Table:
    """Return a row per map with instance metrics: precision, recall and F1 of all its boxes.

    Example:
        >>> instance_table({"cam": {"precision": 75.0, "recall": 60.0, "F1": 66.7}, "none": {}})
        [['map', 'precision', 'recall', 'F1'], ['cam', '75.0', '60.0', '66.7']]
    """
    columns = ("precision", "recall", "F1")
    lines = [[name, *(_number(values[column]) for column in columns)] for name, values in rows.items() if values]
    return [["map", *columns], *lines]


def markdown(table: Table) -> str:
    """Write a table as Markdown with aligned columns; control characters in names are escaped."""
    table = [[printable(" ".join(cell.split())).replace("|", "\\|") for cell in line] for line in table]
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    header, *lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in table]
    return "\n".join([header, "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines])


def _metrics(rows: MetricRows) -> list[str]:
    return [name for name in METRICS if any(name in values for values in rows.values())]


def _columns(metric: str) -> list[str]:
    return [metric] if metric in UNTHRESHOLDED else [f"{metric} oracle", f"{metric} fixed"]


def _cells(values: Mapping[str, MetricValue], metrics: Sequence[str]) -> list[str]:
    cells = []
    for metric in metrics:
        value = values.get(metric)
        if value is None:
            cells += [NONE] * len(_columns(metric))
        elif metric in UNTHRESHOLDED:
            cells.append(_with_margin(value.fixed, value.fixed_interval))
        else:
            cells += [_number(value.oracle), _with_margin(value.fixed, value.fixed_interval)]
    return cells


def _number(value: float) -> str:
    return NONE if isnan(value) else f"{value:.1f}"


def _with_margin(value: float, interval: tuple[float, float] | None) -> str:
    margin = "" if interval is None or isnan(value) else f" ±{(interval[1] - interval[0]) / 2:.1f}"
    return _number(value) + margin


def format_range(interval: tuple[float, float] | None, decimals: int = 1) -> str:
    """Format an interval; a dash if there is none.

    Example:
        >>> format_range((1, 2.25)), format_range(None)
        ('1.0 to 2.2', '-')
    """
    if interval is None or isnan(interval[0]):
        return NONE
    return f"{interval[0]:.{decimals}f} to {interval[1]:.{decimals}f}"


def _thresholds(thresholds: Sequence[float]) -> str:
    return ", ".join(f"{threshold:.3f}" for threshold in thresholds) or NONE
