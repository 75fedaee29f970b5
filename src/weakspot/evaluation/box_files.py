"""Read files of predicted boxes: COCO results, CSV, or boxes.jsonl of weakspot localize."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from weakspot.errors import InputError
from weakspot.io.rows import UniqueRows
from weakspot.io.text import FileLine, parse_float, parse_size, read_csv, read_text

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_IMAGE_COLUMNS = ("image_id", "image", "path", "file")
_RECORD_ERRORS = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


class PredictedBox(NamedTuple):
    """A predicted box in pixels of the image, right and bottom excluded.

    Attributes:
        image: Id or name of the image, as in the file.
        box: ``(x1, y1, x2, y2)``.
        label: Its class; None if it is unknown.
        score: Confidence.
        file_name: Name of the image if the file has both an id and a name.
        size: ``(height, width)`` of the image of the box; None if it is unknown.
        is_upright: Whether EXIF orientation was applied to the image of the box; None if it is unknown.
    """

    image: str
    box: tuple[float, float, float, float]
    label: str | None
    score: float
    file_name: str | None = None
    size: tuple[int, int] | None = None
    is_upright: bool | None = None


def read_box_file(file: Path, labels: Mapping[str, str]) -> list[PredictedBox]:
    """Read a file of boxes by its suffix; ``labels`` has the class names of a COCO data set by category id.

    Raises InputError ``unknown-format``, or the code of a file that cannot be parsed.
    """
    readers = {".json": _coco_results, ".csv": _csv, ".jsonl": _json_lines}
    if file.suffix.lower() not in readers:
        raise InputError("unknown-format", f"{file} must be COCO results (.json), .csv or .jsonl.")
    return list(readers[file.suffix.lower()](file, labels))


def _coco_results(file: Path, labels: Mapping[str, str]) -> Iterator[PredictedBox]:
    try:
        content = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise InputError("boxes-invalid", f"{file} is not JSON: {error}.") from error
    if not isinstance(content, list):
        raise InputError("boxes-invalid", f"{file} must contain a list of COCO results.")
    for i, record in enumerate(content):
        location = f"{file}: result {i}"
        try:
            left, top, width, height = (float(side) for side in record["bbox"])
            name = record["file_name"] if isinstance(record.get("file_name"), str) else None
            image, score = name or str(record["image_id"]), float(record.get("score", 1.0))
        except _RECORD_ERRORS as error:
            problem = f"{location} must have image_id or file_name, and bbox, a list of four numbers."
            raise InputError("boxes-invalid", problem) from error
        category = record.get("category_id")
        if labels and category is not None and str(category) not in labels:
            raise InputError("unknown-category", f"{location} has the unknown category_id {category}.")
        box = (left, top, left + width, top + height)
        image = str(record.get("image_id", name))
        yield _checked(PredictedBox(image, box, labels.get(str(category)), score, name), location)


def _csv(file: Path, _labels: Mapping[str, str]) -> Iterator[PredictedBox]:
    for location, cells in read_csv(file, _SIDES):
        name = next((cells[column] for column in _IMAGE_COLUMNS if column in cells), None)
        if name is None:
            raise InputError("missing-column", f"{FileLine(file, 1)} must have a column image_id.")
        x1, y1, x2, y2 = (parse_float(cells[side], location) for side in _SIDES)
        score = parse_float(cells["score"], location) if cells.get("score") else 1.0
        width, height = (parse_float(cells.get(side) or "0", location) for side in ("width", "height"))
        box = PredictedBox(name, (x1, y1, x2, y2), cells.get("class") or None, score, size=parse_size(width, height))
        yield _checked(box, location)


def _json_lines(file: Path, _labels: Mapping[str, str]) -> Iterator[PredictedBox]:
    """Read boxes.jsonl; the boxes of a row keep their order, the default one first."""
    rows = UniqueRows()
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        location = FileLine(file, number)
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            rows.add(location, row)
            size = parse_size(float(row.get("width") or 0), float(row.get("height") or 0))
            boxes = [
                (str(row["image"]), result["label"], tuple(map(float, box)), float(result["score"]) - i * 1e-9)
                for result in (row, *row.get("others", []))
                for i, box in enumerate(result["boxes"])
            ]
        except _RECORD_ERRORS as error:
            if isinstance(error, InputError):
                raise
            raise InputError("boxes-invalid", f"{location} is not a row of weakspot localize.") from error
        for image, _label, box, score in boxes:
            if len(box) != 4:
                problem = f"{location}: a box must have 4 numbers (x1, y1, x2, y2), got {len(box)}."
                raise InputError("box-invalid", problem)
            sides = (box[0], box[1], box[2], box[3])
            yield _checked(PredictedBox(image, sides, None, score, size=size, is_upright=True), location)


def _checked(prediction: PredictedBox, location: Any) -> PredictedBox:
    x1, y1, x2, y2 = prediction.box
    if np.isnan(prediction.score):
        raise InputError("score-invalid", f"{location}: the score must be a number, got nan.")
    if not (x1 < x2 and y1 < y2 and np.isfinite(prediction.box).all()):
        raise InputError("box-invalid", f"{location}: a box must have x1 < x2 and y1 < y2, got {list(prediction.box)}.")
    return prediction
