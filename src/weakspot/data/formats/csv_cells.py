"""Columns and cells of CSV files of boxes and labels."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

from weakspot.data.dataset import Box, ObjectAnnotation, Sample
from weakspot.data.formats.text_files import format_number
from weakspot.data.review_rows import Status
from weakspot.errors import InputError
from weakspot.io.text import FileLine, parse_float, parse_size, read_csv, relative_inside, safe_relative_path

NAMES = ("image_id", "image", "path", "file")
SIDES = ("xmin", "ymin", "xmax", "ymax")
SEPARATORS = re.compile("[;|]")
BOXES = ("image_id", "width", "height", "class", *SIDES, "score")
LABELS = ("image_id", "label", "split", "width", "height", "score")
STATUS = "status"  # a column of labels.csv, if it is known of an image

Row = tuple[FileLine, str, dict[str, str]]


def split_labels(cell: str) -> list[str]:
    """Split a cell of labels, separated by ``;`` or ``|``.

    Example:
        >>> split_labels("cat; dog|")
        ['cat', 'dog']
    """
    return [label.strip() for label in SEPARATORS.split(cell) if label.strip()]


def folders_of_images(root: Path, images: Path | None) -> tuple[Path, ...]:
    """Return the folders to one of which absolute paths in CSV files become relative."""
    return (root / "images", root) if images is None else (images, root)


def located_rows(file: Path, columns: Iterable[str], folders: Sequence[Path]) -> Iterator[Row]:
    """Yield each row with its line and the path of its image, relative to the folder of the images."""
    for line, cells in read_csv(file, columns):
        names = [cells[column] for column in NAMES if column in cells]
        if not names:
            hint = "It contains the path of each image, relative to the folder of the images."
            raise InputError("missing-column", f"{FileLine(file, 1)} has no column image_id.", hint)
        yield line, safe_relative_path(relative_inside(names[0], folders), line), cells


def objects_of_label(cell: str, cells: Mapping[str, str], line: FileLine) -> list[ObjectAnnotation]:
    """Return the labels of a cell, with the score of predictions."""
    score = score_of(cells, line)
    return [ObjectAnnotation(label, score=score) for label in split_labels(cell)]


def score_of(cells: Mapping[str, str], line: FileLine) -> float | None:
    """Return the score of a prediction; None for a label of a person."""
    return parse_float(cells["score"], line) if cells.get("score") else None


def box_of(cells: dict[str, str], line: FileLine) -> Box | None:
    """Return the sides of a box; None if all four cells are empty."""
    if not any(cells[side] for side in SIDES):
        return None
    xmin, ymin, xmax, ymax = (parse_float(cells[side], line) for side in SIDES)
    return xmin, ymin, xmax, ymax


def point_of(cells: dict[str, str], line: FileLine) -> tuple[float, float] | None:
    """Return the point of a row that has no box; None without the columns ``x`` and ``y``, or if they are empty."""
    if not cells.get("x") and not cells.get("y"):
        return None
    return parse_float(cells.get("x", ""), line), parse_float(cells.get("y", ""), line)


def status_of(cells: Mapping[str, str], line: FileLine) -> str:
    """Return what a person has done with an image; empty if that is not known.

    A row of an untouched image with a score has predictions, which a person may have changed since it was written.
    """
    status = cells.get(STATUS, "")
    if status not in ("", *get_args(Status)):
        raise InputError("unknown-value", f"{line}: status must be {', '.join(get_args(Status))}, got {status!r}.")
    return "" if status == "untouched" and cells.get("score") else status


def size_of(cells: Mapping[str, str], line: FileLine) -> tuple[int, int] | None:
    """Return ``(height, width)`` of an image, if a row has both."""
    if not cells.get("width") or not cells.get("height"):
        return None
    return parse_size(parse_float(cells["width"], line), parse_float(cells["height"], line))


def box_rows(sample: Sample) -> Iterator[tuple[object, ...]]:
    """Yield a row of :data:`BOXES` for each object of an image."""
    has_boxes = any(item.box is not None for item in sample.objects)
    for item in sample.objects if has_boxes else ():  # labels.csv has the labels of an image without a box
        sides = [""] * len(SIDES) if item.box is None else map(format_number, item.box)
        score = "" if item.score is None else repr(item.score)
        yield sample.image_id, sample.width, sample.height, item.label, *sides, score


def written_rows(sample: Sample) -> Iterator[tuple[object, ...]]:
    """Yield the rows of :func:`box_rows`; one without a class for an image that a person has left empty."""
    yield from box_rows(sample)
    if sample.status == "empty":
        yield sample.image_id, sample.width, sample.height, "", *[""] * len(SIDES), ""


def label_rows(sample: Sample) -> Iterator[tuple[object, ...]]:
    """Yield a row of :data:`LABELS` and the status for the labels of a person, and one for those of predictions."""
    by_person = [item for item in sample.objects if item.score is None]
    predicted = [item for item in sample.objects if item.score is not None]
    for items in (by_person, predicted) if by_person and predicted else (sample.objects,):
        labels = ";".join(dict.fromkeys(item.label for item in items))
        score = min((item.score for item in items if item.score is not None), default=None)
        numbers = sample.width, sample.height, "" if score is None else repr(score)
        yield sample.image_id, labels, sample.split, *numbers, sample.status
