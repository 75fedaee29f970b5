"""Where to cut heatmaps: chosen on validation boxes if there are any, else by a rule that needs none."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from weakspot.cams import METHODS
from weakspot.cams.psol import BOX_LEVEL
from weakspot.data import Dataset, Sample
from weakspot.errors import InputError
from weakspot.evaluation import EvaluationConfig, evaluate
from weakspot.evaluation.map_scores import Scores
from weakspot.evaluation.metric_collection import IOU_THRESHOLD
from weakspot.evaluation.predictions import Prediction
from weakspot.inference.localizer import Localizer
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS

_LEVELS = 100
# The mean of all images counts as so many of a class's own.
_PRIOR = 5
# So many images are enough to know how heatmaps are distributed.
_MOST_IMAGES = 500


@dataclass(frozen=True)
class Thresholds:
    """Where a run's heatmaps are cut.

    Attributes:
        value: Of all classes together.
        found_by: How that was found, in words.
        of_classes: Of each class; empty where no boxes or masks told.
    """

    value: float
    found_by: str
    of_classes: tuple[float, ...] = ()


def choose_thresholds(localizer: Localizer, dataset: Dataset, validation: Sequence[Sample]) -> Thresholds:
    """Choose the threshold, and one for each class, as objects of one class are alike in size.

    Args:
        localizer: The trained classifier, read as it was trained for.
        dataset: The data set of the images.
        validation: Validation images; those of training where there are none.

    Returns:
        The threshold with the best GT-known Loc on the validation boxes (mask IoU if there are masks only), and those
        of the classes by :func:`best_class_thresholds`. Without either, or if none is any good, that of
        :func:`otsu_threshold` over the heatmaps of the images' own classes, and none
        of the classes; a drawn box is then taken as it is.
    """
    held = replace(dataset, samples=tuple(replace(example, split="val") for example in validation))
    watched: list[Prediction] = []
    with suppress(InputError):  # no boxes, or such as cannot be scored
        evaluate(
            localizer,
            held,
            config=EvaluationConfig(test_split="val", val_split="", samples=0),
            on_prediction=lambda outcome, _: watched.append(outcome),
        )
    metric, worth = _worth([outcome.scores[localizer.method] for outcome in watched])
    if worth.any():
        value = best_threshold(worth)
        classes = np.array([outcome.sample.class_indices[outcome.target_index] for outcome in watched])
        found_by = f"best {metric} on the validation split ({100 * worth.mean(axis=0).max():.1f} %)"
        return Thresholds(value, found_by, best_class_thresholds(worth, classes, len(localizer.class_names)))
    if not METHODS[localizer.method].can_propagate:
        return Thresholds(BOX_LEVEL, "where drawn boxes are themselves")
    some = validation[:_MOST_IMAGES]
    return Thresholds(otsu_threshold(iter_heatmaps(localizer, some)), f"Otsu's rule on {len(some)} heatmaps")


def best_class_thresholds(worth: NDArray[np.float64], classes: NDArray[np.integer], count: int) -> tuple[float, ...]:
    """Choose a threshold for each class: the best of its own images and of five that are like the mean of all.

    Args:
        worth: What a cut at each of the plain thresholds is worth, shape (N, T).
        classes: The class of each, shape (N,).
        count: Number of classes; one without images has the best threshold of all images.

    Sample:
        >>> worth = np.zeros((40, len(NATIVE_THRESHOLDS)))
        >>> worth[:20, 200], worth[20:, 800] = 1, 1
        >>> best_class_thresholds(worth, np.repeat([0, 1], 20), 3)
        (0.201, 0.801, 0.201)
    """
    prior = _PRIOR * worth.mean(axis=0, keepdims=True)
    return tuple(best_threshold(np.concatenate([worth[classes == index], prior])) for index in range(count))


def best_threshold(worth: NDArray[np.float64]) -> float:
    """The plain threshold that is worth the most, the middle one of several; never one that cuts nothing off, or all.

    Args:
        worth: Shape (N, T).
    """
    total = worth.sum(axis=0)
    best = np.flatnonzero(total >= total.max() - 1e-9)
    return float(np.clip(NATIVE_THRESHOLDS[best[(len(best) - 1) // 2]], 1 / _LEVELS, 1 - 1 / _LEVELS))


def _worth(scores: Sequence[Scores]) -> tuple[str, NDArray[np.float64]]:
    """What is to be best, by name, and how good each image is at each plain threshold, shape (N, T)."""
    boxes = [one.native for one in scores if one.native is not None]
    if boxes:
        return "GT-known Loc", (np.stack(boxes) >= IOU_THRESHOLD).astype(np.float64)
    masks = [one.mask for one in scores if one.mask is not None]
    return "mask IoU", np.nan_to_num(np.stack(masks)) if masks else np.zeros((0, len(NATIVE_THRESHOLDS)))


def otsu_threshold(heatmaps: Iterable[NDArray[np.floating]]) -> float:
    """Split the pixels of all heatmaps into two classes whose means lie furthest apart: one threshold for all.

    Args:
        heatmaps: Values in [0, 1], any shape; those without a value above 0 are passed over.

    Returns:
        The threshold, in (0, 1), a hundredth; the middle of them where several are as good. 0.2, as CAM has it, where
        no heatmap has a value above 0.

    Source:
        Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE SMC 9, 1979, equation (18).

    Sample:
        >>> otsu_threshold([np.array([[0.0, 0.1], [0.9, 1.0]])])
        0.5
    """
    counts = np.zeros(_LEVELS + 1)
    for heatmap in heatmaps:
        if heatmap.any():
            counts += np.bincount((heatmap.ravel() * _LEVELS).round().astype(int), minlength=_LEVELS + 1)
    if not counts.any():
        return 0.2
    share, levels = counts / counts.sum(), np.arange(_LEVELS + 1) / _LEVELS
    below, mean = np.cumsum(share)[:-1], np.cumsum(share * levels)[:-1]
    total = float((share * levels).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.nan_to_num((total * below - mean) ** 2 / (below * (1 - below)), posinf=0)
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(round(levels[1:][best].mean(), 2))


def iter_heatmaps(localizer: Localizer, examples: Sequence[Sample]) -> Iterator[NDArray[np.float32]]:
    """The heatmap of the first class of each image; of the most probable one where it has no label."""
    for example in examples:
        label = next((truth.label for truth in example.annotations if truth.label in localizer.class_names), None)
        yield localizer(example.path, classes=None if label is None else [label]).heatmap
