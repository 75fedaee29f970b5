"""Images with a CSV file of labels, without boxes.

::

    labels.csv                         image_id,label[,split][,score][,group], also separated by semicolons or tabs
    images/[<folder>/]<name>.jpg       any kind of image; also without images/
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from weakspot.data.dataset import Dataset, Issue, ObjectAnnotation, Sample, group_issues
from weakspot.data.formats.class_folders import has_splits, split_and_class
from weakspot.data.formats.csv_cells import NAMES, SIDES, folders_of_images, split_labels
from weakspot.data.formats.walk import first_containing, images_outside_masks, is_image, without_suffix
from weakspot.errors import InputError
from weakspot.io.text import FileLine, parse_float, read_csv, read_csv_header, relative_inside, safe_relative_path

LABELS = ("label", "class")

NO_ROW = "image without a row in the CSV of labels"
DUPLICATE = "duplicate label"
SEVERAL_GROUPS = "image of several groups"
HINT = "A CSV of labels has the columns image (or image_id) and label; a CSV of boxes also xmin, ymin, xmax and ymax."

Files = Mapping[str, list[Path]]


class _Row(NamedTuple):
    """A line of the file.

    It names an image, its classes, its split (None without such a column), the score of predictions, and its group.
    """

    line: FileLine
    name: str
    labels: list[str]
    split: str | None
    score: float | None = None
    group: str = ""


@dataclass
class _Rows:
    """Content of all rows of an image: its id, and its labels, splits and groups without duplicates."""

    image_id: str
    labels: dict[str, float | None] = field(default_factory=dict)
    splits: dict[str, None] = field(default_factory=dict)
    groups: dict[str, None] = field(default_factory=dict)


def detect(root: Path) -> bool:
    """Return whether a folder contains ``labels.csv``."""
    return (root / "labels.csv").is_file()


def has_labels_only(file: Path) -> bool:
    """Return whether a CSV file has no columns of boxes."""
    return not set(SIDES) & set(read_csv_header(file))


def load(root: Path, images: Path | None = None, ground_truth: Path | None = None) -> Dataset:
    """Load a CSV file of labels: a sample for each file of a row, even if missing, and each of its splits.

    An image has all labels of its rows: one per row, or several per cell, separated by ``;`` or ``|``. With only an
    empty cell it has no annotation. Images without a row are left out and reported as an issue. Without a column
    ``split``, the folders ``train``, ``val`` and the like are the splits, if all images are in such folders. Images of
    the same ``group``, such as a patient or a workpiece, are to stay in one split; an image of several is reported and
    is in the first. The default folder of the images is the first of ``root/images`` and ``root`` that contains them.
    """
    rows = list(_rows(ground_truth or root / "labels.csv", folders_of_images(root, images)))
    base = images or first_containing((root / "images", root), (row.name for row in rows))
    files = images_outside_masks(base, root) if base.is_dir() else {}
    by_file, duplicates = _group_rows(rows, files, base)
    names = sorted({label for group in by_file.values() for label in group.labels})
    samples = tuple(sample for path, group in by_file.items() for sample in _samples(path, group))
    issues = [*duplicates, *_of_several_groups(by_file), *_without_row(files, by_file, base)]
    return Dataset(root, "CSV of labels", tuple(names), samples, group_issues(issues))


def _rows(file: Path, folders: Sequence[Path]) -> Iterator[_Row]:
    header = read_csv_header(file)
    image, label = _first_of(NAMES, header, file), _first_of(LABELS, header, file)
    for line, cells in read_csv(file, (image, label)):
        if cells.get("status") == "untouched":  # nobody has said what is in it, see weakspot label --import
            continue
        split = cells["split"].lower() if "split" in cells else None
        name = safe_relative_path(relative_inside(cells[image], folders), line)
        score = parse_float(cells["score"], line) if cells.get("score") else None
        yield _Row(line, name, split_labels(cells[label]), split, score, cells.get("group", ""))


def _first_of(columns: tuple[str, ...], header: list[str], file: Path) -> str:
    """The first of the columns that the header contains."""
    column = next((column for column in columns if column in header), None)
    if column is None:
        raise InputError("missing-column", f"{FileLine(file, 1)} has no column {columns[0]}.", HINT)
    return column


def _group_rows(rows: list[_Row], files: Files, base: Path) -> tuple[dict[Path, _Rows], list[Issue]]:
    """Group rows by file, and find duplicate labels."""
    by_split = has_splits(row.name for row in rows)
    by_file: dict[Path, _Rows] = {}
    labeled: set[tuple[Path, str, str]] = set()
    duplicates = []
    for line, name, labels, column, score, item in rows:
        image_id, paths = _resolve(name, files, base)
        split = split_and_class(image_id, by_split)[0] if column is None else column
        for path in paths:
            group = by_file.setdefault(path, _Rows(image_id))
            group.splits[split] = None
            group.groups |= {item: None} if item else {}
            for label in labels:
                if (path, split, label) in labeled:
                    duplicates.append((DUPLICATE, f"{line}: {name}: {label}"))
                group.labels.setdefault(label, score)
                labeled.add((path, split, label))
    return by_file, duplicates


def _resolve(name: str, files: Files, base: Path) -> tuple[str, list[Path]]:
    """The image id and files of a row: the exact file, else files of that name with any suffix."""
    bare = without_suffix(name)
    if base / name in files.get(bare, []):
        return bare, [base / name]
    if name in files:
        return name, files[name]
    missing = base / (name if is_image(name) else f"{name}.jpg")
    return bare, files.get(bare, [missing])


def _samples(path: Path, rows: _Rows) -> Iterator[Sample]:
    """One sample for each split; a row without a split is ignored if another row has one."""
    objects = tuple(ObjectAnnotation(label, score=score) for label, score in rows.labels.items())
    for split in [split for split in rows.splits if split] or [""]:
        yield Sample(rows.image_id, path, split, objects, group=next(iter(rows.groups), ""))


def _of_several_groups(rows: Mapping[Path, _Rows]) -> Iterator[Issue]:
    for group in rows.values():
        if len(group.groups) > 1:
            yield SEVERAL_GROUPS, f"{group.image_id}: {', '.join(group.groups)}"


def _without_row(files: Files, with_row: Iterable[Path], base: Path) -> Iterator[Issue]:
    paths = set(with_row)
    for path in (path for group in files.values() for path in group if path not in paths):
        yield NO_ROW, path.relative_to(base).as_posix()
