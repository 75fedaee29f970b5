"""MaxBoxAcc, MaxBoxAccV2 and the Loc metrics: the fraction of images with a correct box."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weakspot.errors import InputError, check_positive
from weakspot.metrics.base import PerImageMetric
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS, Protocol, Regions, native_overlaps, reference_overlaps
from weakspot.metrics.check_inputs import array, box_lists, maps_array, ranks_of
from weakspot.ops.contours import THRESHOLDS


@dataclass(frozen=True)
class CorrectBoxes:
    """Whether the box of a map is correct, at every threshold and for each minimum IoU.

    The attributes are the arguments of :class:`MaxBoxAcc`.
    """

    overlaps: tuple[float, ...]
    regions: Regions
    protocol: Protocol
    at: ArrayLike | None

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """One threshold or several, by default those of the protocol."""
        if self.at is None:
            return THRESHOLDS if self.protocol == "reference" else NATIVE_THRESHOLDS
        return np.atleast_1d(np.asarray(self.at, np.float64))

    @property
    def row(self) -> dict[str, Any]:
        """Arguments of :class:`PerImageMetric`: the number of values for each map, and the thresholds."""
        return {"values": len(self.overlaps) * len(self.thresholds), "thresholds": self.thresholds}

    def __call__(self, score_maps: ArrayLike, boxes: Sequence[ArrayLike]) -> NDArray[np.bool_]:
        """Compare maps with true boxes: shape (B, minimum IoUs * T)."""
        maps, thresholds = maps_array(score_maps), self.thresholds
        overlaps_of = reference_overlaps if self.protocol == "reference" else native_overlaps
        pairs = zip(maps, box_lists(boxes, len(maps)), strict=True)
        best = np.stack([overlaps_of(map_, true_boxes, self.regions, thresholds) for map_, true_boxes in pairs])
        return np.concatenate([best >= overlap for overlap in self.overlaps], axis=1)


class MaxBoxAcc(PerImageMetric):
    """Percentage of images whose largest region has an IoU of at least 0.5 with a true box, at the best threshold.

    Args:
        overlaps: Minimum IoU of a correct box. With several, the result is their mean, each at its own best threshold.
        regions: ``"largest"``, the box of the largest region of a map; or ``"all"``, the best box of all regions.
        protocol: ``"reference"``, the WSOL protocol, see :func:`~weakspot.metrics.reference_overlaps`; or ``"native"``,
            the boxes of a Localizer, see :func:`~weakspot.metrics.native_overlaps`.
        thresholds: Thresholds to search; None for the thousand thresholds of the protocol.
        groups: Number of groups, such as classes, for :meth:`per_group`.
        samples: Number of bootstrap samples for :meth:`interval`.
        seed: Random seed of the bootstrap.

    Source:
        Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, section 4.1.

    Example:
        >>> metric = MaxBoxAcc()
        >>> maps = np.zeros((2, 224, 224))
        >>> maps[:, 50:100, 60:120] = 1.0
        >>> metric.update(maps, [[[60, 50, 119, 99]], [[0, 0, 40, 40], [5, 5, 90, 90]]])
        >>> float(metric.compute())
        50.0
    """

    def __init__(
        self,
        overlaps: Sequence[float] = (0.5,),
        *,
        regions: Regions = "largest",
        protocol: Protocol = "reference",
        thresholds: ArrayLike | None = None,
        groups: int = 0,
        samples: int = 0,
        seed: int = 0,
    ) -> None:
        self.correct_boxes = CorrectBoxes(tuple(overlaps), regions, protocol, thresholds)
        super().__init__(**self.correct_boxes.row, groups=groups, samples=samples, seed=seed)

    def update(
        self, score_maps: ArrayLike, boxes: Sequence[ArrayLike], groups: NDArray[np.integer[Any]] | None = None
    ) -> None:
        """Add images.

        Args:
            score_maps: Shape (B, H, W), values in [0, 1]; a tensor or an array.
            boxes: True boxes of each image, shape (n, 4), n >= 1, xyxy in pixels of the map. Reference protocol:
                integers, see :func:`~weakspot.metrics.reference_boxes`. Native protocol: right and bottom excluded.
            groups: Group of each image, shape (B,).

        Raises:
            InputError: ``shape-mismatch``, ``dtype-mismatch``, ``not-finite`` or ``out-of-range`` for the maps;
                ``shape-mismatch``, ``length-mismatch`` or ``box-invalid`` for the boxes.
        """
        self.add(self.correct_boxes(score_maps, boxes), groups)


class MaxBoxAccV2(PerImageMetric):
    """Mean of MaxBoxAcc over the minimum IoUs 0.3, 0.5 and 0.7, with every contour of a map.

    Each minimum IoU has its own best threshold, and the best box of a map counts. The arguments are those of
    :class:`MaxBoxAcc`.

    Source:
        Choe et al., "Evaluation for Weakly Supervised Object Localization: Protocol, Metrics, and Datasets", IEEE TPAMI
        2022.

    Example:
        >>> metric = MaxBoxAccV2()
        >>> maps = np.zeros((1, 224, 224))
        >>> maps[0, 50:100, 60:120] = 1.0
        >>> metric.update(maps, [[[60, 50, 119, 130]]])  # an IoU of 0.62
        >>> round(float(metric.compute()), 1)
        66.7
    """

    def __init__(
        self,
        overlaps: Sequence[float] = (0.3, 0.5, 0.7),
        *,
        regions: Regions = "all",
        protocol: Protocol = "reference",
        thresholds: ArrayLike | None = None,
        **options: Any,
    ) -> None:
        self.correct_boxes = CorrectBoxes(tuple(overlaps), regions, protocol, thresholds)
        super().__init__(**self.correct_boxes.row, **options)

    def update(
        self, score_maps: ArrayLike, boxes: Sequence[ArrayLike], groups: NDArray[np.integer[Any]] | None = None
    ) -> None:
        """Add images; see :meth:`MaxBoxAcc.update`."""
        self.add(self.correct_boxes(score_maps, boxes), groups)


class GTKnownLoc(PerImageMetric):
    """Percentage of images with a correct box given the true class: GT-known Loc.

    The boxes are those of a Localizer (native protocol), from the map of the true class.

    Args:
        threshold: Threshold of the boxes; None searches for the best one, an oracle.
        overlaps: See :class:`MaxBoxAcc`.
        regions: See :class:`MaxBoxAcc`.
        protocol: See :class:`MaxBoxAcc`.
        options: ``groups``, ``samples`` and ``seed`` of :class:`MaxBoxAcc`.

    Source:
        Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016; the name is by Singh and Lee,
        "Hide-and-Seek", ICCV 2017.

    Example:
        >>> metric = GTKnownLoc(threshold=0.2)
        >>> metric.update([[[0.0, 0.9], [0.0, 1.0]]], [[[1, 0, 2, 2]]])
        >>> float(metric.compute())
        100.0
    """

    def __init__(
        self,
        threshold: float | None = None,
        *,
        overlaps: Sequence[float] = (0.5,),
        regions: Regions = "largest",
        protocol: Protocol = "native",
        **options: Any,
    ) -> None:
        self.correct_boxes = CorrectBoxes(tuple(overlaps), regions, protocol, threshold)
        super().__init__(**self.correct_boxes.row, **options)

    def update(
        self, score_maps: ArrayLike, boxes: Sequence[ArrayLike], groups: NDArray[np.integer[Any]] | None = None
    ) -> None:
        """Add images; see :meth:`MaxBoxAcc.update`."""
        self.add(self.correct_boxes(score_maps, boxes), groups)


class TopKLoc(PerImageMetric):
    """Percentage of images with a correct box whose class is among the first k predictions: Top-1 or Top-5 Loc.

    Args:
        k: Number of predictions.
        threshold: See :class:`GTKnownLoc`.
        overlaps: See :class:`MaxBoxAcc`.
        regions: See :class:`MaxBoxAcc`.
        protocol: See :class:`MaxBoxAcc`.
        options: ``groups``, ``samples`` and ``seed`` of :class:`MaxBoxAcc`.

    Raises:
        InputError: ``out-of-range`` if ``k`` is below 1.

    Example:
        >>> metric = TopKLoc(1, threshold=0.2)
        >>> metric.update([[[0.0, 1.0]]], [[[1, 0, 2, 1]]], logits=[[0.3, 0.9]], labels=[0])
        >>> float(metric.compute())
        0.0
    """

    def __init__(
        self,
        k: int = 1,
        threshold: float | None = None,
        *,
        overlaps: Sequence[float] = (0.5,),
        regions: Regions = "largest",
        protocol: Protocol = "native",
        **options: Any,
    ) -> None:
        check_positive(k, "k")
        self.correct_boxes = CorrectBoxes(tuple(overlaps), regions, protocol, threshold)
        super().__init__(**self.correct_boxes.row, **options)
        self.k = k

    def update(
        self,
        score_maps: ArrayLike,
        boxes: Sequence[ArrayLike],
        logits: ArrayLike,
        labels: ArrayLike,
        groups: NDArray[np.integer[Any]] | None = None,
    ) -> None:
        """Add images.

        Args:
            score_maps: Maps of the true classes, see :meth:`MaxBoxAcc.update`.
            boxes: See :meth:`MaxBoxAcc.update`.
            logits: Shape (B, number of classes).
            labels: True class indices, shape (B,).
            groups: Group of each image, shape (B,).

        Raises:
            InputError: As :meth:`MaxBoxAcc.update`; ``length-mismatch`` or ``shape-mismatch`` for the labels,
                ``unknown-class``, or ``not-finite`` for the logits.
        """
        if len(array(labels)) != len(boxes):
            problem = f"labels must have one class index for each of {len(boxes)} maps, got {len(array(labels))}."
            raise InputError("length-mismatch", problem)
        in_top_k = ranks_of(logits, labels) < self.k
        self.add(self.correct_boxes(score_maps, boxes) & in_top_k[:, None], groups)
