"""Results of an evaluation, as dictionaries and as Markdown tables."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from weakspot.evaluation.detection import AUROC, DetectionValue
from weakspot.evaluation.detection_table import detection_legend, detection_table
from weakspot.evaluation.metric_collection import LOC, MetricCollection, MetricValue
from weakspot.evaluation.tables import detail_table, group_table, instance_table, markdown, size_table, summary_table
from weakspot.evaluation.targets import SIZES
from weakspot.metrics import InstanceF1


@dataclass(frozen=True, eq=False)
class MethodResult:
    """Metrics of one kind of map.

    Attributes:
        metrics: Values by the name of the metric.
        fixed_by: How the fixed thresholds were selected.
        collection: The metrics with their curves.
        iou_histogram: Number of boxes at the fixed threshold by IoU with the ground truth, in 20 bins over [0, 1].
        group_metrics: Value of each group by metric, at fixed thresholds: classes, then small, medium and large.
        instances: Metric of the boxes of all regions at the fixed threshold, however many objects an image has; without
            images without ground-truth boxes or a fixed threshold.
        absent: Number of boxes among them of classes that their images do not have.
        detection: Values of the metrics of small objects and of images without an object, by name.
    """

    metrics: dict[str, MetricValue]
    fixed_by: str
    collection: MetricCollection = field(repr=False)
    iou_histogram: tuple[int, ...] = ()
    group_metrics: dict[str, NDArray[np.float64]] = field(default_factory=dict, repr=False)
    instances: InstanceF1 = field(default_factory=InstanceF1, repr=False)
    absent: int = 0
    detection: dict[str, DetectionValue] = field(default_factory=dict)

    def instance_metrics(self) -> dict[str, float]:
        """Return precision, recall and F1 in percent of all boxes at an IoU of 0.5; empty if no image counts."""
        if not self.instances.total:
            return {}
        details = self.instances.details()
        return {name: float(details[name][0]) for name in ("precision", "recall", "F1")}

    def with_wrong_boxes(self, count: int) -> Self:
        """Return the result with more boxes that match no object, from an image without one."""
        if not count or not self.instances.total:
            return self
        instances = deepcopy(self.instances)
        instances.update([np.ones((count, 4))], [np.zeros((0, 4))])
        return replace(self, instances=instances, absent=self.absent + count)

    def precision_of_present(self) -> float:
        """Return the precision without the boxes of classes that their images do not have, in percent; NaN if none."""
        pairs, predicted, _ = self.instances.totals()[0].tolist()
        return 100 * pairs / (predicted - self.absent) if predicted > self.absent else float("nan")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Metrics of maps, and of the baselines, on a split of a data set.

    Attributes:
        data: The data set.
        split: Name of the split that was scored.
        val_split: Name of the split on which thresholds were selected; None if there was none.
        rows: Results by the name of the map, in order; the baselines are the last two.
        group_names: Names of the groups: the classes, then small, medium and large.
        group_counts: Number of images in each group.
        notes: Notes for readers of the metrics.
        image_score: What the image score of the first row is; empty if it has none.
        tolerance: Tolerance of the pointing game, in pixels of the 224 x 224 frame.
    """

    data: str
    split: str
    val_split: str | None
    rows: dict[str, MethodResult]
    group_names: tuple[str, ...] = ()
    group_counts: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    image_score: str = ""
    tolerance: float = 4.0

    @property
    def first(self) -> MethodResult:
        """The first row: the maps that were evaluated, not a baseline."""
        return next(iter(self.rows.values()))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, the content of ``metrics.json``; unknown values are None."""
        content: dict[str, Any] = _rounded(
            {
                "data": self.data,
                "split": self.split,
                "validation": self.val_split,
                "rows": {
                    name: {
                        "fixed_by": row.fixed_by,
                        "overlap_histogram": row.iou_histogram,
                        "instances": row.instance_metrics(),
                        "figures": {metric: asdict(value) for metric, value in row.metrics.items()},
                        "detection": {metric: _by_size(value) for metric, value in row.detection.items()},
                    }
                    for name, row in self.rows.items()
                },
                "image_score": self.image_score if AUROC in self.first.detection else None,
                "pointing_tolerance": self.tolerance,
                "groups": self._groups(),
                "notes": list(self.notes),
            }
        )
        return content

    def to_markdown(self) -> str:
        """Return the table of all rows."""
        return markdown(summary_table({name: row.metrics for name, row in self.rows.items()}))

    def details_to_markdown(self) -> str:
        """Return the metrics of the first row with intervals and thresholds, next to those of the other rows."""
        return markdown(detail_table({name: row.metrics for name, row in self.rows.items()}))

    def instances_to_markdown(self) -> str:
        """Return precision, recall and F1 of the boxes of all regions, for each row; empty if no image counts."""
        rows = {name: row.instance_metrics() for name, row in self.rows.items()}
        return markdown(instance_table(rows)) if any(rows.values()) else ""

    def detection_to_markdown(self) -> str:
        """Return the metrics of small objects and of images without an object; empty if the first row has none."""
        rows = {name: row.detection for name, row in self.rows.items()}
        return markdown(detection_table(rows)) if self.first.detection else ""

    def detection_legend(self) -> str:
        """Explain the metrics of :meth:`detection_to_markdown`."""
        return detection_legend(self.first.detection, self.tolerance, self.image_score)

    def groups_to_markdown(self) -> str:
        """Return the metrics of the first row at fixed thresholds by object size, then by class."""
        groups = self._groups()
        ordered = [*self.group_names[-len(SIZES) :], *self.group_names[: -len(SIZES)]]
        return markdown(group_table({name: groups[name] for name in ordered}))

    def sizes_to_markdown(self) -> str:
        """Return GT-known Loc at fixed thresholds by object size, for each row that has groups."""
        groups = {name: row.group_metrics for name, row in self.rows.items()}
        values = {name: metrics[LOC][-len(SIZES) :].tolist() for name, metrics in groups.items() if LOC in metrics}
        return markdown(size_table(values, self.group_counts[-len(SIZES) :]))

    def __str__(self) -> str:
        return "\n".join([self.to_markdown(), *self.notes])

    def _groups(self) -> dict[str, dict[str, Any]]:
        counts = zip(self.group_names, self.group_counts, strict=True)
        return {
            name: {"images": count, **{metric: float(values[i]) for metric, values in self.first.group_metrics.items()}}
            for i, (name, count) in enumerate(counts)
        }


def _by_size(value: DetectionValue) -> dict[str, Any]:
    """Return a value with the sizes by name."""
    counts, values = value.size_counts, value.sizes
    sizes = {name: {"images": n, "value": one} for name, n, one in zip(SIZES, counts, values, strict=False)}
    return {"images": value.images, "value": value.value, "interval": value.interval, "sizes": sizes}


def _rounded(value: Any) -> Any:
    """Round floats to 6 decimals and replace NaN, which JSON does not have, by None."""
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 6)
    return value
