"""Class folders with a CSV file of boxes.

::

    images/<class>/<name>.jpg          any kind of image; also without images/
    annotations.csv                    image_id,xmin,ymin,xmax,ymax[,class,width,height,class_index,has_mask]
    splits.csv                         image_id,split; may be missing
    labels.csv                         image_id,label; may be missing, see weakspot label --import
    masks/<class>/<name>.png           may be missing
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from weakspot.data.dataset import Dataset, Sample
from weakspot.data.noticed import Issue, group_issues
from weakspot.data.readers.annotations import Box, ObjectAnnotation, group_by_class
from weakspot.data.readers.class_folders import classes_below, has_splits, split_and_class
from weakspot.data.readers.walk import files_below, first_containing, images_below, is_image, without_suffix
from weakspot.errors import InputError
from weakspot.io.text import FileLine, parse_float, parse_int, parse_size, read_csv, safe_relative_path

NAMES = ("image_id", "image", "path", "file")
SIDES = ("xmin", "ymin", "xmax", "ymax")

Row = tuple[FileLine, str, dict[str, str]]


@dataclass(frozen=True)
class _Tree:
    """What the folders hold: the files of each image id, and the masks as ``<image id>.png``."""

    base: Path
    files: dict[str, list[Path]]
    by_split: bool
    mask_folder: Path
    masks: frozenset[str]

    def image_id(self, name: str) -> str:
        """The id of an image that may be named with its suffix."""
        return name if name in self.files else without_suffix(name)


@dataclass
class _Annotated:
    """What the rows of one image say."""

    name: str
    size: tuple[int, int] | None = None
    has_mask: bool | None = None
    marked: list[ObjectAnnotation] = field(default_factory=list)


def detect(root: Path) -> bool:
    """Tell whether a folder holds ``annotations.csv``."""
    return (root / "annotations.csv").is_file()


def load(root: Path, images: Path | None = None, truth: Path | None = None) -> Dataset:
    """Read class folders with a CSV file of boxes, 0-based and half-open.

    The column ``class`` names the class, else the folder does. A row with four empty sides gives a label without a
    box, and so does the folder of an image without a row, unless ``labels.csv`` says what is in it.

    Args:
        root: The data set.
        images: The folder of the images; default ``root/images`` or ``root``, whichever holds them.
        truth: The CSV file; default ``root/annotations.csv``.

    Raises:
        InputError: If a column is missing, a number is none, an image lies outside, or a file cannot be read.
    """
    rows = list(_rows(truth or root / "annotations.csv", SIDES))
    tree = _tree(root, images or first_containing((root / "images", root), (name for _, name, _ in rows)))
    annotated = {} if truth else _labelled(root / "labels.csv", tree)
    annotated |= _annotated(rows, tree)
    splits, twice = _splits(root / "splits.csv", tree)
    image_ids = dict.fromkeys([*annotated, *tree.files, *splits])
    examples = [one for name in image_ids for one in _examples(name, annotated.get(name), splits.get(name), tree)]
    empty = classes_below(tree.base, tree.files, tree.by_split, only_empty=True) if tree.base != root else ()
    return Dataset(root, "CSV of boxes", _class_names(examples, empty), tuple(examples), group_issues(twice))


def _rows(file: Path, columns: Iterable[str]) -> Iterator[Row]:
    for place, cells in read_csv(file, columns):
        names = [cells[column] for column in NAMES if column in cells]
        if not names:
            problem = f"{FileLine(file, 1)}, has no column image_id."
            raise InputError(problem, "The column names each image by its path below the folder of the images.")
        yield place, safe_relative_path(names[0], place), cells


def _tree(root: Path, base: Path) -> _Tree:
    files = {name: paths for name, paths in images_below(base).items() if base != root or not name.startswith("masks/")}
    masks = files_below(root / "masks") if (root / "masks").is_dir() else ()
    return _Tree(base, files, has_splits(files), root / "masks", frozenset(masks))


def _annotated(rows: Iterable[Row], tree: _Tree) -> dict[str, _Annotated]:
    annotated: dict[str, _Annotated] = {}
    for place, name, cells in rows:
        image_id = tree.image_id(name)
        said = annotated.setdefault(image_id, _Annotated(name))
        said.marked.append(_marked(cells, place, split_and_class(image_id, tree.by_split)[1]))
        if cells.get("width") and cells.get("height"):
            said.size = said.size or parse_size(parse_float(cells["width"], place), parse_float(cells["height"], place))
        if cells.get("has_mask"):
            said.has_mask = bool(said.has_mask) or parse_int(cells["has_mask"], place) != 0
    return annotated


def _labelled(file: Path, tree: _Tree) -> dict[str, _Annotated]:
    """What a file of labels says of images; those with an empty label hold no object."""
    labelled: dict[str, _Annotated] = {}
    for _, name, cells in _rows(file, ()) if file.is_file() else ():
        if "label" in cells:
            labels = [one.strip() for one in re.split("[;|]", cells["label"]) if one.strip()]
            said = labelled.setdefault(tree.image_id(name), _Annotated(name))
            said.marked += [ObjectAnnotation(label) for label in labels]
    return labelled


def _marked(cells: dict[str, str], place: FileLine, folder: str) -> ObjectAnnotation:
    label = cells.get("class") or folder
    if not label:
        problem = f"{place}, names no class, and the image lies in no class folder."
        raise InputError(problem, "Add a column class, or put the images into a folder for each class.")
    index = parse_int(cells["class_index"], place) if cells.get("class_index") else None
    return ObjectAnnotation(label, _box(cells, place), index)


def _box(cells: dict[str, str], place: FileLine) -> Box | None:
    if not any(cells[side] for side in SIDES):
        return None
    xmin, ymin, xmax, ymax = (parse_float(cells[side], place) for side in SIDES)
    return xmin, ymin, xmax, ymax


def _splits(file: Path, tree: _Tree) -> tuple[dict[str, list[str]], list[Issue]]:
    """The splits of each image, more than one if it leaks, and the lines that say a thing twice."""
    splits: dict[str, list[str]] = {}
    twice = []
    for place, name, cells in _rows(file, ["split"]) if file.is_file() else ():
        named = splits.setdefault(tree.image_id(name), [])
        if cells["split"].lower() in named:
            twice.append(("split given twice", f"{place}: {name}"))
        else:
            named.append(cells["split"].lower())
    return splits, twice


def _examples(image_id: str, said: _Annotated | None, splits: list[str] | None, tree: _Tree) -> Iterator[Sample]:
    split, label = split_and_class(image_id, tree.by_split)
    known = said or _Annotated(image_id, marked=[ObjectAnnotation(label)] if label else [])
    mask = f"{image_id}.png"
    masked = mask in tree.masks if known.has_mask is None else known.has_mask
    truths = group_by_class(known.marked, [tree.mask_folder / mask] if masked else [])
    missing = tree.base / (known.name if is_image(known.name) else f"{image_id}.jpg")
    for part in [split] if splits is None else splits:
        for path in tree.files.get(image_id, [missing]):
            yield Sample(image_id, path, part, truths, known.size)


def _class_names(examples: Iterable[Sample], empty: Iterable[str]) -> tuple[str, ...]:
    indexed = {(truth.label, truth.class_index) for example in examples for truth in example.annotations}
    last = max((index for _, index in indexed if index is not None), default=-1) + 1
    ordered = sorted((last if index is None else index, label) for label, index in indexed)
    return tuple(dict.fromkeys([*(label for _, label in ordered), *empty]))
