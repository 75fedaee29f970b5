"""A folder of ``weakspot evaluate`` or ``weakspot compare``."""

import json
from collections.abc import Iterator
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import Any

from weakspot.data import Dataset, Sample, read_dataset
from weakspot.errors import InputError
from weakspot.io.folders import find_relocated
from weakspot.io.rows import invalid_row, read_rows
from weakspot.io.text import FileLine, read_text
from weakspot.report.content import Chart, ReportData, ReportItem, Skipped, Threshold
from weakspot.report.metric_table import metric_table
from weakspot.report.read import (
    as_box,
    as_number,
    as_text,
    modified_at,
    read_settings,
)

FIGURES, ROWS, SETTINGS = "metrics.json", "images.jsonl", "evaluate.toml"
_CHARTS = {
    "box-accuracy.svg": "Images with a right box at every threshold",
    "overlaps.svg": "Overlap of the boxes with the true ones",
    "precision-recall.svg": "Precision and recall of object pixels",
}


def read_evaluated(folder: Path, data: Path | None = None, images: Path | None = None) -> ReportData:
    """Read a folder of ``weakspot evaluate`` or ``weakspot compare``.

    Photos and true boxes come from the data set that was evaluated on. Where it is not there any more the figures
    are shown without them, and a note says so.

    Args:
        folder: With ``metrics.json``; a row an image, charts and settings, if there are.
        data: The data set, if it has moved.
        images: The folder of its images, if that is elsewhere.

    Raises:
        InputError: If a file of it cannot be read.
    """
    settings = read_settings(folder / SETTINGS, "evaluate")
    told = _figures(folder / FIGURES)
    rows = list(read_rows(folder / ROWS)) if (folder / ROWS).exists() else []
    examples, notes = _examples(settings, data, images) if rows else ({}, [])
    try:
        table = metric_table(told["rows"])
        cut = _cut(told["rows"])
        facts = {"split": str(told["split"])} | _threshold(told["rows"], cut if rows else None)
        join = partial(_item, folder=folder, examples=examples, cut=cut)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _not_figures(folder / FIGURES) from error
    return ReportData(
        kind="Evaluation" if rows else "Comparison",
        folder=folder,
        when=modified_at(folder / FIGURES),
        version=str(told.get("weakspot")),
        facts=facts,
        settings=as_text(settings),
        items=tuple(item for item in starmap(join, rows) if item),
        figures=table,
        charts=tuple(_charts(folder, without="overlaps.svg" if rows else "")),  # the report draws it from the rows
        skipped=tuple(Skipped(str(row.get("image")), str(row["problem"])) for _, row in rows if row.get("problem")),
        notes=(*notes, *map(str, told.get("notes", ()))),
    )


def _figures(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise _not_figures(file) from error
    if not isinstance(told, dict):
        raise _not_figures(file)
    return told


def _not_figures(file: Path) -> InputError:
    return InputError(f"{file} does not hold the figures of an evaluation.", "Evaluate again, to another --output.")


def _threshold(rows: dict[str, Any], cut: Threshold | None) -> dict[str, str]:
    """The first map's fixed threshold, where it is the only one, and what such were chosen by."""
    first: dict[str, Any] = next(iter(rows.values()), {})
    value = f"{cut.threshold:g}, " if cut else ""
    return {"fixed threshold": f"{value}{first['fixed_by']}"} if "fixed_by" in first else {}


def _cut(rows: dict[str, Any]) -> Threshold | None:
    """How the first map's regions are cut: the one that its box bounds, or where only masks are known all of them."""
    first: dict[str, Any] = next(iter(rows.values()), {})
    figures = first.get("figures", {})
    for metric, min_area in (("GT-known Loc", 1.0), ("mask IoU", 0.0)):
        if metric in figures:
            thresholds = figures[metric]["fixed_thresholds"]
            return Threshold(as_number(thresholds[0]), min_area) if thresholds else None
    return None


def _examples(settings: dict[str, Any], data: Path | None, images: Path | None) -> tuple[dict[str, Sample], list[str]]:
    """The images of the data set by id; none, and a note, where it cannot be read."""
    root = data or settings.get("data")
    if root is None:
        return {}, ["The folder does not name its data set: photos and true boxes are left out (--data)."]
    try:
        dataset = read_dataset(root, truth=settings.get("truth"), images=images or settings.get("images"))
    except InputError as error:
        if data is not None:
            raise
        return {}, [f"Photos and true boxes are left out (--data): {error.problem}"]
    return _by_id(dataset), []


def _by_id(dataset: Dataset) -> dict[str, Sample]:
    return {example.image_id: example for example in dataset.samples}


def _item(
    place: FileLine, row: dict[str, Any], *, folder: Path, examples: dict[str, Sample], cut: Threshold | None
) -> ReportItem | None:
    """What a row says, and the photo and the truth of its image; None of an image that could not be read."""
    try:
        if row["problem"] is not None:
            return None
        name, label = str(row["image"]), str(row["class"])
        example = examples.get(name, Sample(name, Path(name)))
        truths = (truth for truth in example.annotations if truth.label == label)
        return ReportItem(
            name=name,
            photo=example.path,
            label=label,
            frame=example.size,
            upright=False,
            boxes=() if row["box"] is None else (as_box(row["box"]),),
            truths=tuple(as_box(box) for truth in truths for box in truth.boxes.tolist()),
            overlap=None if row["iou"] is None else as_number(row["iou"]),
            heatmap=find_relocated(folder, Path(row["heatmap"])) if row.get("heatmap") else None,
            cut=cut,
            facts=dict(_facts(row)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise invalid_row(place, f"{type(error).__name__} {error}") from error


def _facts(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "size", str(row["size"])
    if row.get("rank") is not None:
        yield "rank of the class", str(row["rank"])
    if row.get("mask_iou") is not None:
        yield "mask IoU", f"{as_number(row['mask_iou']):.2f}"


def _charts(folder: Path, without: str) -> Iterator[Chart]:
    for name, title in _CHARTS.items():
        if name != without and (folder / name).exists():
            yield Chart(title, (folder / name).read_bytes())
