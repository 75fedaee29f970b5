"""Charts as SVG that opens offline, all of one look."""

import warnings
from io import BytesIO

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

# Dark enough to be read as lines, and told apart by eyes that confuse red and green (Okabe and Ito, 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
GREY = "#7F7F7F"


def canvas(x: str, y: str) -> tuple[Canvas, Axes]:
    """Make an empty chart with named axes."""
    empty = Canvas(figsize=(7.6, 4.2), layout="constrained")
    axes = empty.subplots()
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    return empty, axes


def svg(drawn: Canvas, axes: Axes, *, legend: bool = True, beside: float = 1.0) -> bytes:
    """Give a chart as SVG: the same figures give the same file, and words stay words.

    Args:
        drawn: The chart.
        axes: Its axes, whose legend stands on the right.
        legend: Whether there is one.
        beside: Where it begins, in widths of the axes.
    """
    if legend:
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(beside, 1))
    file = BytesIO()
    with rc_context({"svg.hashsalt": "weakspot", "svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of letters that the font has not: the reader's browser has
        drawn.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
