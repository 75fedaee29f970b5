"""Draw several classes over one image, each in its own color."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from weakspot.inference.localization import Localization
from weakspot.ops import scale_boxes
from weakspot.visualization import BOX_COLOR, draw_boxes, overlay_heatmap

# Different hues, light enough for dark text.
COLORS = (BOX_COLOR, "#ff7eb6", "#ffc233", "#5ab8ff", "#c49bff", "#ff8f5c", "#d3e34a", "#7fe3f0")


def class_color(position: int) -> str:
    """Return the color of the class at a position of the selection; the colors repeat."""
    return COLORS[position % len(COLORS)]


def draw_classes(image: Image.Image, localizations: Sequence[Localization], *, opacity: float = 0.6) -> Image.Image:
    """Draw the heatmaps and boxes of an image's classes, one localization each, on a copy of an RGB image of any size.

    A single heatmap is drawn with the color map; several, each in the color of its class. The opacity, in [0, 1], is
    that at the peak of a heatmap.
    """
    if len(localizations) == 1:
        image = overlay_heatmap(image, localizations[0].heatmap, opacity=opacity)
    elif localizations:
        image = _tint(image, np.stack([np.clip(localization.heatmap, 0, 1) for localization in localizations]), opacity)
    for position, localization in reversed(list(enumerate(localizations))):  # the first on top
        boxes = scale_boxes(
            localization.boxes, from_size=(localization.height, localization.width), to_size=(image.height, image.width)
        )
        caption = f"{localization.label} {localization.score:.2f}" if len(boxes) else ""
        image = draw_boxes(image, boxes, caption, color=class_color(position))
    return image


def _tint(image: Image.Image, heatmaps: NDArray[np.floating], opacity: float) -> Image.Image:
    """Tint an image by heatmaps of shape (C, h, w): each pixel in the color of its most activated class."""
    colors = np.array([ImageColor.getrgb(class_color(position)) for position in range(len(heatmaps))], np.float32)
    weights = heatmaps**3 + 1e-9
    mixed = np.tensordot(weights / weights.sum(0), colors, (0, 0))  # (h, w, 3)
    alpha = 255 * opacity * heatmaps.max(0) ** 1.5
    tint, mask = (
        Image.fromarray(array.round().astype(np.uint8)).resize(image.size, Image.Resampling.BILINEAR)
        for array in (mixed, alpha)
    )
    return Image.composite(tint, image, mask)


def draw_masks(localizations: Sequence[Localization]) -> Image.Image:
    """Draw masks: of one class, white on black; of several, a palette image of class numbers from 1.

    If masks overlap, the class that was selected first is drawn.
    """
    if len(localizations) == 1:
        return Image.fromarray(localizations[0].mask.astype(np.uint8) * 255)
    numbers = np.zeros((localizations[0].height, localizations[0].width), np.uint8)
    for number, localization in reversed(list(enumerate(localizations, start=1))):
        numbers[localization.mask] = number
    mask = Image.fromarray(numbers).convert("P")
    colors = (channel for i in range(len(localizations)) for channel in ImageColor.getrgb(class_color(i)))
    mask.putpalette([0, 0, 0, *colors])
    return mask
