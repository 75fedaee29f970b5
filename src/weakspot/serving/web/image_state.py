"""Predictions for a visitor's image: heatmaps and component trees, so that the sliders do not run the model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data.decoding import read_downscaled
from weakspot.inference.localization import BELOW_MIN_SCORE, NO_OBJECT, Localization, min_activation
from weakspot.ops import (
    ComponentTree,
    boxes_from_heatmap,
    component_tree,
    evidence_per_pixel,
    scale_boxes,
)
from weakspot.ops.evidence import competition_margins, keep_claimed
from weakspot.serving.batching import BatchingLocalizer

# Bounds of the longest side of a displayed image, in pixels.
MAX_DISPLAY_SIDE, MIN_DISPLAY_SIDE = 1280, 960
TOP_CLASSES = 5
# Maximum number of heatmaps that are kept for an image; each has a third of a megabyte.
MAX_HEATMAPS = 64
# Minimum area of a region besides the default one, as a fraction of the image: that of Localizer(boxes="all").
MIN_AREA = 0.01
_THRESHOLDS = tuple(step / 100 for step in range(1, 101))


@dataclass(frozen=True, eq=False)
class ClassState:
    """Prediction of one method for one class, and its boxes at every threshold of the slider and the model's own."""

    localization: Localization
    tree: ComponentTree


@dataclass(frozen=True, eq=False)
class ImageState:
    """An image (bytes, and at the size of the page) and all predictions for it so far, by method and class index.

    ``top_classes`` are the localizations of the most probable classes, most probable first.
    """

    name: str
    content: bytes = field(repr=False)
    display_image: Image.Image = field(repr=False)
    top_classes: tuple[Localization, ...]
    predictions: Mapping[tuple[str, int], ClassState] = field(repr=False)

    @property
    def threshold(self) -> float:
        """Default threshold of the model."""
        return self.top_classes[0].threshold

    @property
    def initial_classes(self) -> tuple[int, ...]:
        """The most probable class, and others with a probability of at least one half."""
        first, *others = self.top_classes
        return (first.class_index, *(localization.class_index for localization in others if localization.score >= 0.5))


def predict_image(localizer: BatchingLocalizer, content: bytes, name: str, methods: Sequence[str]) -> ImageState:
    """Predict the most probable classes of an image file with at least one method.

    An image with too many pixels is rejected before it is decoded.
    """
    top_k = min(TOP_CLASSES, len(localizer.class_names))
    results = [tuple(localizer.localize(content, method=method, top_k=top_k)) for method in methods]
    display_image = read_for_display(content, localizer.max_pixels)
    top_classes = tuple(replace(localization, others=()) for localization in results[0])
    return ImageState(name, content, display_image, top_classes, class_states(results))


def read_for_display(content: bytes, max_pixels: int) -> Image.Image:
    """Decode an image at the size of the page; a small image is enlarged, so that its boxes and labels are sharp."""
    image, _ = read_downscaled(
        content, height=MAX_DISPLAY_SIDE // 2, width=MAX_DISPLAY_SIDE // 2, max_pixels=max_pixels
    )
    scale = min(MAX_DISPLAY_SIDE / max(image.size), max(1.0, MIN_DISPLAY_SIDE / max(image.size)))
    width, height = (max(2, round(side * scale)) for side in image.size)
    return image if scale == 1 else image.resize((width, height), Image.Resampling.LANCZOS)


def predict_missing(
    localizer: BatchingLocalizer, state: ImageState, methods: Sequence[str], classes: Sequence[int]
) -> ImageState:
    """Add the predictions of some methods and classes; the model runs only for those that are missing."""
    # One class at a time: classes that are asked for together would share the image, and others are selected later.
    results = [
        tuple(localizer.localize(state.content, method=method, classes=[index]))
        for method in methods
        for index in classes
        if (method, index) not in state.predictions
    ]
    if not results:
        return state
    predictions = {**state.predictions, **class_states(results)}
    if len(predictions) > MAX_HEATMAPS:  # keep the selected ones only
        predictions = {
            (method, index): prediction
            for (method, index), prediction in predictions.items()
            if method in methods and index in classes
        }
    return replace(state, predictions=predictions)


def class_states(results: Iterable[Iterable[Localization]]) -> dict[tuple[str, int], ClassState]:
    """Compute the component tree of each localization's heatmap."""
    return {
        (localization.method, localization.class_index): _class_state(replace(localization, others=()))
        for group in results
        for localization in group
    }


def _class_state(localization: Localization) -> ClassState:
    thresholds = sorted({*_THRESHOLDS, localization.threshold})
    return ClassState(localization, component_tree(localization.heatmap, thresholds, evidence=_evidence(localization)))


def _evidence(localization: Localization) -> NDArray[np.int32] | None:
    height, width = localization.heatmap.shape
    evidence = localization.evidence
    return None if evidence is None else evidence_per_pixel(evidence, height=height, width=width)


def share_image(states: Sequence[ClassState]) -> list[ClassState]:
    """Give each pixel to the class with the most evidence, as a localizer does that is asked for several classes."""
    present = [i for i, state in enumerate(states) if NO_OBJECT not in state.localization.notes]
    if len(present) < 2:
        return list(states)
    evidence = [item for i in present if (item := states[i].localization.evidence) is not None]
    shared = list(states)
    for i, margin in zip(present, competition_margins(np.stack(evidence)), strict=True):
        localization = states[i].localization
        shared[i] = _class_state(replace(localization, heatmap=keep_claimed(localization.heatmap, margin)))
    return shared


def at_threshold(state: ClassState, threshold: float, *, best_only: bool = True) -> Localization:
    """Apply another threshold to a heatmap, with the result of a Localizer with that threshold.

    The threshold is rounded to hundredths unless it is the model's own. Unless ``best_only``, all regions of at least
    :data:`MIN_AREA` are returned.
    """
    original = state.localization
    if threshold != original.threshold:
        threshold = min(max(round(threshold, 2), 0.01), 1.0)
    localization = replace(
        original,
        threshold=threshold,
        min_area=1.0 if best_only else MIN_AREA,
        split=False,
        uncertainty=original.uncertainty if threshold == original.threshold else None,
        box_evidence=None,
        box_confidences=None,
    )
    if NO_OBJECT in original.notes:
        return localization
    image_size = (original.height, original.width)
    boxes = scale_boxes(_boxes(state, localization), from_size=original.heatmap.shape[:2], to_size=image_size)
    notes = tuple(note for note in original.notes if note != BELOW_MIN_SCORE)
    return replace(localization, boxes=boxes, notes=notes if len(boxes) else (BELOW_MIN_SCORE, *notes))


def _boxes(state: ClassState, localization: Localization) -> NDArray[np.float64]:
    """Return the boxes in heatmap pixels; a minimum score needs mean activations, which the tree does not contain."""
    if localization.min_score <= 0:
        return state.tree.boxes_at(localization.threshold, min_area=localization.min_area)
    return boxes_from_heatmap(
        localization.heatmap,
        localization.threshold,
        min_area=localization.min_area,
        min_activation=min_activation(localization.score, localization.min_score),
        evidence=_evidence(localization),
    )


def apply_threshold(
    state: ImageState, methods: Sequence[str], classes: Sequence[int], threshold: float, *, best_only: bool = True
) -> dict[str, tuple[Localization, ...]]:
    """Apply a threshold to the predictions of some methods and classes; one localization per method and class."""
    return {
        method: tuple(
            at_threshold(prediction, threshold, best_only=best_only)
            for prediction in share_image(
                [state.predictions[method, index] for index in classes if (method, index) in state.predictions]
            )
        )
        for method in methods
    }
