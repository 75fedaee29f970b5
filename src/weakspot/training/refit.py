"""Refit the thresholds of a run to boxes that were drawn after its training."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weakspot.cams import METHODS
from weakspot.data import Dataset, Sample
from weakspot.errors import InputError
from weakspot.inference.localizer import Localizer
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.models.checkpoint import read_metadata, rewrite_metadata
from weakspot.training.thresholds import best_class_thresholds, best_threshold, score_samples

_FOLDS = 10
# From scores (N, T) and classes (N,): a threshold for each class.
Rule = Callable[[NDArray[np.float64], NDArray[np.intp]], tuple[float, ...]]


@dataclass(frozen=True)
class RefitResult:
    """Thresholds that were compared, and those that the run has now.

    Attributes:
        metric: ``"GT-known Loc"``, or ``"mask IoU"`` if there are only masks.
        images: Number of pairs of image and class with a box or mask.
        before: Score of the thresholds that the run had, in percent.
        one: Cross-validated score of one threshold for all classes, in percent.
        per_class: Cross-validated score of a threshold for each class, in percent.
        kept: Whether the run keeps the thresholds that it had, because no others are better.
        threshold: Threshold of the run.
        class_thresholds: Thresholds of its classes; empty if all have the same.
    """

    metric: str
    images: int
    before: float
    one: float
    per_class: float
    kept: bool
    threshold: float
    class_thresholds: tuple[float, ...]


def refit_thresholds(run: str | Path, dataset: Dataset) -> RefitResult:
    """Choose the thresholds of a run anew on all boxes or masks of a data set, and write them into the run.

    One threshold, a threshold for each class, and those that the run has are compared by cross-validation; the simplest
    of the best is kept. Nothing is trained. The run's own images and a handful of boxes suffice.

    Args:
        run: Folder of a run.
        dataset: Images with boxes or masks; images without are ignored.

    Raises:
        InputError: ``missing-annotations`` without boxes and masks, ``method-unsupported`` for a run that predicts
            boxes, or the codes of :func:`weakspot.evaluate`.
        ModelError: If the run cannot be read.
    """
    metadata = read_metadata(run)
    if not METHODS[metadata.info.method].can_propagate:
        raise InputError("method-unsupported", f"{run} predicts boxes, which have no threshold.")
    localizer = Localizer(run, backend="torch")
    localizer.set_foreground_head(localizer.torch_backend.classifier.foreground)  # removes the per-class thresholds
    annotated = [sample for sample in dataset.samples if _is_annotated(sample)]
    if not annotated:
        hint = "Draw some, or name their file with --ground-truth."
        raise InputError("missing-annotations", f"{dataset.root} has no boxes and no masks.", hint)
    metric, scores, classes = score_samples(localizer, dataset, annotated)
    info = metadata.info
    num_classes = len(info.class_names)
    current = info.class_thresholds or (float(info.threshold or 0),) * num_classes
    can_differ = info.quality != "plain"  # quality plain keeps the maps as published
    before = _score(scores, classes, current)
    one = _cross_validated(scores, classes, lambda s, _: (best_threshold(s),) * num_classes)
    per_class = _cross_validated(scores, classes, lambda s, c: best_class_thresholds(s, c, num_classes))
    use_classes = can_differ and per_class > one
    kept = before >= max(one, per_class if can_differ else one)
    if not kept:
        values = best_class_thresholds(scores, classes, num_classes) if use_classes else ()
        source = f"best {metric} on {len(scores)} boxes ({max(one, per_class):.1f} % in cross-validation)"
        info = replace(info, threshold=best_threshold(scores), class_thresholds=values)
        rewrite_metadata(run, replace(metadata, info=info, threshold_from=source))
    threshold = float(info.threshold or 0)
    return RefitResult(metric, len(scores), before, one, per_class, kept, threshold, info.class_thresholds)


def _is_annotated(sample: Sample) -> bool:
    return any(item.box is not None or item.mask_files for item in sample.objects)


def _score(scores: NDArray[np.float64], classes: NDArray[np.intp], thresholds: tuple[float, ...]) -> float:
    """Return the mean score at the thresholds of the classes, in percent."""
    columns = np.searchsorted(NATIVE_THRESHOLDS, np.asarray(thresholds)[classes] - 1e-9).clip(0, scores.shape[1] - 1)
    return float(100 * scores[np.arange(len(scores)), columns].mean())


def _cross_validated(scores: NDArray[np.float64], classes: NDArray[np.intp], rule: Rule) -> float:
    """Return the mean score of images at thresholds that a rule chose on other images, in percent."""
    folds = np.arange(len(scores)) % min(_FOLDS, len(scores))
    right = [
        _score(scores[folds == fold], classes[folds == fold], rule(scores[folds != fold], classes[folds != fold]))
        * (folds == fold).sum()
        for fold in range(folds.max() + 1)
    ]
    return float(sum(right) / len(scores))
