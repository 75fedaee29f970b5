"""MaxBoxAcc, MaxBoxAccV2 and the Loc metrics: the share of images whose box is right."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weakspot.errors import InputError
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS, Protocol, Regions, native_overlaps, reference_overlaps
from weakspot.metrics.check_inputs import array, box_lists, maps_array, ranks_of
from weakspot.metrics.threshold_sweep import ThresholdSweep
from weakspot.ops.contours import THRESHOLDS


class MaxBoxAcc(ThresholdSweep):
    """Share of images whose largest region's box overlaps a true one by half, at the best threshold, in percent.

    Args:
        overlaps: Least intersection over union of a right box; of several, the mean is taken, each with its own best
            threshold.
        regions: ``"largest"`` or ``"all"`` regions of a map have a box; of all, the best counts.
        protocol: ``"reference"``, the WSOL protocol, see :func:`~weakspot.metrics.reference_overlaps`; or ``"native"``,
            the boxes of a Localizer, see :func:`~weakspot.metrics.native_overlaps`.
        thresholds: None takes those of the protocol, a thousand.
        groups: Number of groups, such as classes, for :meth:`by_group`.
        samples: Number of bootstrap samples for :meth:`interval`.
        seed: Of the bootstrap.

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
        thresholds: NDArray[np.float64] | None = None,
        groups: int = 0,
        samples: int = 0,
        seed: int = 0,
    ) -> None:
        known = THRESHOLDS if protocol == "reference" else NATIVE_THRESHOLDS
        chosen = known if thresholds is None else np.asarray(thresholds, np.float64)
        super().__init__(chosen, len(overlaps), groups=groups, samples=samples, seed=seed)
        self.overlaps = tuple(overlaps)
        self.regions = regions
        self.protocol = protocol

    def update(  # type: ignore[override]
        self, score_maps: ArrayLike, boxes: Sequence[ArrayLike], groups: NDArray[np.integer[Any]] | None = None
    ) -> None:
        """Add images.

        Args:
            score_maps: Shape (B, H, W), values in [0, 1]; a tensor or an array.
            boxes: For each image its true boxes, shape (n, 4), n >= 1, xyxy in pixels of the map. Reference protocol:
                whole numbers, truncated by :func:`~weakspot.metrics.reference_boxes`. Plain: right and bottom excluded.
            groups: Group of each image, shape (B,).

        Raises:
            InputError: If the maps are no score maps, or there is not a list of boxes for each.
        """
        super().update(self.right(self.best_overlaps(score_maps, boxes)), groups)

    def best_overlaps(self, score_maps: ArrayLike, boxes: Sequence[ArrayLike]) -> NDArray[np.float64]:
        """The best overlap of each image at every threshold, shape (B, T)."""
        maps = maps_array(score_maps)
        score = reference_overlaps if self.protocol == "reference" else native_overlaps
        pairs = zip(maps, box_lists(boxes, len(maps)), strict=True)
        return np.stack([score(one, true, self.regions, self.thresholds) for one, true in pairs])

    def right(self, best: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether overlaps of shape (B, T) are enough, a curve for each least overlap: shape (B, curves * T)."""
        return np.concatenate([best >= least for least in self.overlaps], axis=1)


class MaxBoxAccV2(MaxBoxAcc):
    """Mean over overlaps .3, .5 and .7 of the share of images with a right box, each at its own best threshold.

    Every contour of a map has a box, and the best of them counts. Arguments are those of :class:`MaxBoxAcc`.

    Source:
        Choe et al., "Evaluation for Weakly Supervised Object Localization: Protocol, Metrics, and Datasets", IEEE TPAMI
        2022.

    Example:
        >>> metric = MaxBoxAccV2()
        >>> maps = np.zeros((1, 224, 224))
        >>> maps[0, 50:100, 60:120] = 1.0
        >>> metric.update(maps, [[[60, 50, 119, 130]]])  # overlap .62
        >>> round(float(metric.compute()), 1)
        66.7
    """

    def __init__(
        self, overlaps: Sequence[float] = (0.3, 0.5, 0.7), *, regions: Regions = "all", **options: Any
    ) -> None:
        super().__init__(overlaps, regions=regions, **options)


class GTKnownLoc(MaxBoxAcc):
    """Share of images whose box is right given the true class: GT-known Loc, in percent.

    The boxes are those that localizing gives (plain protocol), of the map of the true class.

    Args:
        threshold: At which the box is cut; None searches for the best one, an oracle.
        options: As for :class:`MaxBoxAcc`.

    Source:
        Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016; the name is of Singh and Lee,
        "Hide-and-Seek", ICCV 2017.

    Example:
        >>> metric = GTKnownLoc(threshold=0.2)
        >>> metric.update([[[0.0, 0.9], [0.0, 1.0]]], [[[1, 0, 2, 2]]])
        >>> float(metric.compute())
        100.0
    """

    def __init__(self, threshold: float | None = None, *, protocol: Protocol = "native", **options: Any) -> None:
        super().__init__(protocol=protocol, thresholds=None if threshold is None else np.array([threshold]), **options)


class TopKLoc(GTKnownLoc):
    """Share of images whose box is right and whose class is among the first k predictions: Top-1 or Top-5 Loc.

    The map is that of the true class, which is among those k wherever it counts.

    Args:
        k: How many predictions.
        threshold: As for :class:`GTKnownLoc`.
        options: As for :class:`MaxBoxAcc`.

    Example:
        >>> metric = TopKLoc(1, threshold=0.2)
        >>> metric.update([[[0.0, 1.0]]], [[[1, 0, 2, 1]]], logits=[[0.3, 0.9]], labels=[0])
        >>> float(metric.compute())
        0.0
    """

    def __init__(self, k: int = 1, threshold: float | None = None, **options: Any) -> None:
        if k < 1:
            raise InputError(f"k={k} predictions are none.", "Give 1 or more.")
        super().__init__(threshold, **options)
        self.k = k

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
            score_maps: Maps of the true classes, as for :class:`MaxBoxAcc`.
            boxes: As for :class:`MaxBoxAcc`.
            logits: Shape (B, number of classes).
            labels: True class indices, shape (B,).
            groups: Group of each image, shape (B,).
        """
        if len(array(labels)) != len(boxes):
            raise InputError("There are not as many labels as maps.", "Give one class index for each map.")
        hits = ranks_of(logits, labels) < self.k
        right = self.right(self.best_overlaps(score_maps, boxes)) & hits[:, None]
        ThresholdSweep.update(self, right, groups)
