"""From one image's class maps to its localization: arrays only."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from weakspot.data import ImageSource
from weakspot.inference.localization import (
    NO_EVIDENCE,
    NO_OBJECT,
    SIGNED_ACTIVATIONS,
    TOO_FAINT,
    Localization,
    min_activation,
)
from weakspot.ops import boxes_from_heatmap, heatmap_from_class_map, scale_boxes
from weakspot.ops.refinement import refine
from weakspot.ops.uncertainty import uncertainty_cues, uncertainty_score

# From this probability on a class of a model of several labels is there, as at a logit of 0.
_PRESENT = 0.5


@dataclass(frozen=True)
class PostprocessConfig:
    """How class maps are read: what is the same for all images.

    Attributes:
        method: Name of the method that made them.
        threshold: Fraction of the heatmap's peak at which boxes are cut.
        min_area: Least area of a region beside the largest, as a fraction of the image's.
        height: Rows of the heatmap, those of the model's input.
        width: Its columns.
        class_names: One for each logit.
        multi_label: Whether each class is present or not, for itself.
        background: Index of the class of images that hold no object, or None.
        uncertainty: Whether to estimate the uncertainty of each box.
        split: Whether regions with several peaks are split between them.
        min_score: Least score of a box: that of the class times the mean of the heatmap in its region.
        refine: Name of the refinement of heatmaps, or None.
    """

    method: str
    threshold: float
    min_area: float
    height: int
    width: int
    class_names: tuple[str, ...]
    multi_label: bool = False
    background: int | None = None
    uncertainty: bool = False
    split: bool = False
    min_score: float = 0.0
    refine: str | None = None


@dataclass(frozen=True)
class ImagePrediction:
    """What the model gave for one image.

    Attributes:
        scores: Probabilities of all classes, see :func:`probabilities`.
        classes: Indices of the classes that have a map, the best first unless somebody named them.
        maps: Raw class maps, shape (C, h, w).
        signed: Whether the activations had negative values.
        asked: How many of the classes were asked for; those behind them are there if they are present.
        named: Whether the classes were named by somebody.
        witness: The same classes' maps by another method, shape (C, h', w'), or None.
        foreground: Probability that something stands there, shape (h', w'), or None.
        pixels: The image at whatever size, shape (rows, columns, channels), uint8; None where nothing is refined.
    """

    scores: NDArray[np.floating]
    classes: Sequence[int]
    maps: NDArray[np.floating]
    signed: bool
    asked: int
    named: bool
    witness: NDArray[np.floating] | None = None
    foreground: NDArray[np.floating] | None = None
    pixels: NDArray[np.uint8] | None = None


def postprocess(
    image: ImageSource, size: tuple[int, int], evidence: ImagePrediction, how: PostprocessConfig
) -> Localization:
    """Turn what the model gave for an image into a localization, with those of further classes as its others.

    Args:
        image: What was localized.
        size: ``(height, width)`` of the upright image.
        evidence: What the model gave.
        how: How class maps are read.
    """
    scores = evidence.scores
    first, *others = [
        _of_class(image, size, evidence, c, float(scores[index]), how)
        for c, index in enumerate(evidence.classes)
        if c < evidence.asked or scores[index] >= _PRESENT
    ]
    return replace(first, others=tuple(others))


def _of_class(
    image: ImageSource, size: tuple[int, int], evidence: ImagePrediction, c: int, score: float, how: PostprocessConfig
) -> Localization:
    index = evidence.classes[c]
    absent = index == how.background or (how.multi_label and not evidence.named and score < _PRESENT)
    class_map = np.zeros_like(evidence.maps[c]) if absent else evidence.maps[c]
    heatmap = heatmap_from_class_map(class_map, height=how.height, width=how.width)
    if how.refine is not None and evidence.pixels is not None:
        heatmap = refine(how.refine, evidence.pixels, heatmap, how.threshold)
    boxes = boxes_from_heatmap(
        heatmap,
        how.threshold,
        min_area=how.min_area,
        split=how.split,
        min_activation=min_activation(score, how.min_score),
    )
    boxes = boxes[: 0 if absent else None]
    return Localization(
        image=image,
        width=size[1],
        height=size[0],
        class_index=index,
        label=how.class_names[index],
        score=score,
        method=how.method,
        threshold=how.threshold,
        heatmap=heatmap,
        boxes=scale_boxes(boxes, from_size=(how.height, how.width), to_size=size),
        min_area=how.min_area,
        split=how.split,
        min_score=how.min_score,
        notes=(NO_OBJECT,) if absent else _notes(heatmap, boxes, evidence, how),
        uncertainty=_uncertainty(heatmap, evidence, c, how) if how.uncertainty and not absent else None,
    )


def _uncertainty(heatmap: NDArray[np.float32], evidence: ImagePrediction, c: int, how: PostprocessConfig) -> float:
    witness = None if evidence.witness is None else evidence.witness[c]
    return uncertainty_score(
        uncertainty_cues(heatmap, how.threshold, reference_map=witness, foreground=evidence.foreground)
    )


def _notes(
    heatmap: NDArray[np.float32], boxes: NDArray[np.float64], evidence: ImagePrediction, how: PostprocessConfig
) -> tuple[str, ...]:
    notes = (TOO_FAINT,) if not len(boxes) else () if heatmap.any() else (NO_EVIDENCE,)
    return (*notes, SIGNED_ACTIVATIONS) if evidence.signed and how.method == "gradcam++" else notes


def probabilities(logits: NDArray[np.floating], *, multi_label: bool) -> NDArray[np.floating]:
    """Turn logits (C,) into probabilities (C,): of each class for itself, or of one among all.

    Example:
        >>> probabilities(np.array([0.0, -np.inf]), multi_label=False).tolist()
        [1.0, 0.0]
    """
    # scipy has both, and takes a third of a second to load.
    with np.errstate(over="ignore", invalid="ignore"):  # of what is not finite NaN, which the caller refuses
        powers = np.exp(-logits if multi_label else logits - logits.max())
    likely: NDArray[np.floating] = 1 / (1 + powers) if multi_label else powers / powers.sum()
    return likely
