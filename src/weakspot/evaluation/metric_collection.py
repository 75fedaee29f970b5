"""All metrics of one kind of map, accumulated over images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weakspot.evaluation.map_scores import Scores
from weakspot.metrics.base import PerImageMetric
from weakspot.metrics.box_accuracy import GTKnownLoc, MaxBoxAcc, MaxBoxAccV2, TopKLoc
from weakspot.metrics.mask_metrics import MaskIoU, PxAP

IOU_THRESHOLD = 0.5  # minimum IoU of a correct box
_V2_THRESHOLDS = (0.3, 0.5, 0.7)

# In the order of the columns of a table: metrics of boxes, of boxes and predictions, and of masks.
LOC = "GT-known Loc"
_BOXES = ("MaxBoxAcc", "MaxBoxAccV2", LOC)
_TOP = {"Top-1 Loc": 1, "Top-5 Loc": 5}
_MASKS = ("mask IoU", "PxAP")
METRICS = (*_BOXES, *_TOP, *_MASKS)
UNTHRESHOLDED = ("PxAP",)


@dataclass(frozen=True)
class MetricValue:
    """Value of a metric in percent, at the oracle and at the val-selected threshold.

    Attributes:
        images: Number of pairs of image and class.
        oracle: Value at the best threshold for these images themselves, as papers report it.
        oracle_interval: 95 % confidence interval of ``oracle``; None without bootstrap samples.
        oracle_thresholds: Oracle threshold, one for each IoU.
        fixed: Value at a threshold that was selected on other images (val-selected), or set by hand.
        fixed_interval: 95 % confidence interval of ``fixed``.
        fixed_thresholds: Threshold of ``fixed``, one for each IoU.
    """

    images: int
    oracle: float
    oracle_interval: tuple[float, float] | None
    oracle_thresholds: tuple[float, ...]
    fixed: float
    fixed_interval: tuple[float, float] | None
    fixed_thresholds: tuple[float, ...]


ThresholdIndices = dict[str, tuple[int, ...]]


class MetricCollection:
    """All metrics of one kind of map, also for each group, with a bootstrap; 0 samples disable confidence intervals."""

    def __init__(self, *, groups: int = 0, samples: int = 0, seed: int = 0) -> None:
        options: dict[str, Any] = {"groups": groups, "samples": samples, "seed": seed}
        self.metrics: dict[str, PerImageMetric] = {
            "MaxBoxAcc": MaxBoxAcc(**options),
            "MaxBoxAccV2": MaxBoxAccV2(_V2_THRESHOLDS, **options),
            LOC: GTKnownLoc(**options),
            **{name: TopKLoc(k, **options) for name, k in _TOP.items()},
            "mask IoU": MaskIoU(**options),
            "PxAP": PxAP(**options),
        }

    def update(self, scores: Sequence[Scores], ranks: Sequence[int | None], groups: NDArray[np.intp]) -> None:
        """Add images: scores, ranks of the true class from 0 (None without a classifier), groups of shape (B, k)."""
        for name, metric in self.metrics.items():
            rows = [_values(name, image_scores, rank) for image_scores, rank in zip(scores, ranks, strict=True)]
            valid = [i for i, row in enumerate(rows) if row is not None]
            if valid:
                metric.add(np.stack([row for row in rows if row is not None]), groups[valid])

    def measured(self) -> list[str]:
        """Return the names of the metrics to which an image was added."""
        return [name for name, metric in self.metrics.items() if metric.total > 0]

    def best_thresholds(self) -> ThresholdIndices:
        """Return the index of the best threshold of each metric, one for each IoU; of ties the middle one.

        Top-1 and Top-5 Loc use the threshold of GT-known Loc.
        """
        best = {name: self.metrics[name].middle() for name in self.measured() if name not in UNTHRESHOLDED}
        return best | {name: best[LOC] for name in _TOP if name in best}

    def compute(self, indices: ThresholdIndices) -> dict[str, MetricValue]:
        """Compute all measured metrics, with the threshold indices of the fixed values."""
        return {name: _metric_value(self.metrics[name], indices.get(name)) for name in self.measured()}

    def compute_groups(self, indices: ThresholdIndices) -> dict[str, NDArray[np.float64]]:
        """Compute each metric per group at fixed thresholds, shape (groups,); NaN for groups without images."""
        return {
            name: self.metrics[name].per_group(**({"at": indices[name]} if name in indices else {}))
            for name in self.measured()
        }


def _values(name: str, scores: Scores, rank: int | None) -> NDArray[np.generic] | None:
    """Return the values of one image for a metric; None if it does not apply."""
    if name in _TOP:
        return None if scores.native is None or rank is None else (scores.native >= IOU_THRESHOLD) & (rank < _TOP[name])
    if name == "MaxBoxAcc":
        return None if scores.largest is None else scores.largest >= IOU_THRESHOLD
    if name == "MaxBoxAccV2":
        return None if scores.every is None else np.concatenate([scores.every >= iou for iou in _V2_THRESHOLDS])
    if name == LOC:
        return None if scores.native is None else scores.native >= IOU_THRESHOLD
    if name == "mask IoU":
        return None if scores.mask is None or np.isnan(scores.mask).any() else scores.mask
    return None if scores.pixels is None else scores.pixels.ravel()


def _metric_value(metric: PerImageMetric, indices: tuple[int, ...] | None) -> MetricValue:
    """Compute a metric; ``fixed`` is NaN without a threshold, and equals ``oracle`` if the metric has none."""
    images, oracle = int(metric.total), float(metric.compute_from_sums(*metric.totals()))
    has_samples = len(metric.sample_totals) > 0
    interval = metric.interval() if has_samples else None
    if not metric.best():
        return MetricValue(images, oracle, interval, (), oracle, interval, ())
    best = tuple(float(metric.thresholds[i]) for i in metric.best())
    if indices is None:
        return MetricValue(images, oracle, interval, best, float("nan"), None, ())
    return MetricValue(
        images,
        oracle,
        interval,
        best,
        metric.at(indices),
        metric.interval(at=indices) if has_samples else None,
        tuple(float(metric.thresholds[i]) for i in indices),
    )
