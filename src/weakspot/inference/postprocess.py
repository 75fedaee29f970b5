"""From the model's prediction for one image to its localization: arrays only."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weakspot.data import ImageSource
from weakspot.errors import ModelError, WeakspotError
from weakspot.inference.backends import ClassSelection
from weakspot.inference.backends.base import Pixels
from weakspot.inference.localization import (
    BELOW_MIN_SCORE,
    NO_EVIDENCE,
    NO_OBJECT,
    SIGNED_ACTIVATIONS,
    Localization,
    min_activation,
)
from weakspot.models.model_info import ModelInfo
from weakspot.ops import boxes_from_heatmap, heatmap_from_class_map, scale_boxes
from weakspot.ops.refinement import refine
from weakspot.ops.uncertainty import uncertainty_cues, uncertainty_score

# Minimum probability for a class of a multi-label model to be present: that of a logit of 0.
_PRESENT = 0.5


@dataclass(frozen=True)
class PostprocessConfig:
    """How predictions become localizations, the same for all images; see :class:`Localization` for the fields.

    The heatmap has the input size of ``info``. Maps of ``reference_method`` are compared for the uncertainty.
    """

    info: ModelInfo
    method: str
    threshold: float
    min_area: float = 1.0
    split: bool = False
    min_score: float = 0.0
    refine: str | None = None
    uncertainty: bool = False
    reference_method: str | None = None


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """A decoded image: size of the upright image, and pixels (rows, columns, channels) resized for the predictor."""

    source: ImageSource
    width: int
    height: int
    pixels: Pixels


@dataclass(frozen=True)
class FailedImage:
    """An image that could not be localized, and the error."""

    source: ImageSource
    error: WeakspotError


@dataclass(frozen=True, eq=False)
class ImagePrediction:
    """The model's prediction for one image.

    Attributes:
        logits: Logits of all classes, shape (N,).
        classes: Indices of the classes with a map, shape (C,), the most probable first unless requested by index.
        maps: Raw class maps, shape (C, h, w).
        reference_maps: Maps of the same classes by the reference method, shape (C, h', w'), or None.
        foreground: Foreground probability, shape (h', w'), or None.
    """

    image: DecodedImage
    selection: ClassSelection
    logits: NDArray[np.floating]
    classes: NDArray[np.integer]
    maps: NDArray[np.floating]
    has_negative_activations: bool
    reference_maps: NDArray[np.floating] | None = None
    foreground: NDArray[np.floating] | None = None


def postprocess(prediction: ImagePrediction | FailedImage, config: PostprocessConfig) -> Localization | FailedImage:
    """Turn a prediction into the localization of its first class, with those of further classes as its others.

    An image that failed is returned as it is; one with a logit that is not finite fails.
    """
    if isinstance(prediction, FailedImage):
        return prediction
    scores = probabilities(prediction.logits, multi_label=config.info.multi_label)
    if not np.isfinite(scores).all():
        return FailedImage(prediction.image.source, _not_finite(prediction.image.source))
    first, *others = [
        _localize_class(prediction, position, float(scores[index]), config)
        for position, index in enumerate(prediction.classes)
        if position < prediction.selection.count or scores[index] >= _PRESENT
    ]
    return replace(first, others=tuple(others))


def _localize_class(
    prediction: ImagePrediction, position: int, score: float, config: PostprocessConfig
) -> Localization:
    index, image = int(prediction.classes[position]), prediction.image
    height, width = config.info.preprocessing.height, config.info.preprocessing.width
    absent = index == config.info.background_index or (prediction.selection.include_positive and score < _PRESENT)
    class_map = np.zeros_like(prediction.maps[position]) if absent else prediction.maps[position]
    heatmap = heatmap_from_class_map(class_map, height=height, width=width)
    if config.refine is not None:
        heatmap = refine(config.refine, image.pixels, heatmap, config.threshold)
    boxes = boxes_from_heatmap(
        heatmap,
        config.threshold,
        min_area=config.min_area,
        split=config.split,
        min_activation=min_activation(score, config.min_score),
    )
    boxes = boxes[: 0 if absent else None]
    return Localization(
        image=image.source,
        width=image.width,
        height=image.height,
        class_index=index,
        label=config.info.class_names[index],
        score=score,
        method=config.method,
        threshold=config.threshold,
        heatmap=heatmap,
        boxes=scale_boxes(boxes, from_size=(height, width), to_size=(image.height, image.width)),
        min_area=config.min_area,
        split=config.split,
        min_score=config.min_score,
        notes=(NO_OBJECT,) if absent else _notes(heatmap, boxes, prediction, config),
        uncertainty=_uncertainty(heatmap, prediction, position, config) if config.uncertainty and not absent else None,
    )


def _uncertainty(
    heatmap: NDArray[np.float32], prediction: ImagePrediction, position: int, config: PostprocessConfig
) -> float:
    maps, areas = prediction.reference_maps, config.info.typical_areas
    cues = uncertainty_cues(
        heatmap,
        config.threshold,
        reference_map=None if maps is None else maps[position],
        foreground=prediction.foreground,
        typical_area=areas[prediction.classes[position]] if areas else None,
    )
    return uncertainty_score(cues)


def _notes(
    heatmap: NDArray[np.float32], boxes: NDArray[np.float64], prediction: ImagePrediction, config: PostprocessConfig
) -> tuple[str, ...]:
    notes = (BELOW_MIN_SCORE,) if not len(boxes) else () if heatmap.any() else (NO_EVIDENCE,)
    signed = prediction.has_negative_activations and config.method == "gradcam++"
    return (*notes, SIGNED_ACTIVATIONS) if signed else notes


def _not_finite(source: ImageSource) -> ModelError:
    name = source if isinstance(source, str | Path) else "this image"
    problem = f"The model's output for {name} is not finite."
    return ModelError("output-not-finite", problem, "Check the weights, the normalization and the precision.")


def probabilities(logits: NDArray[np.floating], *, multi_label: bool) -> NDArray[np.floating]:
    """Compute the softmax of logits (C,), or with ``multi_label`` the sigmoid of each.

    Example:
        >>> probabilities(np.array([0.0, -np.inf]), multi_label=False).tolist()
        [1.0, 0.0]
    """
    # scipy.special has both, but its import takes a third of a second.
    with np.errstate(over="ignore", invalid="ignore"):  # logits that are not finite give NaN, which callers check
        powers = np.exp(-logits if multi_label else logits - logits.max())
    scores: NDArray[np.floating] = 1 / (1 + powers) if multi_label else powers / powers.sum()
    return scores
