"""Read the folder of ``weakspot localize``."""

import shlex
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from weakspot.data import Annotation, Dataset, read_dataset
from weakspot.inference.localization import min_activation
from weakspot.io.folders import CONFIG, RUN_FILE, VERSION, find_relocated, recorded_path
from weakspot.io.manifest import finished_row_files, missing_shards
from weakspot.io.rows import invalid_row, read_image_rows
from weakspot.io.shards import skipped_file
from weakspot.io.text import FileLine
from weakspot.ops.iou import box_iou
from weakspot.report.content import Box, ReportData, ReportItem, Skipped, Threshold
from weakspot.report.read import (
    as_box,
    as_number,
    as_text,
    invalid_settings,
    modified_at,
    read_settings,
    read_skipped,
)
from weakspot.report.summaries import with_error_probability


def read_localized(folder: Path, data: Path | None = None, images: Path | None = None) -> ReportData:
    """Read rows, settings, skipped images, heatmaps, plots and masks.

    Args:
        folder: Folder with ``boxes.jsonl`` or shards.
        data: Data set with ground-truth boxes, or None. It may contain only some of the images: the uncertainty of all
            of them is calibrated on these.
        images: Folder of the images, if they have moved.

    Raises:
        InputError: If a file or the data set cannot be read.
    """
    settings = read_settings(folder / RUN_FILE, "localize")
    version = settings.pop(VERSION, None)
    options = _region_options(settings, folder / RUN_FILE)
    files = finished_row_files(folder)
    rows = read_image_rows(files, ("image", "method"))  # weakspot demo has a row for each method
    items = [item for location, row in rows for item in _items(location, row, folder, images, options)]
    notes: tuple[str, ...] = ()
    if data is not None:
        items = with_error_probability(list(with_ground_truth(items, read_dataset(data))))
        if items and not any(item.true_boxes for item in items):
            notes = (f"The gallery has no ground truth: no image here has a box in {data}.",)
    return ReportData(
        kind="Localizations",
        folder=folder,
        modified=modified_at(files[-1]),
        version=None if version is None else str(version),
        settings=as_text(settings),
        items=tuple(items),
        skipped=_skipped(folder, files, {item.name for item in items}),
        notes=notes,
        refit="" if data is None else refit_command(Path(str(settings.get("model", ""))), data, items),
    )


def refit_command(run: Path, data: Path, items: Sequence[ReportItem]) -> str:
    """Return the command that refits the thresholds of a run to a data set.

    Empty if the folder is not a run, or if the run predicts boxes, which have no threshold.

    Args:
        run: Folder of the run that localized the items.
        data: Data set with ground truth.
        items: The items.
    """
    if not (run / CONFIG).is_file() or any(item.facts["method"] == "psol" for item in items):
        return ""
    return shlex.join(["weakspot", "threshold", str(run), str(data)])


def _skipped(folder: Path, files: Sequence[Path], localized: Container[str]) -> tuple[Skipped, ...]:
    """List the skipped images of all row files that were not localized later, and the missing shards."""
    images = dict.fromkeys(skipped for file in files for skipped in read_skipped(skipped_file(file)))
    shards = (Skipped(name, problem) for name, problem in missing_shards(folder).items())
    return (*(skipped for skipped in images if skipped.image not in localized), *shards)


class _RegionOptions(NamedTuple):
    """How a run cuts regions, for all rows."""

    min_area: float
    split: bool
    min_score: float

    def of(self, row: Mapping[str, Any]) -> Threshold | None:
        """Return how the regions of a row are cut; None if it has no box."""
        if not row["boxes"]:
            return None
        activation = min_activation(as_number(row["score"]), self.min_score)
        return Threshold(as_number(row["threshold"]), self.min_area, self.split, activation)


def _region_options(settings: Mapping[str, Any], file: Path) -> _RegionOptions:
    boxes = settings.get("boxes", "best")
    try:
        min_area, min_score = as_number(settings.get("min_area", 0.01)), as_number(settings.get("min_score", 0.0))
    except (TypeError, ValueError) as error:
        raise invalid_settings(file, error) from error
    instances = boxes in ("instances", "split")  # "split" before 0.2
    return _RegionOptions(1.0 if boxes in ("best", "largest") else min_area, instances, min_score)


def _items(
    location: FileLine, row: dict[str, Any], folder: Path, images: Path | None, options: _RegionOptions
) -> Iterator[ReportItem]:
    """Yield an item for each class of a row."""
    try:
        for i, result in enumerate((row, *row.get("others", ()))):
            item = _item(result, _image_path(Path(row["image"]), folder, images), options)
            yield _with_files(item, folder, f".{item.facts['class index']}" if i else "")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise invalid_row(location, f"{type(error).__name__} {error}") from error


def _item(row: Mapping[str, Any], image: Path, options: _RegionOptions) -> ReportItem:
    uncertainty = row.get("uncertainty", row.get("doubt"))  # "doubt" before 0.2
    return ReportItem(
        name=str(row["image"]),
        image=image,
        label=str(row["label"]),
        frame=(_side(row["height"]), _side(row["width"])),
        boxes=tuple(as_box(box) for box in row["boxes"]),
        score=as_number(row["score"]),
        uncertainty=None if uncertainty is None else as_number(uncertainty),
        threshold=options.of(row),
        facts={"class index": str(int(row["class_index"])), "method": str(row["method"])},
        notes=tuple(map(str, row.get("notes", ()))),
        logits=tuple(map(as_number, row.get("logits") or ())),
    )


def _side(value: Any) -> int:
    if int(value) < 1:
        raise ValueError(f"{value!r} is not the side of an image")
    return int(value)


def _image_path(path: Path, folder: Path, images: Path | None) -> Path:
    """Return the current path of an image: below ``images``, or as recorded."""
    return recorded_path(path, folder) if images is None else find_relocated(images, path) or path


def _with_files(item: ReportItem, folder: Path, class_suffix: str) -> ReportItem:
    """Add the files saved for an item; those of further classes have the class index in their name."""
    image, suffix = Path(item.name), f"{class_suffix}.png"
    return replace(
        item,
        heatmap=find_relocated(folder / "heatmaps", image, suffix),
        plot=find_relocated(folder / "plots", image, suffix),
        mask=find_relocated(folder / "masks", image, suffix),
    )


def with_ground_truth(items: list[ReportItem], dataset: Dataset) -> Iterator[ReportItem]:
    """Add ground-truth boxes and IoU to items whose images are in a data set.

    The ground truth of an item are the boxes of its class. If an image has other classes only, its first item is wrong
    (IoU 0), and its further items get no IoU.

    Args:
        items: The items of a run.
        dataset: The data set; images are matched by their paths.
    """
    by_path = {sample.path.resolve(): sample.annotations for sample in dataset.samples}
    names: set[str] = set()
    for item in items:
        annotations = by_path.get(item.image.resolve(), ())
        yield _with_annotations(item, annotations, is_first=item.name not in names)
        names.add(item.name)


def _with_annotations(item: ReportItem, annotations: Sequence[Annotation], *, is_first: bool) -> ReportItem:
    same_class = [annotation for annotation in annotations if annotation.label.casefold() == item.label.casefold()]
    boxes = tuple(as_box(box) for annotation in same_class or annotations for box in annotation.boxes.tolist())
    if not boxes or not (same_class or is_first):
        return item
    if same_class:
        return replace(item, true_boxes=boxes, iou=best_iou(item.boxes, boxes))
    labels = ", ".join(annotation.label for annotation in annotations)
    return replace(item, true_boxes=boxes, iou=0.0, facts={"true class": labels, **item.facts})


def best_iou(boxes: tuple[Box, ...], true_boxes: tuple[Box, ...]) -> float:
    """Return the largest IoU of the first box with a ground-truth box; 0 without a box."""
    return float(box_iou(np.array(boxes[:1]), np.array(true_boxes)).max()) if boxes else 0.0
