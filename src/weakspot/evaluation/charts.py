"""Figures -> charts, as SVG that opens offline."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from weakspot.evaluation.results import Evaluation
from weakspot.metrics.masks import PooledPrecision
from weakspot.metrics.sweeps import ThresholdSweep

# Dark enough to be read as lines, and told apart by eyes that confuse red and green (Okabe and Ito, 2008).
_COLOURS = ("#0072B2", "#D55E00", "#7F7F7F", "#009E73", "#CC79A7", "#56B4E9")


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
    if sum(found.overlaps):
        drawn["overlaps.svg"] = overlap_chart(found)
    if "PxAP" in found.first.figures:
        drawn["precision-recall.svg"] = precision_recall_chart(found)
    return drawn


def box_accuracy_chart(found: Evaluation) -> bytes:
    """Share of right boxes at every threshold, the fixed and the oracle one marked on the first curve."""
    canvas, axes = _canvas("threshold, fraction of the heatmap's peak", "images with a right box, %")
    for (name, row), colour in zip(found.rows.items(), _cycle(len(found.rows)), strict=True):
        sweep = None if row.tally is None else row.tally.metrics["GT-known Loc"]
        if isinstance(sweep, ThresholdSweep):
            axes.plot(sweep.thresholds, sweep.details()["curves"][0], color=colour, label=name)
    figure, colour = found.first.figures["GT-known Loc"], _COLOURS[0]
    axes.plot(figure.oracle_thresholds, [figure.oracle], "o", color=colour, label=f"oracle {figure.oracle:.1f}")
    if figure.fixed_thresholds:
        axes.plot(
            figure.fixed_thresholds, [figure.fixed], "s", mfc="white", color=colour, label=f"fixed {figure.fixed:.1f}"
        )
    axes.set(xlim=(0, 1), ylim=(0, 100), title=f"GT-known Loc, {found.split}")
    return _svg(canvas, axes)


def overlap_chart(found: Evaluation) -> bytes:
    """Histogram of the first row's box overlaps at the fixed threshold; a box is right from .5 on."""
    canvas, axes = _canvas("overlap with the true box (IoU)", "images")
    left = np.arange(len(found.overlaps)) / len(found.overlaps)
    colours = [_COLOURS[0] if edge >= 0.5 else _COLOURS[2] for edge in left]
    axes.bar(left, found.overlaps, width=1 / len(found.overlaps), align="edge", color=colours, edgecolor="white")
    axes.axvline(0.5, color="black", linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, 1), title=f"Boxes of {next(iter(found.rows))} at the fixed threshold, {found.split}")
    return _svg(canvas, axes, legend=False)


def precision_recall_chart(found: Evaluation) -> bytes:
    """Precision against recall of the pixels of all images, at every score."""
    canvas, axes = _canvas("recall of object pixels", "precision of object pixels")
    for (name, row), colour in zip(found.rows.items(), _cycle(len(found.rows)), strict=True):
        pooled = None if row.tally is None else row.tally.metrics["PxAP"]
        if isinstance(pooled, PooledPrecision) and "PxAP" in row.figures:
            details, label = pooled.details(), f"{name}, PxAP {row.figures['PxAP'].fixed:.1f}"
            axes.plot(details["recall"], details["precision"], color=colour, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1), title=f"Pixels, {found.split}")
    return _svg(canvas, axes)


def _cycle(count: int) -> Sequence[str]:
    return [_COLOURS[i % len(_COLOURS)] for i in range(count)]


def _canvas(x: str, y: str) -> tuple[Canvas, Axes]:
    canvas = Canvas(figsize=(6.4, 4.2), layout="constrained")
    axes = canvas.subplots()
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    return canvas, axes


def _svg(canvas: Canvas, axes: Axes, *, legend: bool = True) -> bytes:
    if legend:
        axes.legend(frameon=False, fontsize=8)
    file = BytesIO()
    # The same figures give the same file, and words stay words.
    with rc_context({"svg.hashsalt": "weakspot", "svg.fonttype": "none"}):
        canvas.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
