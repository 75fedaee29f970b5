"""The metrics of one map after another, and the figures that come out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weakspot.evaluation.map_scores import Scores
from weakspot.metrics.base import PerImageMetric
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.metrics.mask_metrics import PixelAveragePrecision
from weakspot.metrics.threshold_sweep import ThresholdSweep
from weakspot.ops.contours import THRESHOLDS

IOU_THRESHOLD = 0.5  # least overlap of a right box
_V2 = (0.3, 0.5, 0.7)

# In the order of a table's columns: what needs boxes, predictions beside them, and masks.
LOC = "GT-known Loc"
_BOXES = ("MaxBoxAcc", "MaxBoxAccV2", LOC)
_TOP = {"Top-1 Loc": 1, "Top-5 Loc": 5}
_MASKS = ("mask IoU", "PxAP")
METRICS = (*_BOXES, *_TOP, *_MASKS)
UNTHRESHOLDED = ("PxAP",)


@dataclass(frozen=True)
class MetricValue:
    """A metric's figure with both kinds of threshold, in percent.

    Attributes:
        images: Number of images and classes in them that it is over.
        oracle: At the threshold that is best for the images themselves, as the field publishes.
        oracle_interval: Its 95 % confidence interval; None without bootstrap samples.
        oracle_thresholds: That threshold, one for each overlap.
        fixed: At a threshold that was fixed before, on other images.
        fixed_interval: Its 95 % confidence interval.
        fixed_thresholds: That threshold.
    """

    images: int
    oracle: float
    oracle_interval: tuple[float, float] | None
    oracle_thresholds: tuple[float, ...]
    fixed: float
    fixed_interval: tuple[float, float] | None
    fixed_thresholds: tuple[float, ...]


Chosen = dict[str, tuple[int, ...]]


class MetricCollection:
    """Accumulates the scores of one kind of map over images.

    Args:
        groups: Number of groups that figures are wanted of as well.
        samples: Number of bootstrap samples; 0 for none.
        seed: Of the bootstrap.
    """

    def __init__(self, *, groups: int = 0, samples: int = 0, seed: int = 0) -> None:
        options = {"groups": groups, "samples": samples, "seed": seed}
        self.metrics: dict[str, PerImageMetric] = {
            "MaxBoxAcc": ThresholdSweep(THRESHOLDS, **options),
            "MaxBoxAccV2": ThresholdSweep(THRESHOLDS, len(_V2), **options),
            LOC: ThresholdSweep(NATIVE_THRESHOLDS, **options),
            "Top-1 Loc": ThresholdSweep(NATIVE_THRESHOLDS, **options),
            "Top-5 Loc": ThresholdSweep(NATIVE_THRESHOLDS, **options),
            "mask IoU": ThresholdSweep(NATIVE_THRESHOLDS, **options),
            "PxAP": PixelAveragePrecision(**options),
        }

    def add(self, scores: Sequence[Scores], ranks: Sequence[int | None], groups: NDArray[np.intp]) -> None:
        """Add images.

        Args:
            scores: What the map is worth in each.
            ranks: Place of the true class among the predictions, 0 the first; None where nothing was predicted.
            groups: Groups of each image, shape (B, k).
        """
        for name, metric in self.metrics.items():
            rows = [_values(name, one, rank) for one, rank in zip(scores, ranks, strict=True)]
            known = [i for i, row in enumerate(rows) if row is not None]
            if known:
                metric.update(np.stack([row for row in rows if row is not None]), groups[known])

    def measured(self) -> list[str]:
        """The metrics that any image was added to."""
        return [name for name, metric in self.metrics.items() if metric.total > 0]

    def best_thresholds(self) -> Chosen:
        """The best threshold of each metric, the middle one of several, as indices, one for each overlap.

        Top-1 and Top-5 take GT-known's.
        """
        best = {
            name: sweep.middle() for name in self.measured() if isinstance(sweep := self.metrics[name], ThresholdSweep)
        }
        return best | {name: best[LOC] for name in _TOP if name in best}

    def figures(self, chosen: Chosen) -> dict[str, MetricValue]:
        """The figures of all metrics that were measured."""
        return {name: _figure(self.metrics[name], chosen.get(name)) for name in self.measured()}

    def of_groups(self, chosen: Chosen) -> dict[str, NDArray[np.float64]]:
        """The figures of each group at fixed thresholds, shape (groups,) each; NaN for groups without images."""
        return {
            name: self.metrics[name].per_group(**({"at": chosen[name]} if name in chosen else {}))
            for name in self.measured()
        }


def _values(name: str, scores: Scores, rank: int | None) -> NDArray[np.generic] | None:
    """The row of values of one image for a metric; None where it does not apply."""
    if name in _TOP:
        return None if scores.plain is None or rank is None else (scores.plain >= IOU_THRESHOLD) & (rank < _TOP[name])
    if name == "MaxBoxAcc":
        return None if scores.largest is None else scores.largest >= IOU_THRESHOLD
    if name == "MaxBoxAccV2":
        return None if scores.every is None else np.concatenate([scores.every >= least for least in _V2])
    if name == LOC:
        return None if scores.plain is None else scores.plain >= IOU_THRESHOLD
    if name == "mask IoU":
        return None if scores.mask is None or np.isnan(scores.mask).any() else scores.mask
    return None if scores.pixels is None else scores.pixels.ravel()


def _figure(metric: PerImageMetric, chosen: tuple[int, ...] | None) -> MetricValue:
    """A figure with both kinds of threshold; NaN where none was fixed, and the same where there is none at all."""
    images, oracle = int(metric.total), float(metric.compute())
    sampled = len(metric.sample_totals) > 0
    interval = metric.interval() if sampled else None
    if not isinstance(metric, ThresholdSweep):
        return MetricValue(images, oracle, interval, (), oracle, interval, ())
    best = tuple(float(metric.thresholds[i]) for i in metric.best())
    if chosen is None:
        return MetricValue(images, oracle, interval, best, float("nan"), None, ())
    return MetricValue(
        images,
        oracle,
        interval,
        best,
        metric.at(chosen),
        metric.interval(at=chosen) if sampled else None,
        tuple(float(metric.thresholds[i]) for i in chosen),
    )
