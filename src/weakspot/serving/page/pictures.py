"""Several classes on one photo, each in its own colour."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from weakspot.drawing import BOX_COLOUR, draw_boxes, overlay_heatmap
from weakspot.ops import scale_boxes
from weakspot.results import Localization

# Far apart in hue and light enough for dark letters on them.
COLOURS = (BOX_COLOUR, "#ff7eb6", "#ffc233", "#5ab8ff", "#c49bff", "#ff8f5c", "#d3e34a", "#7fe3f0")


def colour_of(place: int) -> str:
    """The colour of the class at a place among those that were chosen.

    Example:
        >>> colour_of(0) == colour_of(len(COLOURS)) == BOX_COLOUR
        True
    """
    return COLOURS[place % len(COLOURS)]


def draw_classes(image: Image.Image, found: Sequence[Localization], *, opacity: float = 0.6) -> Image.Image:
    """Draw the heatmaps and boxes of a photo's classes.

    Args:
        image: The photo at any scale, RGB.
        found: One localization a class. The heatmap of a single one has all colours; of several, each its class's.
        opacity: Opacity of the warmest parts, in [0, 1].

    Returns:
        A new image of the same size.
    """
    for place, one in enumerate(found):
        tint = colour_of(place)
        image = (
            overlay_heatmap(image, one.heatmap, opacity=opacity)
            if len(found) == 1
            else _tinted(image, one.heatmap, tint, opacity)
        )
    for place, one in reversed(list(enumerate(found))):  # the first on top
        image = draw_boxes(image, _at_scale(one, image), caption(one), colour=colour_of(place))
    return image


def caption(one: Localization) -> str:
    """What stands on the first box of a class; nothing where there is no box."""
    return f"{one.label} {one.score:.2f}" if len(one.boxes) else ""


def _at_scale(one: Localization, image: Image.Image) -> NDArray[np.float64]:
    return scale_boxes(one.boxes, from_size=(one.height, one.width), to_size=(image.height, image.width))


def _tinted(image: Image.Image, heatmap: NDArray[np.floating], colour: str, opacity: float) -> Image.Image:
    shades = Image.fromarray((np.clip(heatmap, 0, 1) * 255).round().astype(np.uint8))
    warmth = shades.resize(image.size, Image.Resampling.BILINEAR)
    plain = Image.new("RGB", image.size, ImageColor.getrgb(colour))
    return Image.composite(plain, image, warmth.point([round(255 * opacity * (i / 255) ** 1.5) for i in range(256)]))


def mask_picture(found: Sequence[Localization]) -> Image.Image:
    """Draw masks: white on black of one class; of several, the number of the class from 1 on in its colour.

    Where masks overlap, the class that was chosen first wins.
    """
    if len(found) == 1:
        return Image.fromarray(found[0].mask.astype(np.uint8) * 255)
    numbers = np.zeros((found[0].height, found[0].width), np.uint8)
    for place, one in reversed(list(enumerate(found, start=1))):
        numbers[one.mask] = place
    picture = Image.fromarray(numbers).convert("P")
    picture.putpalette([0, 0, 0, *(part for i in range(len(found)) for part in ImageColor.getrgb(colour_of(i)))])
    return picture
