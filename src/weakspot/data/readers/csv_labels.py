"""Images with a CSV file of labels, without boxes.

::

    labels.csv                         image_id,label[,split]
    images/[<folder>/]<name>.jpg       any kind of image; also without images/
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from weakspot.data.dataset import Annotation, Dataset, Sample
from weakspot.data.noticed import Issue, group_issues
from weakspot.data.readers.class_folders import has_splits, split_and_class
from weakspot.data.readers.csv_boxes import NAMES, SIDES
from weakspot.data.readers.walk import first_containing, images_below, is_image, without_suffix
from weakspot.errors import InputError
from weakspot.io.text import COMMAS, FileLine, read_csv, read_text, safe_relative_path

LABELS = ("label", "class")
SEPARATORS = re.compile("[;|]")

NO_ROW = "image without a row in the CSV of labels"
TWICE = "label given twice"
HINT = "A CSV of labels has the columns image_id and label; one of boxes has xmin, ymin, xmax and ymax as well."

Files = Mapping[str, list[Path]]


class _Row(NamedTuple):
    """A line of the file: an image, the classes in it, and its split, which is None where there is no such column."""

    place: FileLine
    name: str
    labels: list[str]
    split: str | None


@dataclass
class _Said:
    """What the rows of one file say: its id, its labels and its splits, each once."""

    image_id: str
    labels: dict[str, None] = field(default_factory=dict)
    splits: dict[str, None] = field(default_factory=dict)


def detect(root: Path) -> bool:
    """Tell whether a folder holds ``labels.csv``."""
    return (root / "labels.csv").is_file()


def holds_labels(file: Path) -> bool:
    """Tell whether a CSV file is one of labels: its header names no side of a box.

    Raises:
        InputError: If the file cannot be read.
    """
    return not set(SIDES) & set(_header(file))


def load(root: Path, images: Path | None = None, truth: Path | None = None) -> Dataset:
    """Read a CSV file of labels.

    An image has all the labels of its rows: one in each, or several in a cell, separated by ``;`` or ``|``. With an
    empty cell alone it holds no object and has no truth. Images without a row are left out, and noticed. Where there
    is no column ``split``, the folders ``train``, ``val`` and the like are the splits, if all images lie in such.

    Args:
        root: The data set.
        images: The folder of the images; default ``root/images`` or ``root``, whichever holds them.
        truth: The CSV file; default ``root/labels.csv``.

    Returns:
        An example for each file that a row names, and for each of its splits; one of a missing file keeps the path.
        Class names are sorted.

    Raises:
        InputError: If a column is missing, an image lies outside, or the file cannot be read.
    """
    rows = list(_rows(truth or root / "labels.csv"))
    base = images or first_containing((root / "images", root), (row.name for row in rows))
    files = _files(base, root)
    said, twice = _gathered(rows, files, base)
    names = sorted({label for one in said.values() for label in one.labels})
    examples = tuple(one for path, known in said.items() for one in _examples(path, known))
    noticed = [*twice, *_unnamed(files, said, base)]
    return Dataset(root, "CSV of labels", tuple(names), examples, group_issues(noticed))


def _header(file: Path) -> list[str]:
    try:
        header = next(csv.reader(StringIO(read_text(file), newline=""), strict=True), [])
    except csv.Error as error:
        raise InputError(f"{FileLine(file, 1)}, is not CSV: {error}.", COMMAS) from error
    return [column.strip().lower() for column in header]


def _rows(file: Path) -> Iterator[_Row]:
    header = _header(file)
    image, label = _one_of(NAMES, header, file), _one_of(LABELS, header, file)
    for place, cells in read_csv(file, (image, label)):
        labels = [one.strip() for one in SEPARATORS.split(cells[label]) if one.strip()]
        split = cells["split"].lower() if "split" in cells else None
        yield _Row(place, safe_relative_path(cells[image], place), labels, split)


def _one_of(columns: tuple[str, ...], header: list[str], file: Path) -> str:
    """The first of the columns that the header has."""
    known = [column for column in columns if column in header]
    if not known:
        problem = f"{FileLine(file, 1)}, has no column {columns[0]}."
        raise InputError(problem, HINT)
    return known[0]


def _files(base: Path, root: Path) -> Files:
    """The images by name; a folder of masks beside them holds none."""
    below = images_below(base) if base.is_dir() else {}
    return {name: paths for name, paths in below.items() if base != root or not name.startswith("masks/")}


def _gathered(rows: list[_Row], files: Files, base: Path) -> tuple[dict[Path, _Said], list[Issue]]:
    """What is said of each file, and the labels that are given twice."""
    by_split = has_splits(row.name for row in rows)
    said: dict[Path, _Said] = {}
    given: set[tuple[Path, str, str]] = set()
    twice = []
    for place, name, labels, column in rows:
        image_id, paths = _named(name, files, base)
        split = split_and_class(image_id, by_split)[0] if column is None else column
        for path in paths:
            known = said.setdefault(path, _Said(image_id))
            known.splits[split] = None
            for label in labels:
                if (path, split, label) in given:
                    twice.append((TWICE, f"{place}: {name}: {label}"))
                known.labels[label] = None
                given.add((path, split, label))
    return said, twice


def _named(name: str, files: Files, base: Path) -> tuple[str, list[Path]]:
    """The id of an image, and the files that a row means: the very one, else those of that name with any suffix."""
    bare = without_suffix(name)
    if base / name in files.get(bare, []):
        return bare, [base / name]
    if name in files:
        return name, files[name]
    missing = base / (name if is_image(name) else f"{name}.jpg")
    return bare, files.get(bare, [missing])


def _examples(path: Path, said: _Said) -> Iterator[Sample]:
    """One for each split; a row without a split does not count beside one that names it."""
    truths = tuple(Annotation(label) for label in said.labels)
    for split in [split for split in said.splits if split] or [""]:
        yield Sample(said.image_id, path, split, truths)


def _unnamed(files: Files, said: Iterable[Path], base: Path) -> Iterator[Issue]:
    known = set(said)
    for path in (path for paths in files.values() for path in paths if path not in known):
        yield NO_ROW, path.relative_to(base).as_posix()
