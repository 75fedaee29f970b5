"""Metrics of one kind of map without a search for thresholds: small objects, and images without an object."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weakspot.evaluation.map_scores import Scores
from weakspot.evaluation.normal_images import NormalResult
from weakspot.evaluation.predictions import Prediction
from weakspot.evaluation.targets import SIZES
from weakspot.metrics import AUPRO, FalseAlarms, ImageAP, ImageAUROC, ImagePixelAP, PointingGame
from weakspot.metrics.base import PerImageMetric
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS

POINTING, PIXEL_AP, REGIONS = "pointing game", "image pixel AP", "AUPRO"
AUROC, IMAGE_AP = "image AUROC", "image AP"
ALARMS, ALARM_SHARE = "false alarms per image", "images with a false alarm"
# In the order of the rows of a table; the last four and, if there are masks, AUPRO are also of normal images.
DETECTION_METRICS = (POINTING, PIXEL_AP, REGIONS, AUROC, IMAGE_AP, ALARMS, ALARM_SHARE)
OF_NORMALS = (REGIONS, AUROC, IMAGE_AP, ALARMS, ALARM_SHARE)


@dataclass(frozen=True)
class DetectionValue:
    """Value of a metric that has no threshold, or whose threshold is the fixed one of GT-known Loc.

    Attributes:
        images: Number of images that count, or of pairs of image and class.
        value: In percent; a number for false alarms per image. NaN if it is undefined.
        interval: Its 95 % confidence interval; None without bootstrap samples.
        sizes: The value for small, medium and large objects, NaN without any; empty if the metric is not of objects.
        size_counts: Number of images, or pairs, of each size.
    """

    images: int
    value: float
    interval: tuple[float, float] | None
    sizes: tuple[float, ...] = ()
    size_counts: tuple[int, ...] = ()


@dataclass
class _ImageRecord:
    """Score of an image with an object, and the size of its largest object."""

    score: float
    size: int


@dataclass
class DetectionCollection:
    """Metrics of one kind of map; ``tolerance`` is that of the pointing game, 0 samples disable intervals."""

    tolerance: float
    samples: int = 0
    seed: int = 0
    _images: list[_ImageRecord] = field(default_factory=list)
    _normal_scores: list[float] = field(default_factory=list)
    _regions: AUPRO | None = None  # the others take little memory

    def __post_init__(self) -> None:
        options: dict[str, Any] = {"samples": self.samples, "seed": self.seed}
        self._pointing = PointingGame(self.tolerance, groups=len(SIZES), **options)
        self._pixel_ap = ImagePixelAP(groups=len(SIZES), **options)
        self._alarms = {ALARMS: FalseAlarms(**options), ALARM_SHARE: FalseAlarms(share=True, **options)}

    def update(self, predictions: Sequence[Prediction], name: str) -> None:
        """Add predictions for images with an object, the classes of an image one after the other."""
        for one in predictions:
            if one.target_index == 0:
                score = -inf if one.error is not None else one.image_scores.get(name, 0.0)
                self._images.append(_ImageRecord(score, one.target.size))
            self._images[-1].size = max(self._images[-1].size, one.target.size)
        scores = [one.scores[name] for one in predictions]
        sizes = np.array([one.target.size for one in predictions])
        self._update_pointing(scores, sizes)
        self._update_masks(scores, sizes)

    def update_normals(self, results: Sequence[NormalResult], threshold: int | None) -> None:
        """Add normal images; ``threshold`` is the index of the fixed threshold among the native ones, if any."""
        counts = [one.overlap_counts for one in results if one.overlap_counts is not None]
        if self._regions is not None and counts:
            self._regions.add_counts(np.stack(counts))
        self._normal_scores += [one.image_score for one in results if one.image_score is not None]
        if threshold is not None:
            boxes = [one.count_boxes(float(NATIVE_THRESHOLDS[threshold])) for one in results]
            for metric in self._alarms.values():
                metric.update(boxes)

    def compute(self) -> dict[str, DetectionValue]:
        """Compute all metrics to which an image was added, by name."""
        values = {}
        for name, metric in ((POINTING, self._pointing), (PIXEL_AP, self._pixel_ap), (REGIONS, self._regions)):
            if metric is not None and metric.total > 0:
                counts = metric.totals("group")[1].astype(int).tolist()
                values[name] = self._value(metric, int(metric.total), _value_of(metric), metric.per_group(), counts)
        if self._images and self._normal_scores:
            values |= self._image_values()
        for name, alarms in self._alarms.items():
            if alarms.total > 0:
                values[name] = self._value(alarms, int(alarms.total), _value_of(alarms))
        return values

    def _update_pointing(self, scores: Sequence[Scores], sizes: NDArray[np.intp]) -> None:
        distances = {i: one.peak_distance for i, one in enumerate(scores) if one.peak_distance is not None}
        if distances:
            self._pointing.add_distances(list(distances.values()), sizes[list(distances)])

    def _update_masks(self, scores: Sequence[Scores], sizes: NDArray[np.intp]) -> None:
        pixels = [one.pixels if one.unweighted_pixels is None else one.unweighted_pixels for one in scores]
        known = [i for i, one in enumerate(scores) if one.overlap_counts is not None and pixels[i] is not None]
        if not known:
            return
        if self._regions is None:
            self._regions = AUPRO(groups=len(SIZES), samples=self.samples, seed=self.seed)
        self._regions.add_counts(np.stack([_known(scores[i].overlap_counts) for i in known]), sizes[known])
        self._pixel_ap.add_counts(np.stack([_known(pixels[i]) for i in known]), sizes[known])

    def _image_values(self) -> dict[str, DetectionValue]:
        scores = [*(one.score for one in self._images), *self._normal_scores]
        has = np.arange(len(scores)) < len(self._images)
        sizes = np.array([*(one.size for one in self._images), *(-1 for _ in self._normal_scores)])
        counts = np.bincount(sizes[has], minlength=len(SIZES)).tolist()
        values = {}
        for name, kind in ((AUROC, ImageAUROC), (IMAGE_AP, ImageAP)):
            metric = kind(groups=len(SIZES), samples=self.samples, seed=self.seed)
            metric.update(scores, has, sizes)
            values[name] = self._value(metric, len(scores), float(metric.compute()), metric.per_group(), counts)
        return values

    def _value(
        self,
        metric: PerImageMetric | ImageAUROC | ImageAP,
        images: int,
        value: float,
        sizes: NDArray[np.float64] | None = None,
        counts: Sequence[int] = (),
    ) -> DetectionValue:
        interval = metric.interval() if self.samples else None
        of_sizes: list[float] = [] if sizes is None else sizes.tolist()
        return DetectionValue(images, value, interval, tuple(of_sizes), tuple(counts))


def _value_of(metric: PerImageMetric) -> float:
    return float(metric.compute_from_sums(*metric.totals()))


def _known(counts: NDArray[Any] | None) -> NDArray[Any]:
    assert counts is not None
    return counts
