"""Where to cut heatmaps: chosen on validation boxes if there are any, else by a rule that needs none."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from weakspot.data import DataSet, Example
from weakspot.errors import InputError
from weakspot.evaluation import evaluate
from weakspot.localizer import Localizer

_LEVELS = 100
# So many images are enough to know how heatmaps are distributed.
_MOST_IMAGES = 500


def choose_threshold(localizer: Localizer, dataset: DataSet, validation: Sequence[Example]) -> tuple[float, str]:
    """Choose a threshold, and say in words how.

    Args:
        localizer: The trained classifier, read as it was trained for.
        dataset: The data set of the images.
        validation: Validation images; those of training where there are none.

    Returns:
        The threshold with the best GT-known Loc on the validation boxes (mask IoU if there are masks only); without
        either, or if none is any good, that of :func:`otsu` over the heatmaps of the images' own classes.
    """
    held = replace(dataset, examples=tuple(replace(example, split="val") for example in validation))
    with suppress(InputError):  # no boxes, or such as cannot be scored
        found = evaluate(localizer, held, split="val", validation="", samples=0)
        metric = "GT-known Loc" if "GT-known Loc" in found.first.figures else "mask IoU"
        figure = found.first.figures[metric]
        if figure.oracle > 0:
            threshold = max(float(figure.oracle_thresholds[0]), 1 / _LEVELS)  # at 0 there is nothing to cut
            return threshold, f"best {metric} on the validation split ({figure.oracle:.1f} %)"
    some = validation[:_MOST_IMAGES]
    return otsu(heatmaps_of(localizer, some)), f"Otsu's rule on {len(some)} heatmaps"


def otsu(heatmaps: Iterable[NDArray[np.floating]]) -> float:
    """Split the pixels of all heatmaps into two classes whose means lie furthest apart: one threshold for all.

    Args:
        heatmaps: Values in [0, 1], any shape; those without a value above 0 are passed over.

    Returns:
        The threshold, in (0, 1), a hundredth; the middle of them where several are as good. 0.2, as CAM has it, where
        no heatmap has a value above 0.

    Source:
        Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE SMC 9, 1979, equation (18).

    Example:
        >>> otsu([np.array([[0.0, 0.1], [0.9, 1.0]])])
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


def heatmaps_of(localizer: Localizer, examples: Sequence[Example]) -> Iterator[NDArray[np.float32]]:
    """The heatmap of the first class of each image; of the most probable one where it has no label."""
    for example in examples:
        label = next((truth.label for truth in example.truths if truth.label in localizer.class_names), None)
        yield localizer(example.path, classes=None if label is None else [label]).heatmap
