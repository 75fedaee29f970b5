"""Table of the metrics of small objects and of images without an object."""

from collections.abc import Mapping
from math import isnan

from weakspot.evaluation.detection import (
    ALARMS,
    AUROC,
    DETECTION_METRICS,
    IMAGE_AP,
    PIXEL_AP,
    POINTING,
    REGIONS,
    DetectionValue,
)
from weakspot.evaluation.map_scores import MIN_AREA
from weakspot.evaluation.tables import NONE, Table, format_range
from weakspot.evaluation.targets import SIZES

_LEGENDS = {
    PIXEL_AP: "image pixel AP: mean over images of the average precision of the pixels of one",
    REGIONS: "AUPRO: per-region overlap up to a false positive rate of 0.3",
    ALARMS: f"false alarms: boxes on images without an object, of all regions of at least {100 * MIN_AREA:g} % of the "
    "image at the fixed threshold",
}


def detection_table(rows: Mapping[str, Mapping[str, DetectionValue]]) -> Table:
    """Return a row per metric of the first map: its value, interval and sizes, then the values of the other maps.

    Example:
        >>> value = DetectionValue(3, 66.7, (33.3, 100.0), (50.0, 100.0, float("nan")), (2, 1, 0))
        >>> for line in detection_table({"cam": {"pointing game": value}, "whole": {}}):
        ...     print(line)
        ['metric', 'images', 'cam', '95 %', 'small', 'medium', 'large', 'whole']
        ['pointing game', '3', '66.7', '33.3 to 100.0', '50.0 (2)', '100.0 (1)', '-', '-']
    """
    (name, first), *others = rows.items()
    header = ["metric", "images", name, "95 %", *SIZES, *(other for other, _ in others)]
    return [
        header,
        *(_line(metric, first, [row for _, row in others]) for metric in DETECTION_METRICS if metric in first),
    ]


def detection_legend(metrics: Mapping[str, DetectionValue], tolerance: float, image_score: str) -> str:
    """Explain the metrics of a table, those that it has."""
    parts = {POINTING: f"pointing game: the peak is within {tolerance:g} pixels of the object, in the 224 x 224 frame"}
    parts |= _LEGENDS
    if image_score:
        parts[AUROC] = f"{AUROC} and {IMAGE_AP}: is there an object, by {image_score}"
    return "; ".join(parts[metric] for metric in DETECTION_METRICS if metric in metrics and metric in parts)


def _line(metric: str, first: Mapping[str, DetectionValue], others: list[Mapping[str, DetectionValue]]) -> list[str]:
    value, decimals = first[metric], 2 if metric == ALARMS else 1
    sizes = [
        f"{one:.1f} ({count})" if count and not isnan(one) else NONE
        for one, count in zip(value.sizes, value.size_counts, strict=True)
    ]
    line = [metric, str(value.images), _number(value.value, decimals), format_range(value.interval, decimals)]
    line += sizes or [NONE] * len(SIZES)
    return line + [_number(other[metric].value, decimals) if metric in other else NONE for other in others]


def _number(value: float, decimals: int) -> str:
    return NONE if isnan(value) else f"{value:.{decimals}f}"
