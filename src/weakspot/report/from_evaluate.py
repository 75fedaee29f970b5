"""Read the folder of ``weakspot evaluate`` or ``weakspot compare``."""

import json
from collections.abc import Iterator
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import Any

from weakspot.data import Sample, read_dataset
from weakspot.data.label_frames import resolve_frames
from weakspot.errors import InputError
from weakspot.io.folders import EVALUATE_FILE, find_relocated
from weakspot.io.rows import invalid_row, read_image_rows
from weakspot.io.text import FileLine, read_text
from weakspot.report.content import Chart, ReportData, ReportItem, Skipped, Threshold
from weakspot.report.metric_table import metric_table
from weakspot.report.read import as_box, as_number, as_text, modified_at, read_settings

METRICS_FILE, ROWS_FILE = "metrics.json", "images.jsonl"
_CHARTS = {
    "box-accuracy.svg": "Images with a correct box at every threshold",
    "overlaps.svg": "IoU of the boxes with the ground truth",
    "precision-recall.svg": "Precision and recall of object pixels",
}


def read_evaluated(folder: Path, data: Path | None = None, images: Path | None = None) -> ReportData:
    """Read metrics, rows, charts and settings of an evaluation.

    Images and ground-truth boxes come from the data set of the evaluation. If it does not exist any more, they are
    omitted with a note.

    Args:
        folder: Folder with ``metrics.json`` and, optionally, rows, charts and settings.
        data: The data set, if it has moved.
        images: Folder of the images, if they have moved.

    Raises:
        InputError: If a file cannot be read; ``metrics-invalid`` if the metrics are not those of an evaluation.
    """
    settings = read_settings(folder / EVALUATE_FILE, "evaluate")
    metrics = _read_metrics(folder / METRICS_FILE)
    rows = list(read_image_rows([folder / ROWS_FILE], ("image", "class"))) if (folder / ROWS_FILE).exists() else []
    samples, notes = _samples(settings, data, images) if rows else ({}, [])
    try:
        table = metric_table(metrics["rows"])
        threshold = _threshold(metrics["rows"])
        facts = {"split": str(metrics["split"])} | _threshold_fact(metrics["rows"], threshold if rows else None)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _invalid_metrics(folder / METRICS_FILE) from error
    item_of = partial(_item, folder=folder, samples=samples, threshold=threshold)
    return ReportData(
        kind="Evaluation" if rows else "Comparison",
        folder=folder,
        modified=modified_at(folder / METRICS_FILE),
        version=str(metrics.get("weakspot")),
        facts=facts,
        settings=as_text(settings),
        items=tuple(item for item in starmap(item_of, rows) if item),
        metrics=table,
        charts=tuple(_charts(folder, skip="overlaps.svg" if rows else "")),  # the report draws it from the rows
        skipped=tuple(Skipped(str(row.get("image")), str(row["problem"])) for _, row in rows if row.get("problem")),
        notes=(*notes, *map(str, metrics.get("notes", ()))),
    )


def _read_metrics(file: Path) -> dict[str, Any]:
    try:
        metrics = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise _invalid_metrics(file) from error
    if not isinstance(metrics, dict):
        raise _invalid_metrics(file)
    return metrics


def _invalid_metrics(file: Path) -> InputError:
    return InputError("metrics-invalid", f"{file} must contain the metrics of an evaluation.")


def _threshold_fact(rows: dict[str, Any], threshold: Threshold | None) -> dict[str, str]:
    """Describe how fixed thresholds were selected, with the value of the first map if all items use it."""
    first: dict[str, Any] = next(iter(rows.values()), {})
    value = f"{threshold.threshold:g}, " if threshold else ""
    return {"fixed threshold": f"{value}{first['fixed_by']}"} if "fixed_by" in first else {}


def _threshold(rows: dict[str, Any]) -> Threshold | None:
    """Return the fixed threshold of the first map: of its default region or, with masks only, of all regions."""
    first: dict[str, Any] = next(iter(rows.values()), {})
    metrics = first.get("figures", {})
    for name, min_area in (("GT-known Loc", 1.0), ("mask IoU", 0.0)):
        if name in metrics:
            thresholds = metrics[name]["fixed_thresholds"]
            return Threshold(as_number(thresholds[0]), min_area) if thresholds else None
    return None


def _samples(settings: dict[str, Any], data: Path | None, images: Path | None) -> tuple[dict[str, Sample], list[str]]:
    """Return the samples of the data set by id; none, and a note, if it cannot be read."""
    root = data or settings.get("data")
    omitted = "Images and ground-truth boxes are omitted (--data)"
    if root is None:
        return {}, [f"{omitted}: the folder does not record its data set."]
    try:
        dataset = read_dataset(
            root,
            ground_truth=settings.get("ground_truth"),
            images=images or settings.get("images"),
            use_predictions=bool(settings.get("use_predictions")),
        )
        dataset = resolve_frames(dataset, Path(settings.get("ground_truth") or root), list(dataset.splits))
    except InputError as error:
        if data is not None:
            raise
        return {}, [f"{omitted}: {error.problem}"]
    return {sample.image_id: sample for sample in dataset.samples}, []


def _item(
    location: FileLine,
    row: dict[str, Any],
    *,
    folder: Path,
    samples: dict[str, Sample],
    threshold: Threshold | None,
) -> ReportItem | None:
    """Join a row with its image and ground truth; None if the image could not be read."""
    try:
        if row["problem"] is not None:
            return None
        name, label = str(row["image"]), str(row["class"])
        sample = samples.get(name, Sample(name, Path(name)))
        annotations = (annotation for annotation in sample.annotations if annotation.label == label)
        return ReportItem(
            name=name,
            image=sample.path,
            label=label,
            frame=sample.size,
            upright=False,
            boxes=() if row["box"] is None else (as_box(row["box"]),),
            true_boxes=tuple(as_box(box) for annotation in annotations for box in annotation.boxes.tolist()),
            iou=None if row["iou"] is None else as_number(row["iou"]),
            heatmap=find_relocated(folder, Path(row["heatmap"])) if row.get("heatmap") else None,
            threshold=threshold,
            facts=dict(_facts(row)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise invalid_row(location, f"{type(error).__name__} {error}") from error


def _facts(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "size", str(row["size"])
    if row.get("rank") is not None:
        yield "rank of the class", str(row["rank"])
    if row.get("mask_iou") is not None:
        yield "mask IoU", f"{as_number(row['mask_iou']):.2f}"


def _charts(folder: Path, skip: str) -> Iterator[Chart]:
    for name, title in _CHARTS.items():
        if name != skip and (folder / name).exists():
            yield Chart(title, (folder / name).read_bytes())
