"""Predictions for a visitor's image, with their heatmaps, so that the sliders do not run the model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from weakspot.inference.localization import NO_CLAIM, NO_OBJECT, OTHER_OBJECT, Localization
from weakspot.ops.evidence import competition_margins, keep_claimed
from weakspot.serving.batching import BatchingLocalizer

# Bounds of the longest side of a displayed image, in pixels.
MAX_DISPLAY_SIDE, MIN_DISPLAY_SIDE = 1280, 960
TOP_CLASSES = 5
# Maximum number of heatmaps that are kept for an image, and of their pixels: those of tiles are large.
MAX_HEATMAPS, MAX_HEATMAP_PIXELS = 64, 2**24
# Minimum area of a region besides the default one, as a fraction of the image: that of Localizer(boxes="all").
MIN_AREA = 0.01


@dataclass(frozen=True, eq=False)
class ImageState:
    """An image (bytes, and at the size of the page) and all predictions for it so far, by method and class index.

    ``top_classes`` are the localizations of the most probable classes, most probable first.
    """

    name: str
    content: bytes = field(repr=False)
    display_image: Image.Image = field(repr=False)
    top_classes: tuple[Localization, ...]
    predictions: Mapping[tuple[str, int], Localization] = field(repr=False)

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
    display_image = read_for_display(content, localizer)
    top_classes = tuple(replace(localization, others=()) for localization in results[0])
    return ImageState(name, content, display_image, top_classes, by_method_and_class(results))


def read_for_display(content: bytes, localizer: BatchingLocalizer) -> Image.Image:
    """Decode an image at the size of the page; a small image is enlarged, so that its boxes and labels are sharp."""
    image = localizer.read_downscaled(content, height=MAX_DISPLAY_SIDE // 2, width=MAX_DISPLAY_SIDE // 2)
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
    predictions = {**state.predictions, **by_method_and_class(results)}
    pixels = sum(prediction.heatmap.size for prediction in predictions.values())
    if len(predictions) > MAX_HEATMAPS or pixels > MAX_HEATMAP_PIXELS:  # keep the selected ones only
        predictions = {
            (method, index): prediction
            for (method, index), prediction in predictions.items()
            if method in methods and index in classes
        }
    return replace(state, predictions=predictions)


def by_method_and_class(results: Iterable[Iterable[Localization]]) -> dict[tuple[str, int], Localization]:
    """Index localizations by their method and class."""
    return {
        (localization.method, localization.class_index): replace(localization, others=())
        for group in results
        for localization in group
    }


def share_image(localizations: Sequence[Localization]) -> list[Localization]:
    """Give each pixel to the class with the most evidence, as a localizer does that is asked for several classes."""
    shared = list(localizations)
    absent = {NO_OBJECT, OTHER_OBJECT}
    present = [i for i, localization in enumerate(shared) if absent.isdisjoint(localization.notes)]
    evidence = [item for i in present if (item := shared[i].evidence) is not None]
    if len(evidence) < 2:
        return shared
    for i, margin in zip(present, competition_margins(np.stack(evidence)), strict=True):
        heatmap = keep_claimed(shared[i].heatmap, margin)
        claims_nothing = heatmap is shared[i].heatmap and heatmap.any()
        notes = (NO_CLAIM,) if claims_nothing else ()
        shared[i] = replace(shared[i], heatmap=heatmap, uncontested=None, notes=(*notes, *shared[i].notes))
    return shared


def at_threshold(localization: Localization, threshold: float, *, best_only: bool = True) -> Localization:
    """Apply another threshold to a heatmap, with the result of a Localizer with that threshold.

    The threshold is rounded to hundredths unless it is the model's own. Unless ``best_only``, all regions of at least
    :data:`MIN_AREA` are returned.
    """
    if threshold != localization.threshold:
        threshold = min(max(round(threshold, 2), 0.01), 1.0)
    return replace(localization, split=False).with_threshold(threshold, min_area=1.0 if best_only else MIN_AREA)


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
