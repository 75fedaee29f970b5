"""Select thresholds on one split, then compute the metrics of another."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from weakspot.concurrency import batched
from weakspot.evaluation.detection import DetectionCollection
from weakspot.evaluation.map_scores import FULL_IMAGE, MIN_AREA
from weakspot.evaluation.metric_collection import LOC, MetricCollection, ThresholdIndices
from weakspot.evaluation.normal_images import NormalPrediction
from weakspot.evaluation.predictions import Prediction
from weakspot.evaluation.results import MethodResult
from weakspot.evaluation.samples import EvaluationSample
from weakspot.evaluation.targets import SIDE, SIZES
from weakspot.metrics import InstanceF1
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.ops import scale_boxes
from weakspot.ops.contours import THRESHOLDS

PredictFn = Callable[[Sequence[EvaluationSample]], Iterator[Prediction]]
OnPrediction = Callable[[Prediction, Mapping[str, ThresholdIndices]], None]

BINS = 20
_BATCH = 64


@dataclass(frozen=True)
class EvaluationPlan:
    """What to measure, and on which images; without a validation split, ``val_samples`` is empty.

    ``thresholds`` are set by hand or the defaults of the methods; a map without one has no fixed value unless there are
    validation images. With ``override_val`` they take precedence over val-selected ones. Each of the ``classes`` of the
    data set is a group; 0 for no groups. ``tolerance`` is that of the pointing game.
    """

    names: tuple[str, ...]
    samples: Sequence[EvaluationSample]
    val_samples: Sequence[EvaluationSample]
    thresholds: Mapping[str, float]
    override_val: bool = False
    classes: int = 0
    bootstrap_samples: int = 1000
    seed: int = 0
    tolerance: float = 4.0

    @property
    def overrides(self) -> Mapping[str, float]:
        """The thresholds that take precedence over val-selected ones."""
        return self.thresholds if self.override_val else {}


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """Metrics by the name of the map, size of each group, and number of unreadable images in both splits.

    ``unreadable_normals`` is the number of normal images that could not be processed.
    """

    rows: dict[str, MethodResult]
    group_counts: tuple[int, ...]
    unreadable: int
    unreadable_normals: int = 0


def run_plan(
    plan: EvaluationPlan,
    predict: PredictFn,
    on_prediction: OnPrediction | None = None,
    normals: Iterable[NormalPrediction] = (),
) -> EvaluationResult:
    """Select thresholds on the validation images, then score the others, and last the normal images.

    ``on_prediction`` is called with each scored prediction and the fixed threshold indices of each map.
    """
    unreadable = 0

    def counted(samples: Sequence[EvaluationSample]) -> Iterator[Prediction]:
        nonlocal unreadable
        for prediction in predict(samples):
            unreadable += prediction.error is not None and prediction.target_index == 0
            yield prediction

    indices = _select_thresholds(plan, counted)
    groups = plan.classes + len(SIZES) if plan.classes else 0
    # Groups are reported for the first map only; with a thousand classes they need the most memory.
    collections = {
        name: MetricCollection(groups=0 if i else groups, samples=plan.bootstrap_samples, seed=plan.seed)
        for i, name in enumerate(plan.names)
    }
    detection = {name: DetectionCollection(plan.tolerance, plan.bootstrap_samples, plan.seed) for name in plan.names}
    counts = _Counts(indices, np.zeros(groups, np.int64))

    def scored() -> Iterator[Prediction]:
        for prediction in counted(plan.samples):
            counts.update(prediction, plan.classes)
            if on_prediction is not None:
                on_prediction(prediction, indices)
            yield replace(prediction, regions={})  # only the scores are needed from here on, and they are small

    _update(collections, scored(), plan.classes, detection)
    unreadable_normals = _update_normals(detection, normals, indices)
    rows = {
        name: replace(_method_result(plan, name, collection, counts), detection=detection[name].compute())
        for name, collection in collections.items()
    }
    return EvaluationResult(rows, tuple(counts.groups.tolist()), unreadable, unreadable_normals)


def _method_result(plan: EvaluationPlan, name: str, collection: MetricCollection, counts: "_Counts") -> MethodResult:
    indices = counts.indices[name]
    has_groups = name == plan.names[0] and len(counts.groups) > 0 and bool(indices)
    return MethodResult(
        collection.compute(indices),
        _fixed_by(plan, name),
        collection,
        tuple(counts.iou_histograms[name].tolist()),
        collection.compute_groups(indices) if has_groups else {},
        counts.instances[name],
        counts.absent[name],
    )


@dataclass
class _Counts:
    """Counts in addition to the metrics: histogram of box IoUs, size of each group, and the boxes of all regions.

    ``absent`` is the number of boxes of classes that their images do not have.
    """

    indices: Mapping[str, ThresholdIndices]
    groups: NDArray[np.int64]
    iou_histograms: dict[str, NDArray[np.int64]] = field(init=False)
    instances: dict[str, InstanceF1] = field(init=False)
    absent: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.iou_histograms = {name: np.zeros(BINS, np.int64) for name in self.indices}
        self.instances = {name: InstanceF1() for name in self.indices}
        self.absent = dict.fromkeys(self.indices, 0)

    def update(self, prediction: Prediction, classes: int) -> None:
        for name, histogram in self.iou_histograms.items():
            iou = fixed_iou(prediction, name, self.indices)
            if iou is not None:
                histogram[min(int(iou * BINS), BINS - 1)] += 1
            boxes = instance_boxes(prediction, name, self.indices)
            if boxes is not None:
                self.instances[name].update([boxes], [prediction.target.boxes])
                wrong = prediction.absent.get(name, ())
                if len(wrong):
                    self.instances[name].update([wrong], [np.zeros((0, 4))])
                    self.absent[name] += len(wrong)
        if len(self.groups):
            self.groups[list(_groups(prediction, classes))] += 1


def _select_thresholds(plan: EvaluationPlan, predict: PredictFn) -> dict[str, ThresholdIndices]:
    """Return the fixed threshold indices of each map; empty if nothing determines them."""
    selected: dict[str, ThresholdIndices] = {}
    if plan.val_samples and not set(plan.names) <= set(plan.overrides):
        collections = {name: MetricCollection() for name in plan.names}
        _update(collections, predict(plan.val_samples), 0)
        selected = {name: collection.best_thresholds() for name, collection in collections.items()}
    thresholds = plan.overrides if plan.val_samples else plan.thresholds
    by_hand = {name: _nearest_indices(threshold) for name, threshold in thresholds.items()}
    return {name: {} for name in plan.names} | selected | by_hand


def _nearest_indices(threshold: float) -> ThresholdIndices:
    """Return the index of the nearest threshold of every metric."""
    native, reference = (int(np.abs(grid - threshold).argmin()) for grid in (NATIVE_THRESHOLDS, THRESHOLDS))
    loc = dict.fromkeys((LOC, "Top-1 Loc", "Top-5 Loc", "mask IoU"), (native,))
    return {"MaxBoxAcc": (reference,), "MaxBoxAccV2": (reference,) * 3, **loc}


def _update(
    collections: Mapping[str, MetricCollection],
    predictions: Iterable[Prediction],
    classes: int,
    detection: Mapping[str, DetectionCollection] | None = None,
) -> None:
    for batch in batched(predictions, _BATCH):
        groups = np.array([_groups(prediction, classes) for prediction in batch])
        ranks = [prediction.rank for prediction in batch]
        for name, collection in collections.items():
            collection.update([prediction.scores[name] for prediction in batch], ranks, groups)
        for name, others in (detection or {}).items():
            others.update(batch, name)


def _update_normals(
    detection: Mapping[str, DetectionCollection],
    normals: Iterable[NormalPrediction],
    indices: Mapping[str, ThresholdIndices],
) -> int:
    """Add normal images, with boxes at the fixed threshold, and return how many could not be processed."""
    unreadable = 0
    fixed = {name: (*of_map.get(LOC, ()), *of_map.get("mask IoU", ()), None)[0] for name, of_map in indices.items()}
    for batch in batched(normals, _BATCH):
        read = [prediction for prediction in batch if prediction.results]
        unreadable += len(batch) - len(read)
        for name, collection in detection.items() if read else ():
            collection.update_normals([prediction.results[name] for prediction in read], fixed[name])
    return unreadable


def _groups(prediction: Prediction, classes: int) -> tuple[int, int]:
    """Return the group of the class and, numbered after the classes, the group of the size."""
    return prediction.sample.group_indices[prediction.target_index], classes + prediction.target.size


def fixed_iou(prediction: Prediction, name: str, indices: Mapping[str, ThresholdIndices]) -> float | None:
    """Return the IoU of the native box at the fixed threshold; None without ground-truth boxes or a threshold."""
    native, index = prediction.scores[name].native, indices[name].get(LOC)
    return None if native is None or index is None else float(native[index[0]])


def instance_boxes(
    prediction: Prediction, name: str, indices: Mapping[str, ThresholdIndices]
) -> NDArray[np.float64] | None:
    """Return the boxes of all regions at the fixed threshold, or those of a file, in the 224 frame, the best first.

    None without ground-truth boxes, a threshold or regions; an image that could not be read has no boxes.
    """
    index = indices[name].get(LOC)
    if not len(prediction.target.boxes) or index is None:
        return None
    if name in prediction.boxes or prediction.size is None:
        return prediction.boxes.get(name, np.zeros((0, 4)))
    if name not in prediction.regions:
        return None
    tree = prediction.regions[name].tree
    boxes = tree.boxes_at(float(NATIVE_THRESHOLDS[index[0]]), min_area=MIN_AREA)
    return scale_boxes(boxes, from_size=tree.shape, to_size=(SIDE, SIDE))


def _fixed_by(plan: EvaluationPlan, name: str) -> str:
    """Describe how the fixed threshold of a map was selected."""
    if name == FULL_IMAGE:
        return "none needed: the box is the same at every threshold"
    if name in plan.overrides:
        (nearest,) = _nearest_indices(plan.thresholds[name])[LOC]
        return f"set to {NATIVE_THRESHOLDS[nearest]:g}"
    if plan.val_samples:
        return "best on the validation split"
    return f"the default, {plan.thresholds[name]:g}" if name in plan.thresholds else "none"
