"""Several classes on one photo, each in its own colour."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from weakspot.inference.localization import Localization
from weakspot.ops import scale_boxes
from weakspot.visualization import BOX_COLOR, draw_boxes, overlay_heatmap

# Far apart in hue and light enough for dark letters on them.
COLOURS = (BOX_COLOR, "#ff7eb6", "#ffc233", "#5ab8ff", "#c49bff", "#ff8f5c", "#d3e34a", "#7fe3f0")


def colour_of(place: int) -> str:
    """The colour of the class at a place among those that were chosen.

    Example:
        >>> colour_of(0) == colour_of(len(COLOURS)) == BOX_COLOR
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
    if len(found) == 1:
        image = overlay_heatmap(image, found[0].heatmap, opacity=opacity)
    elif found:
        image = _tinted(image, np.stack([np.clip(one.heatmap, 0, 1) for one in found]), opacity)
    for place, one in reversed(list(enumerate(found))):  # the first on top
        image = draw_boxes(image, _at_scale(one, image), caption(one), color=colour_of(place))
    return image


def caption(one: Localization) -> str:
    """What stands on the first box of a class; nothing where there is no box."""
    return f"{one.label} {one.score:.2f}" if len(one.boxes) else ""


def _at_scale(one: Localization, image: Image.Image) -> NDArray[np.float64]:
    return scale_boxes(one.boxes, from_size=(one.height, one.width), to_size=(image.height, image.width))


def _tinted(image: Image.Image, heatmaps: NDArray[np.floating], opacity: float) -> Image.Image:
    """Tint a photo by heatmaps of shape (C, h, w): each place in the colour of the class that is warmest there."""
    colours = np.array([ImageColor.getrgb(colour_of(place)) for place in range(len(heatmaps))], np.float32)
    shares = heatmaps**3 + 1e-9
    mixed = np.tensordot(shares / shares.sum(0), colours, (0, 0))  # (h, w, 3)
    opaque = 255 * opacity * heatmaps.max(0) ** 1.5
    tint, mask = (
        Image.fromarray(part.round().astype(np.uint8)).resize(image.size, Image.Resampling.BILINEAR)
        for part in (mixed, opaque)
    )
    return Image.composite(tint, image, mask)


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
