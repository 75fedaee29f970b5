"""Recognize what ``weakspot label`` has written: its folder, and the file of the boxes in it."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from weakspot.data.dataset import Dataset
from weakspot.data.formats.csv_cells import BOXES, written_rows
from weakspot.data.formats.text_files import write_csv
from weakspot.data.review_rows import is_review
from weakspot.errors import InputError
from weakspot.io.folders import LABEL_FILE, is_file
from weakspot.io.text import read_csv_header

# Boxes that weakspot label has written, with the scores of predictions, as not all formats can store scores: in the
# folder of each format, so that a copy of it has them, and in the folder of all of them.
FILE = "predictions.csv"


def written_boxes(source: Path) -> Path | None:
    """Return the file of the boxes that ``weakspot label`` wrote to a folder of labels; None if there is none.

    Args:
        source: File or folder of labels, at most three folders below the output of ``weakspot label``.
    """
    return next((folder / FILE for folder in _folders(source) if _has_written(folder / FILE)), None)


def write_written(labels: Dataset, folder: Path) -> None:
    """Write the file of the boxes; an image that a person has left empty has a row without a class."""
    write_csv(folder / FILE, BOXES, (row for sample in labels.samples for row in written_rows(sample)))


def is_written(source: Path) -> bool:
    """Return whether ``weakspot label`` wrote a folder of labels, which may have changed since, or a file is a review.

    Its boxes are those of upright images.
    """
    if is_review(source) or written_boxes(source) is not None:
        return True
    return any(is_file(folder / LABEL_FILE) for folder in _folders(source))


def _folders(source: Path) -> Iterator[Path]:
    yield from [source.absolute(), *source.absolute().parents][:4]


def _has_written(file: Path) -> bool:
    """Whether a file has the columns of ours: others may have its name."""
    with suppress(InputError):
        return is_file(file) and read_csv_header(file) == list(BOXES)
    return False
