"""Charts of an evaluation, as self-contained SVG."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from weakspot.evaluation.metric_collection import IOU_THRESHOLD, LOC
from weakspot.evaluation.results import Evaluation, MethodResult
from weakspot.visualization import COLORS, GRAY, chart_to_svg, new_chart

_LINE_STYLES = ("--", ":")


def charts(evaluation: Evaluation) -> dict[str, bytes]:
    """Draw the charts of an evaluation for which there are metrics, as SVG by file name.

    These are ``box-accuracy.svg`` (against threshold), ``overlaps.svg`` (histogram) and ``precision-recall.svg``.
    """
    files = {}
    if LOC in evaluation.first.metrics:
        files["box-accuracy.svg"] = box_accuracy_chart(evaluation)
    if sum(evaluation.first.iou_histogram):
        files["overlaps.svg"] = iou_chart(evaluation)
    if "PxAP" in evaluation.first.metrics:
        files["precision-recall.svg"] = precision_recall_chart(evaluation)
    return files


def box_accuracy_chart(evaluation: Evaluation) -> bytes:
    """Draw the fraction of correct boxes at every threshold, with the fixed and oracle threshold of the first row."""
    figure, axes = new_chart("threshold, fraction of the heatmap's maximum", "images with a correct box, %")
    for name, row, style in _styled_rows(evaluation):
        details = row.collection.metrics[LOC].details()
        axes.plot(details["thresholds"], details["curves"][0], label=_text(name), **style)
    value = evaluation.first.metrics[LOC]
    marker: dict[str, Any] = {"color": COLORS[0], "linestyle": "none"}
    axes.plot(value.oracle_thresholds, [value.oracle], marker="o", label=f"oracle {value.oracle:.1f}", **marker)
    if value.fixed_thresholds:
        label = f"fixed {value.fixed:.1f}"
        axes.plot(value.fixed_thresholds, [value.fixed], marker="s", mfc="white", label=label, **marker)
    axes.set(xlim=(0, 1), ylim=(0, 100), title=f"GT-known Loc, {_text(evaluation.split)}")
    return chart_to_svg(figure, axes)


def iou_chart(evaluation: Evaluation) -> bytes:
    """Draw the histogram of the first row's IoUs at the fixed threshold; a box is correct from 0.5."""
    figure, axes = new_chart("IoU with the ground-truth box", "images")
    counts = evaluation.first.iou_histogram
    left = np.arange(len(counts)) / len(counts)
    colors = [COLORS[0] if edge >= IOU_THRESHOLD else GRAY for edge in left]
    axes.bar(left, counts, width=1 / len(counts), align="edge", color=colors, edgecolor="white")
    axes.axvline(IOU_THRESHOLD, color="black", linewidth=0.8, linestyle=":")
    title = f"Boxes of {next(iter(evaluation.rows))} at the fixed threshold, {evaluation.split}"
    axes.set(xlim=(0, 1), title=_text(title))
    return chart_to_svg(figure, axes, legend=False)


def precision_recall_chart(evaluation: Evaluation) -> bytes:
    """Draw precision against recall of the pixels of all images, at every score."""
    figure, axes = new_chart("recall of object pixels", "precision of object pixels")
    for name, row, style in _styled_rows(evaluation):
        if "PxAP" in row.metrics:
            details = row.collection.metrics["PxAP"].details()
            label = f"{_text(name)}, PxAP {row.metrics['PxAP'].fixed:.1f}"
            axes.plot(details["recall"], details["precision"], label=label, **style)
    axes.set(xlim=(0, 1), ylim=(0, 1), title=f"Pixels, {_text(evaluation.split)}")
    return chart_to_svg(figure, axes)


def _styled_rows(evaluation: Evaluation) -> Iterator[tuple[str, MethodResult, dict[str, Any]]]:
    """Yield the first five rows in color, and the baselines in gray."""
    *rows, gaussian, whole = evaluation.rows.items()
    for (name, row), color in zip(rows, COLORS, strict=False):
        yield name, row, {"color": color}
    for (name, row), line_style in zip((gaussian, whole), _LINE_STYLES, strict=True):
        yield name, row, {"color": GRAY, "linestyle": line_style}


def _text(name: str) -> str:
    """Escape a name for matplotlib: no math mode, and no label hidden for a leading underscore."""
    escaped = name.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped
