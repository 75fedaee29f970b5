"""MaxBoxAcc, MaxBoxAccV2 and the Loc metrics: the fraction of images with a correct box."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weakspot.errors import InputError, check_positive
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS, Protocol, Regions, native_overlaps, reference_overlaps
from weakspot.metrics.check_inputs import array, box_lists, maps_array, ranks_of
from weakspot.metrics.threshold_sweep import ThresholdSweep
from weakspot.ops.contours import THRESHOLDS


class MaxBoxAcc(ThresholdSweep):
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
        super().__init__(_thresholds(protocol, thresholds), len(overlaps), groups=groups, samples=samples, seed=seed)
        self.overlaps = tuple(overlaps)
        self.regions = regions
        self.protocol = protocol

    def update(  # type: ignore[override]
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
        super().update(_correct(self, score_maps, boxes), groups)


class MaxBoxAccV2(ThresholdSweep):
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
        super().__init__(_thresholds(protocol, thresholds), len(overlaps), **options)
        self.overlaps = tuple(overlaps)
        self.regions = regions
        self.protocol = protocol

    def update(  # type: ignore[override]
        self, score_maps: ArrayLike, boxes: Sequence[ArrayLike], groups: NDArray[np.integer[Any]] | None = None
    ) -> None:
        """Add images; see :meth:`MaxBoxAcc.update`."""
        super().update(_correct(self, score_maps, boxes), groups)


class GTKnownLoc(ThresholdSweep):
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
        super().__init__(_thresholds(protocol, threshold), len(overlaps), **options)
        self.overlaps = tuple(overlaps)
        self.regions = regions
        self.protocol = protocol

    def update(  # type: ignore[override]
        self, score_maps: ArrayLike, boxes: Sequence[ArrayLike], groups: NDArray[np.integer[Any]] | None = None
    ) -> None:
        """Add images; see :meth:`MaxBoxAcc.update`."""
        super().update(_correct(self, score_maps, boxes), groups)


class TopKLoc(ThresholdSweep):
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
        super().__init__(_thresholds(protocol, threshold), len(overlaps), **options)
        self.k = k
        self.overlaps = tuple(overlaps)
        self.regions = regions
        self.protocol = protocol

    def update(  # type: ignore[override]
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
        super().update(_correct(self, score_maps, boxes) & in_top_k[:, None], groups)


def _thresholds(protocol: Protocol, thresholds: ArrayLike | None) -> NDArray[np.float64]:
    """Return one threshold or several as an array, by default those of the protocol."""
    if thresholds is None:
        return THRESHOLDS if protocol == "reference" else NATIVE_THRESHOLDS
    return np.atleast_1d(np.asarray(thresholds, np.float64))


def _correct(
    metric: MaxBoxAcc | MaxBoxAccV2 | GTKnownLoc | TopKLoc, score_maps: ArrayLike, boxes: Sequence[ArrayLike]
) -> NDArray[np.bool_]:
    """Compute whether each map has a correct box at every threshold, for each minimum IoU: (B, curves * T)."""
    maps = maps_array(score_maps)
    overlaps_of = reference_overlaps if metric.protocol == "reference" else native_overlaps
    pairs = zip(maps, box_lists(boxes, len(maps)), strict=True)
    best = np.stack([overlaps_of(map_, true_boxes, metric.regions, metric.thresholds) for map_, true_boxes in pairs])
    return np.concatenate([best >= overlap for overlap in metric.overlaps], axis=1)
