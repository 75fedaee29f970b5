"""Choose the threshold of heatmaps: on validation boxes or masks if there are any, otherwise by edges of the images."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, groupby, tee

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.cams import METHODS
from weakspot.cams.psol import BOX_LEVEL
from weakspot.data import Dataset, Sample
from weakspot.data.decoding import read_downscaled
from weakspot.errors import InputError
from weakspot.evaluation import EvaluationConfig, evaluate
from weakspot.evaluation.map_scores import Scores
from weakspot.evaluation.metric_collection import IOU_THRESHOLD
from weakspot.evaluation.predictions import Prediction
from weakspot.inference.localization import Localization
from weakspot.inference.localizer import Localizer
from weakspot.inference.zoom import ZOOMS
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.terminal import counted
from weakspot.training.edge_threshold import edge_threshold, outline_edges

logger = logging.getLogger(__name__)

_BINS = 100
# The mean over all images counts as this many images of each class.
_PRIOR_IMAGES = 5
# This many images suffice for a threshold without boxes.
_MAX_IMAGES = 500


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of a run.

    Attributes:
        value: Threshold of all classes together.
        source: How it was chosen, in words.
        per_class: Threshold of each class; empty if all have the same.
        score: Score of the validation boxes or masks at the best threshold, in percent; None without them.
    """

    value: float
    source: str
    per_class: tuple[float, ...] = ()
    score: float | None = None


def choose_thresholds(localizer: Localizer, dataset: Dataset, validation: Sequence[Sample]) -> Thresholds:
    """Choose the threshold, and one for each class, because objects of one class have similar sizes.

    Args:
        localizer: The trained classifier, with the quality preset of the run.
        dataset: The data set of the images.
        validation: Validation images, or training images if there are none.

    Returns:
        The threshold with the best GT-known Loc on the validation boxes (mask IoU if there are only masks), and those
        of the classes by :func:`best_class_thresholds`. Without boxes and masks, or if no threshold gives a correct
        box, those of :func:`thresholds_without_boxes`; for box regressors, the threshold that returns their boxes
        unchanged.
    """
    metric, scores, classes = "", np.zeros((0, len(NATIVE_THRESHOLDS))), np.zeros(0, int)
    with suppress(InputError):  # without boxes, or if they cannot be scored
        metric, scores, classes = score_samples(localizer, dataset, validation)
    if scores.any():
        best = 100 * scores.mean(axis=0).max()
        source = f"best {metric} on {len(scores)} boxes of the validation split ({best:.1f} %)"
        per_class = best_class_thresholds(scores, classes, len(localizer.class_names))
        return Thresholds(best_threshold(scores), source, per_class, best)
    if not METHODS[localizer.method].can_propagate:
        return Thresholds(BOX_LEVEL, "box regression")
    step = max(1, -(-len(validation) // _MAX_IMAGES))  # evenly spaced, as images may be sorted by class
    return thresholds_without_boxes(localizer, validation[::step])


def choose_zooms(localizer: Localizer, dataset: Dataset, validation: Sequence[Sample]) -> Thresholds:
    """Choose thresholds, and whether the localizer zooms into small regions; arguments as for choose_thresholds.

    It does, unless boxes or masks of validation images have a higher score without.
    """
    localizer.set_zooms(ZOOMS)
    zoomed = choose_thresholds(localizer, dataset, validation)
    if zoomed.score is None:
        return zoomed
    localizer.set_zooms(0)
    whole = choose_thresholds(localizer, dataset, validation)
    is_worse = whole.score is not None and whole.score > zoomed.score
    zoom = "No zoom" if is_worse else "Zoom"
    scores = f"{zoomed.score:.1f} % with it, {whole.score or 0:.1f} % without"
    logger.info("%s into small regions: the validation split has a score of %s.", zoom, scores)
    localizer.set_zooms(0 if is_worse else ZOOMS)
    return whole if is_worse else zoomed


def thresholds_without_boxes(localizer: Localizer, samples: Sequence[Sample]) -> Thresholds:
    """Choose the thresholds by the heatmaps of the images' own classes and the edges of the images.

    That of all classes is Otsu's, changed as far as :func:`~weakspot.training.edge_threshold.edge_threshold` finds that
    outlines follow edges better; that of a class is changed from there by its own images. Without a foreground head it
    is Otsu's, because other maps do not cover objects up to their edges.
    """
    counts = np.zeros(_BINS + 1)
    outlines: list[list[NDArray[np.float64]]] = [[] for _ in localizer.class_names]
    for pixels, result in _localize_own_classes(localizer, samples):
        counts += _count_values(result.heatmap)
        if localizer.is_adapted:
            outlines[result.class_index].append(outline_edges(result.heatmap, pixels))
    otsu = _separate_counts(counts)
    value = edge_threshold(list(chain(*outlines)), otsu)
    per_class = tuple(edge_threshold(of_class, value) for of_class in outlines)
    is_otsu = {value, *per_class} == {otsu}
    source = (
        f"Otsu's method on {counted(len(samples), 'heatmap')}"
        if is_otsu
        else f"edges of {counted(len(samples), 'image')}"
    )
    return Thresholds(value, source, () if {*per_class} == {value} else per_class)


def score_samples(
    localizer: Localizer, dataset: Dataset, samples: Sequence[Sample]
) -> tuple[str, NDArray[np.float64], NDArray[np.intp]]:
    """Score the boxes of images at every threshold.

    Returns:
        The metric, ``"GT-known Loc"``, or ``"mask IoU"`` if there are only masks; the score of each pair of image and
        class at each of ``NATIVE_THRESHOLDS``, shape (N, T); and its class index, shape (N,).

    Raises:
        InputError: If no image has a box or mask, or they cannot be scored.
    """
    scored = replace(dataset, samples=tuple(replace(sample, split="val") for sample in samples))
    predictions: list[Prediction] = []
    evaluate(
        localizer,
        scored,
        config=EvaluationConfig(test_split="val", val_split="", samples=0),
        on_prediction=lambda prediction, _: predictions.append(prediction),
    )
    metric, scores = _score_matrix([prediction.scores[localizer.method] for prediction in predictions])
    classes = [prediction.sample.class_indices[prediction.target_index] for prediction in predictions]
    return metric, scores, np.array(classes, np.intp)


def best_class_thresholds(
    scores: NDArray[np.float64], classes: NDArray[np.integer], num_classes: int
) -> tuple[float, ...]:
    """Choose a threshold for each class: the best for its own images and five that have the mean score of all images.

    Args:
        scores: Score of each image at each of ``NATIVE_THRESHOLDS``, shape (N, T).
        classes: Class of each image, shape (N,).
        num_classes: Number of classes; a class without images gets the best threshold of all images.
    """
    prior = _PRIOR_IMAGES * scores.mean(axis=0, keepdims=True)
    return tuple(best_threshold(np.concatenate([scores[classes == index], prior])) for index in range(num_classes))


def best_threshold(scores: NDArray[np.float64]) -> float:
    """Return the threshold with the highest total score, the middle one of several, limited to [0.01, 0.99].

    Args:
        scores: Score of each image at each of ``NATIVE_THRESHOLDS``, shape (N, T).
    """
    total = scores.sum(axis=0)
    best = np.flatnonzero(total >= total.max() - 1e-9)
    return float(np.clip(NATIVE_THRESHOLDS[best[(len(best) - 1) // 2]], 1 / _BINS, 1 - 1 / _BINS))


def _score_matrix(scores: Sequence[Scores]) -> tuple[str, NDArray[np.float64]]:
    """Return the name of the metric, and the score of each image at each threshold, shape (N, T)."""
    box_ious = [image.native for image in scores if image.native is not None]
    if box_ious:
        return "GT-known Loc", (np.stack(box_ious) >= IOU_THRESHOLD).astype(np.float64)
    mask_ious = [image.mask for image in scores if image.mask is not None]
    return "mask IoU", np.nan_to_num(np.stack(mask_ious)) if mask_ious else np.zeros((0, len(NATIVE_THRESHOLDS)))


def otsu_threshold(heatmaps: Iterable[NDArray[np.floating]]) -> float:
    """Choose one threshold for all heatmaps that maximizes the variance between the pixels below and above it.

    Args:
        heatmaps: Values in [0, 1], any shape; heatmaps without a value above 0 are ignored.

    Returns:
        The threshold, in (0, 1), a multiple of 0.01; the middle one if several are equally good. 0.2, as for CAM, if no
        heatmap has a value above 0.

    Source:
        Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE SMC 9, 1979, equation (18).
    """
    counts = np.zeros(_BINS + 1)
    for heatmap in heatmaps:
        counts += _count_values(heatmap)
    return _separate_counts(counts)


def _count_values(heatmap: NDArray[np.floating]) -> NDArray[np.float64]:
    """Count the pixels of each value, rounded to hundredths, shape (101,); zeros if no value is above 0."""
    if not heatmap.any():
        return np.zeros(_BINS + 1)
    return np.bincount((heatmap.ravel() * _BINS).round().astype(int), minlength=_BINS + 1).astype(np.float64)


def _separate_counts(counts: NDArray[np.float64]) -> float:
    """Return Otsu's threshold of pixel counts (101,); 0.2 if there are none."""
    if not counts.any():
        return 0.2
    probabilities, values = counts / counts.sum(), np.arange(_BINS + 1) / _BINS
    below, mean = np.cumsum(probabilities)[:-1], np.cumsum(probabilities * values)[:-1]
    total = float((probabilities * values).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.nan_to_num((total * below - mean) ** 2 / (below * (1 - below)), posinf=0)
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(round(values[1:][best].mean(), 2))


def _localize_own_classes(
    localizer: Localizer, samples: Sequence[Sample]
) -> Iterator[tuple[NDArray[np.uint8], Localization]]:
    """Yield the pixels of each image and its first class localized, or the most probable one if it has no label.

    Images of the same class follow each other.
    """
    names = localizer.class_names

    def own_class(sample: Sample) -> str:
        return next((annotation.label for annotation in sample.annotations if annotation.label in names), "")

    for label, of_label in groupby(sorted(samples, key=own_class), own_class):
        images, localized = tee(_read(sample, localizer) for sample in of_label)
        results = localizer.stream(localized, classes=[label] if label else None)
        yield from zip(map(np.asarray, images), results, strict=True)


def _read(sample: Sample, localizer: Localizer) -> Image.Image:
    """Read an image at about the input size of the model."""
    size = localizer.preprocessing
    return read_downscaled(sample.path, height=size.height, width=size.width, max_pixels=localizer.max_pixels)[0]
