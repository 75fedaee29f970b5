"""What is known of one visitor's photo: heatmaps and their component trees, so that no slider needs the model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data.decoding import read_downscaled
from weakspot.inference.localization import NO_OBJECT, TOO_FAINT, Localization, min_activation
from weakspot.ops import ComponentTree, boxes_from_heatmap, component_tree, scale_boxes
from weakspot.serving.finder import LocalizerProtocol

# The longest side of a picture on the page, in pixels: at most and at least.
SHOWN_SIDE, LEAST_SIDE = 1280, 960
LIKELY_CLASSES = 5
# Heatmaps of one photo that are kept: of a third of a megabyte each.
MOST_SEEN = 64
# Least area of a region beside the largest, as a fraction of the image's: that of Localizer(boxes="all").
MIN_AREA = 0.01
_THRESHOLDS = tuple(step / 100 for step in range(1, 101))


@dataclass(frozen=True, eq=False)
class ClassState:
    """Where one method sees one class.

    Attributes:
        localization: As the model gave it.
        tree: Its boxes at every threshold of the slider, and at its own.
    """

    localization: Localization
    tree: ComponentTree


@dataclass(frozen=True, eq=False)
class ImageState:
    """A photo and all that was asked of the model about it.

    Attributes:
        name: Name of the file.
        content: Its bytes.
        shown: The photo, small enough for the page.
        likely: The most probable classes, the best first.
        seen: By method and class.
    """

    name: str
    content: bytes = field(repr=False)
    shown: Image.Image = field(repr=False)
    likely: tuple[Localization, ...]
    seen: Mapping[tuple[str, int], ClassState] = field(repr=False)

    @property
    def threshold(self) -> float:
        """Where the model would cut."""
        return self.likely[0].threshold

    @property
    def first_classes(self) -> tuple[int, ...]:
        """The most probable class, and those that are as probable as not."""
        best, *others = self.likely
        return (best.class_index, *(one.class_index for one in others if one.score >= 0.5))


def predict_image(finder: LocalizerProtocol, content: bytes, name: str, methods: Sequence[str]) -> ImageState:
    """Ask for the most probable classes of a photo.

    Args:
        finder: What localizes; it refuses a photo of too many pixels before it is decoded.
        content: The bytes of the file.
        name: Name of the file.
        methods: Names of methods, at least one.

    Raises:
        WeakspotError: If it cannot be localized.
    """
    top = min(LIKELY_CLASSES, len(finder.class_names))
    found = [tuple(finder.localize(content, method=method, top_k=top)) for method in methods]
    shown = shown_photo(content, finder.max_pixels)
    return ImageState(name, content, shown, tuple(replace(one, others=()) for one in found[0]), seen_of(found))


def shown_photo(content: bytes, max_pixels: int) -> Image.Image:
    """Decode a photo at the size of the page; a small one grows, so that boxes and letters on it are sharp."""
    image, _ = read_downscaled(content, height=SHOWN_SIDE // 2, width=SHOWN_SIDE // 2, max_pixels=max_pixels)
    scale = min(SHOWN_SIDE / max(image.size), max(1.0, LEAST_SIDE / max(image.size)))
    width, height = (max(2, round(side * scale)) for side in image.size)
    return image if scale == 1 else image.resize((width, height), Image.Resampling.LANCZOS)


def predict_missing(
    finder: LocalizerProtocol, photo: ImageState, methods: Sequence[str], classes: Sequence[int]
) -> ImageState:
    """Ask for what is not known yet of some methods and classes; the model does not run where all is known."""
    found = [
        tuple(finder.localize(photo.content, method=method, classes=missing))
        for method in methods
        if (missing := [index for index in classes if (method, index) not in photo.seen])
    ]
    return replace(photo, seen=_kept({**photo.seen, **seen_of(found)}, methods, classes)) if found else photo


def _kept(
    seen: dict[tuple[str, int], ClassState], methods: Sequence[str], classes: Sequence[int]
) -> dict[tuple[str, int], ClassState]:
    """All that is known, or where that becomes too much for one visitor, what is asked for now."""
    if len(seen) <= MOST_SEEN:
        return seen
    return {(method, index): one for (method, index), one in seen.items() if method in methods and index in classes}


def seen_of(found: Iterable[Iterable[Localization]]) -> dict[tuple[str, int], ClassState]:
    """Make the component tree of each localization's heatmap."""
    return {(one.method, one.class_index): _seen(replace(one, others=())) for group in found for one in group}


def _seen(found: Localization) -> ClassState:
    return ClassState(found, component_tree(found.heatmap, sorted({*_THRESHOLDS, found.threshold})))


def cut(seen: ClassState, threshold: float, *, largest: bool = True) -> Localization:
    """Cut a heatmap at another threshold, as a Localizer with that threshold would.

    Args:
        seen: What the model gave.
        threshold: Fraction of the heatmap's peak; taken to the hundredth unless it is the model's own.
        largest: Take the largest region only, else all that are large enough.
    """
    found = seen.localization
    at = threshold if threshold == found.threshold else min(max(round(threshold, 2), 0.01), 1.0)
    area = 1.0 if largest else MIN_AREA
    uncertainty = found.uncertainty if at == found.threshold else None
    moved = replace(found, threshold=at, min_area=area, split=False, uncertainty=uncertainty)
    if NO_OBJECT in found.notes:
        return moved
    boxes = scale_boxes(_boxes(seen, moved), from_size=found.heatmap.shape[:2], to_size=(found.height, found.width))
    notes = tuple(note for note in found.notes if note != TOO_FAINT)
    return replace(moved, boxes=boxes, notes=notes if len(boxes) else (TOO_FAINT, *notes))


def _boxes(seen: ClassState, moved: Localization) -> NDArray[np.float64]:
    """The boxes in the heatmap; the heat of a region, which a least score asks for, is not in the tree."""
    if moved.min_score <= 0:
        return seen.tree.boxes_at(moved.threshold, min_area=moved.min_area)
    heat = min_activation(moved.score, moved.min_score)
    return boxes_from_heatmap(moved.heatmap, moved.threshold, min_area=moved.min_area, min_activation=heat)


def apply_threshold(
    photo: ImageState, methods: Sequence[str], classes: Sequence[int], threshold: float, *, largest: bool = True
) -> dict[str, tuple[Localization, ...]]:
    """Cut what is known of some methods and classes: by method, a localization a class."""
    return {
        method: tuple(
            cut(photo.seen[method, index], threshold, largest=largest)
            for index in classes
            if (method, index) in photo.seen
        )
        for method in methods
    }
