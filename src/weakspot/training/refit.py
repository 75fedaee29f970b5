"""Refit the thresholds of a run to boxes that were drawn after its training."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weakspot.cams import METHODS
from weakspot.data import Dataset, Sample
from weakspot.data.decoding import read_sizes
from weakspot.errors import InputError
from weakspot.inference.localizer import Localizer
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.models.checkpoint import read_metadata, rewrite_metadata
from weakspot.terminal import counted
from weakspot.training.box_areas import typical_areas
from weakspot.training.calibration import MIN_BOXES, calibrate_run
from weakspot.training.labels import annotated_samples, representative_samples
from weakspot.training.run_folder import run_lock
from weakspot.training.teaching_content import check_boxes
from weakspot.training.thresholds import best_class_thresholds, best_threshold, score_samples

_FOLDS = 10
_LIMITS = (0.01, 0.99)  # of a threshold
_ROUNDING = 1e-9  # up to which scores are equal: they are sums of the same values in another order
_SIGNIFICANT = 1.645  # standard errors by which a mean is above another one, at a level of 5 %, one-sided
_SMOOTHING = 0.6
# With few images the current thresholds count as some more, for which they, and those about as high, are right.
_FEW, _PRIOR_IMAGES, _PRIOR_WIDTH = 30, 3, 0.1
# From scores (N, T) and classes (N,): a threshold for each class.
Rule = Callable[[NDArray[np.float64], NDArray[np.intp]], tuple[float, ...]]


@dataclass(frozen=True)
class Comparison:
    """Thresholds of a run compared with new ones, and the choice.

    Attributes:
        before: Score of the thresholds that the run had, in percent.
        shifted: Cross-validated score of the thresholds that the run had, all shifted alike, in percent.
        per_class: Cross-validated score of a threshold for each class, in percent.
        threshold: Threshold of all classes, or the mean of theirs.
        class_thresholds: Threshold of each class; empty if all are equal.
        improves: Whether the new thresholds are better, and not by accident; if not, the thresholds are the old ones.
        is_per_class: Whether new thresholds are one for each class; otherwise all are shifted alike.
    """

    before: float
    shifted: float
    per_class: float
    threshold: float
    class_thresholds: tuple[float, ...]
    improves: bool
    is_per_class: bool = False

    @property
    def after(self) -> float:
        """Score of the thresholds that were chosen, in percent; cross-validated if they are new."""
        new = self.per_class if self.is_per_class else self.shifted
        return new if self.improves else self.before


@dataclass(frozen=True)
class RefitResult:
    """What was compared, and the thresholds that the run has now.

    Attributes:
        metric: ``"GT-known Loc"``, or ``"mask IoU"`` if there are only masks.
        images: Number of pairs of image and class with a box or mask.
        comparison: Scores of the thresholds; if they do not improve the run, it keeps those that it had.
        threshold: Threshold of the run.
        class_thresholds: Thresholds of its classes; empty if all have the same.
        calibrated: Whether the probability that a box is right was calibrated on the boxes.
    """

    metric: str
    images: int
    comparison: Comparison
    threshold: float
    class_thresholds: tuple[float, ...]
    calibrated: bool = False


def refit_thresholds(run: str | Path, dataset: Dataset) -> RefitResult:
    """Choose the thresholds of a run anew on all boxes or masks of a data set, and write them into the run.

    The probability that a box is right is calibrated on the boxes as well, see :func:`calibrate_run`: always if the
    thresholds change, otherwise if there are enough of them.

    Nothing is trained, and a handful of boxes suffice. The run keeps the thresholds that it has unless others are
    better, see :func:`compare_thresholds`.

    Args:
        run: Folder of a run.
        dataset: Images with boxes or masks; images without are ignored.

    Raises:
        InputError: ``missing-annotations`` with fewer than two boxes or masks, ``box-invalid`` for a box outside its
            image, ``method-unsupported`` for a run that predicts boxes, or the codes of :func:`weakspot.evaluate`.
        ModelError: If the run cannot be read.
    """
    with run_lock(run):
        return _refit(run, dataset)


def describe_refit(result: RefitResult) -> str:
    """Return what boxes changed, in a sentence."""
    found = result.comparison
    if not found.improves:
        return f"Thresholds of {result.images} boxes are not better: the run keeps its own."
    return f"{result.images} boxes chose thresholds: {result.metric} {found.before:.1f} to {found.after:.1f} %."


def _refit(run: str | Path, dataset: Dataset) -> RefitResult:
    metadata = read_metadata(run)
    info = metadata.info
    if not METHODS[info.method].can_propagate:
        raise InputError("method-unsupported", f"{run} predicts boxes, which have no threshold.")
    annotated = representative_samples(annotated_samples(dataset))
    for sample in annotated:
        check_boxes(sample, _size_of(sample))
    localizer = Localizer(run, backend="torch")
    localizer.set_foreground_head(localizer.torch_backend.classifier.foreground)  # removes the per-class thresholds
    metric, scores, classes = score_samples(localizer, dataset, annotated)
    current = info.class_thresholds or (float(info.threshold or 0),) * len(info.class_names)
    found = compare_thresholds(scores, classes, current, per_class=info.quality != "plain")
    if found.improves:
        areas = typical_areas(annotated, info.class_names) or info.typical_areas
        info = replace(info, threshold=found.threshold, class_thresholds=found.class_thresholds, typical_areas=areas)
        source = f"best {metric} on {counted(len(scores), 'box')} ({found.after:.1f} % in cross-validation)"
        rewrite_metadata(run, replace(metadata, info=info, threshold_from=source))
    # A few boxes do not replace a calibration on many, unless it was for other thresholds.
    is_calibrated = (found.improves or len(annotated) >= MIN_BOXES) and calibrate_run(run, annotated) != ()
    return RefitResult(metric, len(scores), found, float(info.threshold or 0), info.class_thresholds, is_calibrated)


def _size_of(sample: Sample) -> tuple[int, int] | None:
    """Return ``(height, width)`` of the frame of an image's boxes; None for an image that cannot be read."""
    with suppress(InputError):  # it counts as wrong
        return sample.size or read_sizes(sample.path)[0]
    return None


def compare_thresholds(
    scores: NDArray[np.float64], classes: NDArray[np.intp], current: tuple[float, ...], *, per_class: bool
) -> Comparison:
    """Compare thresholds with the same ones, all shifted alike, and with new ones of each class, both cross-validated.

    Scores are averaged over nearby thresholds; with few images the current thresholds count as some more. Thresholds
    for each class must be better than shifted ones, and new ones better than the current ones, both by more than chance
    explains (:func:`is_better`): otherwise the simpler ones are chosen, and the current ones are kept. What tells
    classes apart without boxes is kept by a shift.

    Args:
        scores: Score of each image at each of ``NATIVE_THRESHOLDS``, shape (N, T), in [0, 1]; N >= 2.
        classes: Class of each image, shape (N,).
        current: Current threshold of each class, in (0, 1).
        per_class: Whether the classes may have different thresholds; maps as published have one.
    """
    count, reference = len(current), float(np.mean(current))
    scores = _align(scores, classes, current, reference)
    prior = np.exp(-(((NATIVE_THRESHOLDS - reference) / _PRIOR_WIDTH) ** 2) / 2)[None]
    prior *= _PRIOR_IMAGES if len(scores) < _FEW else 0

    def best_of_all(scores: NDArray[np.float64], _: NDArray[np.intp]) -> tuple[float, ...]:
        return (best_threshold(np.concatenate([smooth_scores(scores), prior])),) * count

    def best_of_each(scores: NDArray[np.float64], classes: NDArray[np.intp]) -> tuple[float, ...]:
        return best_class_thresholds(np.concatenate([smooth_scores(scores), prior]), np.append(classes, -1), count)

    before = scores_at(scores, classes, (reference,) * count)
    shifted, each = (_cross_validated(scores, classes, rule) for rule in (best_of_all, best_of_each))
    is_each = per_class and is_better(each, shifted)
    improves = is_better(each if is_each else shifted, before)
    found = (best_of_each if is_each else best_of_all)(scores, classes)
    values = tuple(np.clip(np.array(current) + found - reference, *_LIMITS).tolist()) if improves else current
    return Comparison(
        before=100 * float(before.mean()),
        shifted=100 * float(shifted.mean()),
        per_class=100 * float(each.mean()),
        threshold=float(np.mean(values)),
        class_thresholds=values if len(set(values)) > 1 else (),
        improves=improves,
        is_per_class=is_each,
    )


def is_better(scores: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    """Return whether scores of the same images are better on average, and not by accident.

    Of right and wrong boxes, this is a sign test of the images that differ, one-sided, at a level of 5 %: three that
    become right suffice if none becomes wrong.

    Args:
        scores: Shape (N,).
        others: Shape (N,).

    Source:
        McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12, 1947.

    Example:
        >>> before = np.array([1.0, 0, 0, 0, 1])
        >>> is_better(np.array([1.0, 1, 1, 1, 1]), before), is_better(np.array([1.0, 1, 1, 0, 1]), before)
        (True, False)
    """
    gains = scores - others
    return bool(gains.sum() > max(_ROUNDING, _SIGNIFICANT * np.sqrt(np.square(gains).sum())))


def _align(
    scores: NDArray[np.float64], classes: NDArray[np.intp], current: tuple[float, ...], reference: float
) -> NDArray[np.float64]:
    """Shift the thresholds of each image such that the current one of its class is at the reference.

    At the ends the outermost score is repeated.
    """
    columns = _columns(current)[classes] - _columns((reference,))
    numbers = (np.arange(scores.shape[1]) + columns[:, None]).clip(0, scores.shape[1] - 1)
    return np.take_along_axis(scores, numbers, axis=1)


def _columns(thresholds: tuple[float, ...]) -> NDArray[np.intp]:
    """Return the indices of thresholds among ``NATIVE_THRESHOLDS``."""
    return np.searchsorted(NATIVE_THRESHOLDS, np.asarray(thresholds) - 1e-9).clip(0, len(NATIVE_THRESHOLDS) - 1)


def smooth_scores(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average scores over nearby thresholds, the more the fewer images there are.

    The best threshold of a few images is an accident; one whose neighbors are good as well holds on others.

    Args:
        scores: Score of each image at each of T thresholds, shape (N, T).

    Returns:
        Shape (N, T): means over 0.6 T / sqrt(N) thresholds; at the ends the outermost score is repeated.

    Example:
        >>> smooth_scores(np.array([[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]])).round(2).tolist()
        [[0.0, 0.0, 0.33, 0.67, 1.0, 1.0]]
    """
    count, length = scores.shape
    half = int(_SMOOTHING * length / np.sqrt(count)) // 2
    padded = np.pad(scores, ((0, 0), (half, half)), mode="edge")
    means: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=1).mean(axis=2)
    return means


def scores_at(
    scores: NDArray[np.float64], classes: NDArray[np.intp], thresholds: tuple[float, ...]
) -> NDArray[np.float64]:
    """Return the score of each image at the threshold of its class."""
    return scores[np.arange(len(scores)), _columns(thresholds)[classes]]


def _cross_validated(scores: NDArray[np.float64], classes: NDArray[np.intp], rule: Rule) -> NDArray[np.float64]:
    """Return the score of each image at thresholds that a rule chose on other images."""
    # In random order: images are often sorted by class, or classes take turns.
    folds = np.random.default_rng(0).permutation(len(scores)) % min(_FOLDS, len(scores))
    found = np.zeros(len(scores))
    for fold in range(folds.max() + 1):
        held_out = folds == fold
        thresholds = rule(scores[~held_out], classes[~held_out])
        found[held_out] = scores_at(scores[held_out], classes[held_out], thresholds)
    return found
