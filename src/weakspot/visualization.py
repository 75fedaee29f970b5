"""Draw heatmaps, boxes and labels over an image, images side by side, and charts as SVG."""

import warnings
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BOX_COLOR = "#00e5a0"
# Dark enough to be read as lines, and told apart by eyes that confuse red and green (Okabe and Ito, 2008).
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
GRAY = "#7F7F7F"
_INK = "#101418"
_PAPER = "#ffffff"


def draw_localization(
    image: Image.Image, heatmap: NDArray[np.floating], boxes: NDArray[np.floating], caption: str
) -> Image.Image:
    """Lay a heatmap over an image, outline the boxes and caption the first.

    Args:
        image: RGB image.
        heatmap: Shape (h, w) in [0, 1], of the whole image.
        boxes: Shape (n, 4), xyxy in the image's pixels.
        caption: Text on the first box.

    Returns:
        A new image of the same size.
    """
    return draw_boxes(overlay_heatmap(image, heatmap), boxes, caption)


def overlay_heatmap(image: Image.Image, heatmap: NDArray[np.floating], *, opacity: float = 0.6) -> Image.Image:
    """Lay a heatmap over an image: the warmer, the more opaque, so that cold parts stay the photo.

    Args:
        image: RGB image.
        heatmap: Shape (h, w) in [0, 1], of the whole image.
        opacity: Opacity of the warmest part, in [0, 1].
    """
    shades = Image.fromarray((np.clip(heatmap, 0, 1) * 255).round().astype(np.uint8))
    warmth = shades.resize(image.size, Image.Resampling.BILINEAR)
    colors = Image.fromarray(_color_table()[np.asarray(warmth)])
    return Image.composite(colors, image, warmth.point([round(255 * opacity * (i / 255) ** 0.5) for i in range(256)]))


def draw_boxes(
    image: Image.Image, boxes: NDArray[np.floating], caption: str = "", *, color: str = BOX_COLOR
) -> Image.Image:
    """Outline boxes, and caption the first inside the image (Latin, Greek, Cyrillic and more letters).

    Without boxes the caption stands in the corner of the image.
    """
    drawn = image.copy()
    pen = ImageDraw.Draw(drawn)
    line = max(2, round(min(image.size) / 120))
    for x1, y1, x2, y2 in boxes[::-1].tolist():
        # Right and bottom are excluded; the least box still shows a line, and no line leaves its box.
        within = max(1, min(line, int(x2 - x1) // 2, int(y2 - y1) // 2))
        pen.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=color, width=within)
    if caption:
        corner = (boxes[0, 0], boxes[0, 1]) if len(boxes) else (0.0, 0.0)
        _draw_caption(pen, image.size, corner, caption, color)
    return drawn


def _draw_caption(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], corner: tuple[float, float], text: str, color: str
) -> None:
    font = load_font(max(10, round(min(size) / 22)))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    pad = font.size / 4
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x = max(0.0, min(corner[0], size[0] - width))
    y = max(0.0, min(corner[1], size[1] - height))
    pen.rectangle((x, y, x + width, y + height), fill=color)
    pen.text((x + pad - left, y + pad - top), text, fill=_INK, font=font)


def contact_sheet(rows: Sequence[Sequence[Image.Image]], titles: Sequence[str], *, width: int = 300) -> Image.Image:
    """Put pictures into a table: a row each, columns titled.

    Args:
        rows: Pictures, as many in each row as there are titles.
        titles: Text over the columns.
        width: Width of each picture in pixels; its height follows.

    Returns:
        One picture on white.
    """
    gap, font = 8, load_font(17)
    scaled = [[_to_width(picture, width) for picture in row] for row in rows]
    heights = [max(picture.height for picture in row) for row in scaled]
    header = 34
    sheet_size = (gap + len(titles) * (width + gap), header + sum(height + gap for height in heights))
    sheet = Image.new("RGB", sheet_size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        pen.text((gap + column * (width + gap), gap), title, fill=_INK, font=font)
    y = header
    for row, height in zip(scaled, heights, strict=True):
        for column, picture in enumerate(row):
            sheet.paste(picture, (gap + column * (width + gap), y))
        y += height + gap
    return sheet


def _to_width(picture: Image.Image, width: int) -> Image.Image:
    height = max(1, round(picture.height * width / picture.width))
    return picture.resize((width, height), Image.Resampling.LANCZOS)


@cache
def load_font(size: int) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans, which matplotlib carries and which has Cyrillic and Greek letters, too."""
    from matplotlib import get_data_path

    return ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


@cache
def _color_table() -> NDArray[np.uint8]:
    """The 256 colors of matplotlib's turbo map, shape (256, 3)."""
    from matplotlib import colormaps

    table: NDArray[np.uint8] = colormaps["turbo"](np.arange(256), bytes=True)[:, :3]
    return table


def canvas(x: str, y: str) -> "tuple[Figure, Axes]":
    """Make an empty chart with named axes."""
    from matplotlib.figure import Figure

    empty = Figure(figsize=(7.6, 4.2), layout="constrained")
    axes = empty.subplots()
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    return empty, axes


def svg(drawn: "Figure", axes: "Axes", *, legend: bool = True, beside: float = 1.0) -> bytes:
    """Give a chart as SVG: the same figures give the same file, and words stay words.

    Args:
        drawn: The chart.
        axes: Its axes, whose legend stands on the right.
        legend: Whether there is one.
        beside: Where it begins, in widths of the axes.
    """
    from matplotlib import rc_context

    if legend:
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(beside, 1))
    file = BytesIO()
    with rc_context({"svg.hashsalt": "weakspot", "svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of letters that the font has not: the reader's browser has
        drawn.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
