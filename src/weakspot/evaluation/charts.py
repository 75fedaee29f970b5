"""Figures -> charts, as SVG that opens offline."""

import warnings
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from weakspot.evaluation.results import Evaluation, Measured
from weakspot.evaluation.tallies import RIGHT
from weakspot.metrics.masks import PooledPrecision
from weakspot.metrics.sweeps import ThresholdSweep

# Dark enough to be read as lines, and told apart by eyes that confuse red and green (Okabe and Ito, 2008).
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
_GREY = "#7F7F7F"
_DASHES = ("--", ":")


def charts(found: Evaluation) -> dict[str, bytes]:
    """Draw what an evaluation found.

    Args:
        found: As :func:`weakspot.evaluation.evaluate` gives it.

    Returns:
        SVG by file name: ``box-accuracy.svg`` (against threshold), ``overlaps.svg`` (histogram) and
        ``precision-recall.svg``, those of them that there are figures for.
    """
    drawn = {}
    if "GT-known Loc" in found.first.figures:
        drawn["box-accuracy.svg"] = box_accuracy_chart(found)
    if sum(found.first.overlaps):
        drawn["overlaps.svg"] = overlap_chart(found)
    if "PxAP" in found.first.figures:
        drawn["precision-recall.svg"] = precision_recall_chart(found)
    return drawn


def box_accuracy_chart(found: Evaluation) -> bytes:
    """Share of right boxes at every threshold, the fixed and the oracle one marked on the first curve."""
    canvas, axes = _canvas("threshold, fraction of the heatmap's peak", "images with a right box, %")
    for name, row, look in _shown(found):
        sweep = row.tally.metrics["GT-known Loc"]
        if isinstance(sweep, ThresholdSweep):
            axes.plot(sweep.thresholds, sweep.details()["curves"][0], label=_text(name), **look)
    figure = found.first.figures["GT-known Loc"]
    mark: dict[str, Any] = {"color": _COLOURS[0], "linestyle": "none"}
    axes.plot(figure.oracle_thresholds, [figure.oracle], marker="o", label=f"oracle {figure.oracle:.1f}", **mark)
    if figure.fixed_thresholds:
        fixed = [figure.fixed]
        axes.plot(figure.fixed_thresholds, fixed, marker="s", mfc="white", label=f"fixed {fixed[0]:.1f}", **mark)
    axes.set(xlim=(0, 1), ylim=(0, 100), title=f"GT-known Loc, {_text(found.split)}")
    return _svg(canvas, axes)


def overlap_chart(found: Evaluation) -> bytes:
    """Histogram of the first row's box overlaps at the fixed threshold; a box is right from .5 on."""
    canvas, axes = _canvas("overlap with the true box (IoU)", "images")
    counts = found.first.overlaps
    left = np.arange(len(counts)) / len(counts)
    colours = [_COLOURS[0] if edge >= RIGHT else _GREY for edge in left]
    axes.bar(left, counts, width=1 / len(counts), align="edge", color=colours, edgecolor="white")
    axes.axvline(RIGHT, color="black", linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, 1), title=_text(f"Boxes of {next(iter(found.rows))} at the fixed threshold, {found.split}"))
    return _svg(canvas, axes, legend=False)


def precision_recall_chart(found: Evaluation) -> bytes:
    """Precision against recall of the pixels of all images, at every score."""
    canvas, axes = _canvas("recall of object pixels", "precision of object pixels")
    for name, row, look in _shown(found):
        pooled = row.tally.metrics["PxAP"]
        if isinstance(pooled, PooledPrecision) and "PxAP" in row.figures:
            details, label = pooled.details(), f"{_text(name)}, PxAP {row.figures['PxAP'].fixed:.1f}"
            axes.plot(details["recall"], details["precision"], label=label, **look)
    axes.set(xlim=(0, 1), ylim=(0, 1), title=f"Pixels, {_text(found.split)}")
    return _svg(canvas, axes)


def _shown(found: Evaluation) -> Iterator[tuple[str, Measured, dict[str, Any]]]:
    """The first five rows in colour, and the baselines in grey."""
    *rows, gaussian, whole = found.rows.items()
    looks: list[dict[str, Any]] = [{"color": colour} for colour in _COLOURS]
    for (name, row), look in zip(rows, looks, strict=False):
        yield name, row, look
    for (name, row), dashes in zip((gaussian, whole), _DASHES, strict=True):
        yield name, row, {"color": _GREY, "linestyle": dashes}


def _text(name: str) -> str:
    """A name as matplotlib draws it: not as mathematics, and not hidden for a leading underscore."""
    escaped = name.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped


def _canvas(x: str, y: str) -> tuple[Canvas, Axes]:
    canvas = Canvas(figsize=(7.6, 4.2), layout="constrained")
    axes = canvas.subplots()
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    return canvas, axes


def _svg(canvas: Canvas, axes: Axes, *, legend: bool = True) -> bytes:
    if legend:
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    file = BytesIO()
    # The same figures give the same file, and words stay words.
    with rc_context({"svg.hashsalt": "weakspot", "svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of letters that the font has not: the reader's browser has
        canvas.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
