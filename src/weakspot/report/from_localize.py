"""A folder of ``weakspot localize``."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from weakspot.data import Annotation, Dataset, read_dataset
from weakspot.errors import InputError
from weakspot.inference.localization import min_activation
from weakspot.io.folders import find_relocated
from weakspot.io.manifest import finished_row_files, missing_shards
from weakspot.io.rows import invalid_row, read_rows
from weakspot.io.run_files import RUN_FILE
from weakspot.io.shards import skipped_file
from weakspot.io.text import FileLine
from weakspot.ops.iou import box_iou
from weakspot.report.calibration import with_error_probability
from weakspot.report.content import Box, ReportData, ReportItem, Skipped, Threshold
from weakspot.report.read import (
    as_box,
    as_number,
    as_text,
    modified_at,
    read_settings,
    read_skipped,
)


def read_localized(folder: Path, data: Path | None = None, images: Path | None = None) -> ReportData:
    """Read a folder of ``weakspot localize``.

    Args:
        folder: With ``boxes.jsonl``, or shards; settings, skipped images, heatmaps, plots and masks, if there are.
        data: A data set whose true boxes are compared with those found, or None. It may hold some of the images only:
            doubt of all is calibrated on these.
        images: Where the photos are, if they have moved.

    Raises:
        InputError: If a file of it cannot be read, or the data set cannot.
    """
    settings = read_settings(folder / RUN_FILE, "localize")
    version = settings.pop("weakspot", None)
    cutting = _cutting(settings, folder / RUN_FILE)
    files = finished_row_files(folder)
    rows = (row for file in files for row in read_rows(file))
    items = [item for place, row in rows for item in _items(place, row, folder, images, cutting)]
    if data is not None:
        items = with_error_probability(list(with_ground_truth(items, read_dataset(data))))
    return ReportData(
        kind="Localizations",
        folder=folder,
        when=modified_at(files[-1]),
        version=None if version is None else str(version),
        settings=as_text(settings),
        items=tuple(items),
        skipped=_missing(folder, files, {item.name for item in items}),
    )


def _missing(folder: Path, files: Sequence[Path], found: Container[str]) -> tuple[Skipped, ...]:
    """What was skipped of the images of all files of rows, and which shards are not there."""
    skipped = (one for file in files for one in read_skipped(skipped_file(file)))
    shards = (Skipped(name, why) for name, why in missing_shards(folder).items())
    return (*(one for one in skipped if one.image not in found), *shards)


class _Cutting(NamedTuple):
    """How a run cuts boxes, whatever the row."""

    min_area: float
    split: bool
    min_score: float

    def of(self, row: Mapping[str, Any]) -> Threshold | None:
        """How those of a row are cut; None where it has no box."""
        if not row["boxes"]:
            return None
        heat = min_activation(as_number(row["score"]), self.min_score)
        return Threshold(as_number(row["threshold"]), self.min_area, self.split, heat)


def _cutting(settings: Mapping[str, Any], file: Path) -> _Cutting:
    boxes = settings.get("boxes", "largest")
    try:
        min_area, min_score = as_number(settings.get("min_area", 0.01)), as_number(settings.get("min_score", 0.0))
    except (TypeError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {error}.", "Mend it, or make the results again.") from error
    instances = boxes in ("instances", "split")  # "split" before 0.2
    return _Cutting(1.0 if boxes == "largest" else min_area, instances, min_score)


def _items(
    place: FileLine, row: dict[str, Any], folder: Path, images: Path | None, cutting: _Cutting
) -> Iterator[ReportItem]:
    """One item for each class of a row."""
    try:
        for which, one in enumerate((row, *row.get("others", ()))):
            found = _item(one, _photo(Path(row["image"]), folder, images), cutting)
            yield _with_files(found, folder, f".{found.facts['class index']}" if which else "")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise invalid_row(place, f"{type(error).__name__} {error}") from error


def _item(row: Mapping[str, Any], photo: Path, cutting: _Cutting) -> ReportItem:
    doubt = row.get("uncertainty", row.get("doubt"))  # "doubt" before 0.2
    return ReportItem(
        name=str(row["image"]),
        photo=photo,
        label=str(row["label"]),
        frame=(_side(row["height"]), _side(row["width"])),
        boxes=tuple(as_box(box) for box in row["boxes"]),
        score=as_number(row["score"]),
        doubt=None if doubt is None else as_number(doubt),
        cut=cutting.of(row),
        facts={"class index": str(int(row["class_index"])), "method": str(row["method"])},
        notes=tuple(map(str, row.get("notes", ()))),
    )


def _side(value: Any) -> int:
    if int(value) < 1:
        raise ValueError(f"{value!r} is no side of an image")
    return int(value)


def _photo(image: Path, folder: Path, images: Path | None) -> Path:
    """Where an image is now: as its row says, else below ``images``, else beside the results."""
    if images is not None:
        return find_relocated(images, image) or image
    beside = folder.parent / image
    return beside if not image.is_absolute() and not image.exists() and beside.exists() else image


def _with_files(item: ReportItem, folder: Path, which: str) -> ReportItem:
    """Find the pictures that were saved of an item; further classes of an image have their index in the name."""
    image, suffix = Path(item.name), f"{which}.png"
    return replace(
        item,
        heatmap=find_relocated(folder / "heatmaps", image, suffix),
        picture=find_relocated(folder / "plots", image, suffix),
        mask=find_relocated(folder / "masks", image, suffix),
    )


def with_ground_truth(items: list[ReportItem], dataset: Dataset) -> Iterator[ReportItem]:
    """Add true boxes, and how well those found fit, to items whose photos are in a data set.

    Args:
        items: As they were localized.
        dataset: The images are paired by their paths. Boxes of the item's class are its truth. The first class of an
            image is wrong where the image has others instead: its box overlaps nothing. Further ones keep no overlap.
    """
    by_path = {example.path.resolve(): example.annotations for example in dataset.samples}
    seen: set[str] = set()
    for item in items:
        known = by_path.get(item.photo.resolve(), ())
        yield _with_truth(item, known, first=item.name not in seen)
        seen.add(item.name)


def _with_truth(item: ReportItem, known: Sequence[Annotation], *, first: bool) -> ReportItem:
    own = [truth for truth in known if truth.label.casefold() == item.label.casefold()]
    boxes = tuple(as_box(box) for truth in own or known for box in truth.boxes.tolist())
    if not boxes or not (own or first):
        return item
    if own:
        return replace(item, truths=boxes, overlap=best_overlap(item.boxes, boxes))
    labels = ", ".join(truth.label for truth in known)
    return replace(item, truths=boxes, overlap=0.0, facts={"true class": labels, **item.facts})


def best_overlap(boxes: tuple[Box, ...], truths: tuple[Box, ...]) -> float:
    """IoU of the first box with the true box that it fits best; 0 without a box."""
    return float(box_iou(np.array(boxes[:1]), np.array(truths)).max()) if boxes else 0.0
