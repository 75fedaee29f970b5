"""What an evaluation found."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weakspot.evaluation.metric_collection import LOC, MetricCollection, MetricValue
from weakspot.evaluation.tables import detail_table, group_table, instance_table, markdown, size_table, summary_table
from weakspot.evaluation.targets import SIZES
from weakspot.metrics import InstanceF1


@dataclass(frozen=True, eq=False)
class MethodResult:
    """The figures of one kind of map.

    Attributes:
        figures: By metric.
        fixed_by: How the fixed thresholds were fixed.
        tally: The metrics themselves, for curves.
        overlaps: Number of its boxes at the fixed threshold by overlap with a true one, in 20 bins from 0 to 1.
        groups: At fixed thresholds: metric -> figure of each group, classes first, then small, medium and large.
        instances: Of the boxes of all its regions at the fixed threshold, however many objects an image has; without
            images where there are no true boxes or no fixed threshold.
    """

    figures: dict[str, MetricValue]
    fixed_by: str
    tally: MetricCollection = field(repr=False)
    overlaps: tuple[int, ...] = ()
    groups: dict[str, NDArray[np.float64]] = field(default_factory=dict, repr=False)
    instances: InstanceF1 = field(default_factory=InstanceF1, repr=False)

    def of_instances(self) -> dict[str, float]:
        """Precision, recall and F1 of boxes that overlap a true one by half, in percent; empty where none count."""
        if not self.instances.total:
            return {}
        found = self.instances.details()
        return {name: float(found[name][0]) for name in ("precision", "recall", "F1")}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The figures of maps, and of the baselines, on a split of a data set.

    Attributes:
        data: The data set.
        split: Name of the split that was scored.
        validation: Name of the split on which thresholds were fixed; None where none was there.
        rows: By the name of the maps, in order; the baselines are the last two.
        group_names: Names of the groups: the classes, then small, medium and large.
        group_counts: Number of images of each group.
        notes: What a reader should know.
    """

    data: str
    split: str
    validation: str | None
    rows: dict[str, MethodResult]
    group_names: tuple[str, ...] = ()
    group_counts: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def first(self) -> MethodResult:
        """The row that is about what was evaluated; the others stand beside it."""
        return next(iter(self.rows.values()))

    def to_dict(self) -> dict[str, Any]:
        """Give everything as plain values; what is not known is None."""
        plain: dict[str, Any] = _plain(
            {
                "data": self.data,
                "split": self.split,
                "validation": self.validation,
                "rows": {
                    name: {
                        "fixed_by": row.fixed_by,
                        "overlap_histogram": row.overlaps,
                        "instances": row.of_instances(),
                        "figures": {metric: asdict(one) for metric, one in row.figures.items()},
                    }
                    for name, row in self.rows.items()
                },
                "groups": self._groups(),
                "notes": list(self.notes),
            }
        )
        return plain

    def to_markdown(self) -> str:
        """The table of all rows."""
        return markdown(summary_table({name: row.figures for name, row in self.rows.items()}))

    def details_to_markdown(self) -> str:
        """The first row's figures with their confidence intervals and thresholds, beside the baselines'."""
        return markdown(detail_table({name: row.figures for name, row in self.rows.items()}))

    def instances_to_markdown(self) -> str:
        """Precision, recall and F1 of every region's box, for each row; empty where none count."""
        found = {name: row.of_instances() for name, row in self.rows.items()}
        return markdown(instance_table(found)) if any(found.values()) else ""

    def groups_to_markdown(self) -> str:
        """The first row's figures at fixed thresholds by size of the object, then by class."""
        groups = self._groups()
        ordered = [*self.group_names[-len(SIZES) :], *self.group_names[: -len(SIZES)]]
        return markdown(group_table({name: groups[name] for name in ordered}))

    def sizes_to_markdown(self) -> str:
        """GT-known Loc at fixed thresholds by size of the object, of every row that was measured by size."""
        named = ((name, row.groups) for name, row in self.rows.items())
        measured = {name: groups[LOC][-len(SIZES) :].tolist() for name, groups in named if LOC in groups}
        return markdown(size_table(measured, self.group_counts[-len(SIZES) :]))

    def __str__(self) -> str:
        return "\n".join([self.to_markdown(), *self.notes])

    def _groups(self) -> dict[str, dict[str, Any]]:
        counts = zip(self.group_names, self.group_counts, strict=True)
        return {
            name: {"images": count, **{metric: float(values[i]) for metric, values in self.first.groups.items()}}
            for i, (name, count) in enumerate(counts)
        }


def _plain(value: Any) -> Any:
    """Round floats to a millionth and turn NaN, which JSON has not, to None."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 6)
    return value
