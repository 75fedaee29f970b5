"""From the model's prediction for one image to its localization: arrays only."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weakspot.data import ImageSource
from weakspot.errors import ModelError, WeakspotError
from weakspot.inference.backends import ClassSelection
from weakspot.inference.backends.base import Pixels
from weakspot.inference.localization import (
    BELOW_MIN_SCORE,
    IN_DOUBT,
    NO_CLAIM,
    NO_EVIDENCE,
    NO_OBJECT,
    OTHER_OBJECT,
    SIGNED_ACTIVATIONS,
    Localization,
    min_activation,
)
from weakspot.inference.presence import decided_logits
from weakspot.inference.probabilities import PRESENT, probabilities
from weakspot.models.model_info import ModelInfo
from weakspot.ops import (
    evidence_per_pixel,
    heatmap_from_class_map,
    scale_boxes,
)
from weakspot.ops.boxes import boxes_with_evidence
from weakspot.ops.evidence import competition_margins, keep_claimed
from weakspot.ops.refinement import refine
from weakspot.ops.tiling import Tiling
from weakspot.ops.uncertainty import Calibration, uncertainty_cues, uncertainty_score

_MAX_LOGITS = 100  # of a localization: they would be most of its row
_PROBABLE = 0.5


@dataclass(frozen=True)
class PostprocessConfig:
    """How predictions become localizations, the same for all images; see :class:`Localization` for the fields.

    The heatmap has the input size of ``info``. With ``by_evidence``, the default box is that of the region of most
    evidence, else of the largest one. Maps of ``reference_method`` are compared for the uncertainty, from which
    ``calibration`` (weight and bias; empty if unknown) gives the probability that a box is wrong.
    """

    info: ModelInfo
    method: str
    threshold: float
    min_area: float = 1.0
    split: bool = False
    by_evidence: bool = True
    min_score: float = 0.0
    refine: str | None = None
    uncertainty: bool = False
    calibration: tuple[float, ...] = ()
    reference_method: str | None = None


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """A decoded image: size of the upright image, and pixels (rows, columns, channels) resized for the predictor.

    With a ``tiling``, it is decoded again at its own size when it is predicted.
    """

    source: ImageSource
    width: int
    height: int
    pixels: Pixels
    tiling: Tiling | None = None


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
        maps: Class maps, shape (C, h, w).
        evidence: The method's own maps of the same classes, before they are propagated, shape (C, h', w').
        uncontested: The same where no rival has more evidence, or None.
        reference_maps: Maps of the same classes by the reference method, shape (C, h', w'), or None.
        foreground: Foreground probability, shape (h', w'), or None.
    """

    image: DecodedImage
    selection: ClassSelection
    logits: NDArray[np.floating]
    classes: NDArray[np.integer]
    maps: NDArray[np.floating]
    evidence: NDArray[np.floating]
    has_negative_activations: bool
    reference_maps: NDArray[np.floating] | None = None
    foreground: NDArray[np.floating] | None = None
    uncontested: NDArray[np.floating] | None = None


def postprocess(prediction: ImagePrediction | FailedImage, config: PostprocessConfig) -> Localization | FailedImage:
    """Turn a prediction into the localization of its first class, with those of further classes as its others.

    An image that failed is returned as it is; one with a logit that is not finite fails.
    """
    if isinstance(prediction, FailedImage):
        return prediction
    probability = probabilities(prediction.logits, multi_label=config.info.multi_label)
    if not np.isfinite(probability).all():
        return FailedImage(prediction.image.source, _not_finite(prediction.image.source))
    scores = {
        position: float(probability[index])
        for position, index in enumerate(prediction.classes)
        if position < prediction.selection.count or probability[index] >= PRESENT
    }
    present = [position for position, score in scores.items() if _is_present(prediction, position, score, config)]
    margins = _margins(prediction, present, config)
    first, *others = [
        _localize_class(prediction, position, score, margins.get(position), config)
        if position in present
        else _without_object(prediction, position, score, config)
        for position, score in scores.items()
    ]
    known = config.uncertainty and len(prediction.logits) <= _MAX_LOGITS
    return replace(first, others=tuple(others), logits=prediction.logits if known else None)


def _is_present(prediction: ImagePrediction, position: int, score: float, config: PostprocessConfig) -> bool:
    """Return whether a class may have a box: not the background class, nor one that a multi-label model rules out."""
    is_background = prediction.classes[position] == config.info.background_index
    return not is_background and not (prediction.selection.include_positive and score < PRESENT)


def _margins(
    prediction: ImagePrediction, present: Sequence[int], config: PostprocessConfig
) -> dict[int, NDArray[np.floating]]:
    """Return the margins over the other classes by position, for classes that share the image.

    These are classes that were asked for, or that a multi-label model finds present. The most probable classes of a
    single-label model are alternatives, and share nothing.
    """
    are_alternatives = prediction.selection.indices is None and not prediction.selection.include_positive
    if are_alternatives or not config.by_evidence or len(present) < 2:
        return {}
    return dict(zip(present, competition_margins(prediction.evidence[present]), strict=True))


def _without_object(
    prediction: ImagePrediction, position: int, score: float, config: PostprocessConfig
) -> Localization:
    heatmap = np.zeros((config.info.preprocessing.height, config.info.preprocessing.width), np.float32)
    notes = [OTHER_OBJECT if _predicts_object(prediction.logits, config.info) else NO_OBJECT]
    is_background = prediction.classes[position] == config.info.background_index
    if notes == [NO_OBJECT] and is_background and config.info.presence is not None and score < _PROBABLE:
        notes.append(IN_DOUBT)
    nothing = {"box_evidence": np.zeros(0), "box_confidences": np.zeros(0), "notes": tuple(notes)}
    return _localization(prediction, position, score, config, heatmap, np.zeros((0, 4)), **nothing)


def _predicts_object(logits: NDArray[np.floating], info: ModelInfo) -> bool:
    """Return whether any class of an object is predicted."""
    if info.multi_label:
        return bool((probabilities(logits, multi_label=True) >= PRESENT).any())
    return int(decided_logits(logits, info).argmax()) != info.background_index


def _localize_class(
    prediction: ImagePrediction,
    position: int,
    score: float,
    margin: NDArray[np.floating] | None,
    config: PostprocessConfig,
) -> Localization:
    height, width = config.info.preprocessing.height, config.info.preprocessing.width
    heatmap = heatmap_from_class_map(prediction.maps[position], height=height, width=width)
    claimed = heatmap if margin is None else keep_claimed(heatmap, margin)
    claims_nothing = margin is not None and claimed is heatmap and bool(heatmap.any())
    heatmap = claimed
    if config.refine is not None:
        heatmap = refine(config.refine, prediction.image.pixels, heatmap, config.threshold)
    evidence = prediction.evidence[position]
    # Classes that share the image have no further rivals.
    uncontested = None if margin is not None or prediction.uncontested is None else prediction.uncontested[position]
    per_pixel = evidence_per_pixel(evidence if uncontested is None else uncontested, height=height, width=width)
    boxes, shares = boxes_with_evidence(
        heatmap,
        config.threshold,
        per_pixel,
        by_evidence=config.by_evidence,
        min_area=config.min_area,
        split=config.split,
        min_activation=min_activation(score, config.min_score),
    )
    ordered_by = per_pixel if config.by_evidence else None
    uncertainty = _uncertainty(heatmap, ordered_by, prediction, position, config) if config.uncertainty else None
    return _localization(
        prediction,
        position,
        score,
        config,
        heatmap,
        boxes,
        evidence=evidence,
        uncontested=uncontested,
        box_evidence=shares,
        box_confidences=score * _probability_right(shares, uncertainty, config),
        notes=((NO_CLAIM,) if claims_nothing else ()) + _notes(heatmap, boxes, prediction, config),
        uncertainty=uncertainty,
    )


def _probability_right(
    shares: NDArray[np.float64], uncertainty: float | None, config: PostprocessConfig
) -> NDArray[np.float64]:
    """Return the probability that each box is right, if its class is.

    Without a calibration it is the share of the evidence in the box. With one, the first box has its calibrated
    probability, and the others have less in proportion to their evidence.
    """
    if uncertainty is None or not config.calibration or not len(shares):
        return shares
    weight, bias = config.calibration
    wrong = Calibration(np.array([weight]), bias).probability(np.array([uncertainty]))
    return (1 - wrong) * (np.minimum(shares / shares[0], 1.0) if shares[0] > 0 else np.ones(len(shares)))


def _localization(
    prediction: ImagePrediction,
    position: int,
    score: float,
    config: PostprocessConfig,
    heatmap: NDArray[np.float32],
    boxes: NDArray[np.float64],
    **fields: Any,
) -> Localization:
    """Collect the fields of a localization, with its boxes, in heatmap pixels, in pixels of the image."""
    image, index = prediction.image, int(prediction.classes[position])
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
        boxes=scale_boxes(boxes, from_size=heatmap.shape, to_size=(image.height, image.width)),
        min_area=config.min_area,
        split=config.split,
        min_score=config.min_score,
        by_evidence=config.by_evidence,
        **fields,
    )


def _uncertainty(
    heatmap: NDArray[np.float32],
    evidence: NDArray[np.int32] | None,
    prediction: ImagePrediction,
    position: int,
    config: PostprocessConfig,
) -> float:
    maps, areas = prediction.reference_maps, config.info.typical_areas
    cues = uncertainty_cues(
        heatmap,
        config.threshold,
        evidence=evidence,
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
