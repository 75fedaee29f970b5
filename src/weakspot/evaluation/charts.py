"""Figures -> charts, as SVG that opens offline."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from weakspot.evaluation.metric_collection import IOU_THRESHOLD
from weakspot.evaluation.results import Evaluation, MethodResult
from weakspot.metrics.mask_metrics import PixelAveragePrecision
from weakspot.metrics.threshold_sweep import ThresholdSweep
from weakspot.visualization import COLORS, GRAY, canvas, svg

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
    drawn, axes = canvas("threshold, fraction of the heatmap's peak", "images with a right box, %")
    for name, row, look in _shown(found):
        sweep = row.tally.metrics["GT-known Loc"]
        if isinstance(sweep, ThresholdSweep):
            axes.plot(sweep.thresholds, sweep.details()["curves"][0], label=_text(name), **look)
    figure = found.first.figures["GT-known Loc"]
    mark: dict[str, Any] = {"color": COLORS[0], "linestyle": "none"}
    axes.plot(figure.oracle_thresholds, [figure.oracle], marker="o", label=f"oracle {figure.oracle:.1f}", **mark)
    if figure.fixed_thresholds:
        fixed = [figure.fixed]
        axes.plot(figure.fixed_thresholds, fixed, marker="s", mfc="white", label=f"fixed {fixed[0]:.1f}", **mark)
    axes.set(xlim=(0, 1), ylim=(0, 100), title=f"GT-known Loc, {_text(found.split)}")
    return svg(drawn, axes)


def overlap_chart(found: Evaluation) -> bytes:
    """Histogram of the first row's box overlaps at the fixed threshold; a box is right from .5 on."""
    drawn, axes = canvas("overlap with the true box (IoU)", "images")
    counts = found.first.overlaps
    left = np.arange(len(counts)) / len(counts)
    colours = [COLORS[0] if edge >= IOU_THRESHOLD else GRAY for edge in left]
    axes.bar(left, counts, width=1 / len(counts), align="edge", color=colours, edgecolor="white")
    axes.axvline(IOU_THRESHOLD, color="black", linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, 1), title=_text(f"Boxes of {next(iter(found.rows))} at the fixed threshold, {found.split}"))
    return svg(drawn, axes, legend=False)


def precision_recall_chart(found: Evaluation) -> bytes:
    """Precision against recall of the pixels of all images, at every score."""
    drawn, axes = canvas("recall of object pixels", "precision of object pixels")
    for name, row, look in _shown(found):
        pooled = row.tally.metrics["PxAP"]
        if isinstance(pooled, PixelAveragePrecision) and "PxAP" in row.figures:
            details, label = pooled.details(), f"{_text(name)}, PxAP {row.figures['PxAP'].fixed:.1f}"
            axes.plot(details["recall"], details["precision"], label=label, **look)
    axes.set(xlim=(0, 1), ylim=(0, 1), title=f"Pixels, {_text(found.split)}")
    return svg(drawn, axes)


def _shown(found: Evaluation) -> Iterator[tuple[str, MethodResult, dict[str, Any]]]:
    """The first five rows in colour, and the baselines in grey."""
    *rows, gaussian, whole = found.rows.items()
    looks: list[dict[str, Any]] = [{"color": colour} for colour in COLORS]
    for (name, row), look in zip(rows, looks, strict=False):
        yield name, row, look
    for (name, row), dashes in zip((gaussian, whole), _DASHES, strict=True):
        yield name, row, {"color": GRAY, "linestyle": dashes}


def _text(name: str) -> str:
    """A name as matplotlib draws it: not as mathematics, and not hidden for a leading underscore."""
    escaped = name.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped
