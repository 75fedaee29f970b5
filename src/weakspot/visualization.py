"""Draw heatmaps, boxes and labels over an image, tables of images, and charts as SVG."""

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
# Dark enough for lines, and distinguishable for colorblind readers (Okabe and Ito, 2008).
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
GRAY = "#7F7F7F"
_TEXT_COLOR = "#101418"
_BACKGROUND = "#ffffff"


def draw_localization(
    image: Image.Image, heatmap: NDArray[np.floating], boxes: NDArray[np.floating], caption: str
) -> Image.Image:
    """Overlay a heatmap of the whole image, shape (h, w) in [0, 1], on an RGB image, outline and caption its boxes.

    Boxes have shape (n, 4), xyxy in the image's pixels.
    """
    return draw_boxes(overlay_heatmap(image, heatmap), boxes, caption)


def overlay_heatmap(image: Image.Image, heatmap: NDArray[np.floating], *, opacity: float = 0.6) -> Image.Image:
    """Overlay a heatmap of the whole image, shape (h, w) in [0, 1], on an RGB image.

    Opacity rises with activation to ``opacity`` at the maximum, so that inactive parts show the image.
    """
    gray = Image.fromarray((np.clip(heatmap, 0, 1) * 255).round().astype(np.uint8))
    levels = gray.resize(image.size, Image.Resampling.BILINEAR)
    colors = Image.fromarray(_color_table()[np.asarray(levels)])
    return Image.composite(colors, image, levels.point([round(255 * opacity * (i / 255) ** 0.5) for i in range(256)]))


def draw_boxes(
    image: Image.Image, boxes: NDArray[np.floating], caption: str = "", *, color: str = BOX_COLOR
) -> Image.Image:
    """Outline boxes on a copy, and caption the first one inside the image; without boxes the caption is in the corner.

    The caption is above a small box, or below it at the top of the image, and inside a large one.

    Boxes have shape (n, 4), xyxy in the image's pixels. The caption may have Latin, Greek or Cyrillic letters.
    """
    output = image.copy()
    draw = ImageDraw.Draw(output)
    line = max(2, round(min(image.size) / 120))
    for x1, y1, x2, y2 in boxes[::-1].tolist():
        # Right and bottom are excluded; every box has a line, and no line exceeds its box.
        width = max(1, min(line, int(x2 - x1) // 2, int(y2 - y1) // 2))
        draw.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=color, width=width)
    if caption:
        _draw_caption(draw, image.size, boxes[0].tolist() if len(boxes) else [0.0] * 4, caption, color)
    return output


def _draw_caption(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], box: Sequence[float], text: str, color: str
) -> None:
    font = load_font(max(10, round(min(size) / 22)))
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    pad = font.size / 4
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x1, y1, _, y2 = box
    hides_box = y2 > y1 and y2 - y1 < 2 * height  # a small one
    above, below = y1 - height - 1, y2
    start = (above if above >= 0 else below) if hides_box else y1
    x = max(0.0, min(x1, size[0] - width))
    y = max(0.0, min(start, size[1] - height))
    draw.rectangle((x, y, x + width, y + height), fill=color)
    draw.text((x + pad - left, y + pad - top), text, fill=_TEXT_COLOR, font=font)


def contact_sheet(rows: Sequence[Sequence[Image.Image]], titles: Sequence[str], *, width: int = 300) -> Image.Image:
    """Arrange images in a table on white, with titled columns; each is scaled to ``width`` pixels."""
    gap, font = 8, load_font(17)
    scaled = [[_to_width(image, width) for image in row] for row in rows]
    heights = [max(image.height for image in row) for row in scaled]
    header = 34
    sheet_size = (gap + len(titles) * (width + gap), header + sum(height + gap for height in heights))
    sheet = Image.new("RGB", sheet_size, _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        draw.text((gap + column * (width + gap), gap), title, fill=_TEXT_COLOR, font=font)
    y = header
    for row, height in zip(scaled, heights, strict=True):
        for column, image in enumerate(row):
            sheet.paste(image, (gap + column * (width + gap), y))
        y += height + gap
    return sheet


def _to_width(image: Image.Image, width: int) -> Image.Image:
    height = max(1, round(image.height * width / image.width))
    return image.resize((width, height), Image.Resampling.LANCZOS)


@cache
def load_font(size: int) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans from matplotlib, which has Latin, Greek and Cyrillic letters."""
    from matplotlib import get_data_path

    return ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


@cache
def _color_table() -> NDArray[np.uint8]:
    """Return the 256 colors of matplotlib's turbo map, shape (256, 3)."""
    from matplotlib import colormaps

    table: NDArray[np.uint8] = colormaps["turbo"](np.arange(256), bytes=True)[:, :3]
    return table


def new_chart(x: str, y: str) -> "tuple[Figure, Axes]":
    """Create an empty chart with labeled axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    return figure, axes


def chart_to_svg(figure: "Figure", axes: "Axes", *, legend: bool = True, legend_x: float = 1.0) -> bytes:
    """Render a chart as reproducible SVG, with text as text.

    The legend is on the right; ``legend_x`` is its left edge, in widths of the axes.
    """
    from matplotlib import rc_context

    if legend:
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(legend_x, 1))
    file = BytesIO()
    with rc_context({"svg.hashsalt": "weakspot", "svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # letters that the font lacks; the browser has them
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
