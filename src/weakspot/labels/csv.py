"""CSV: the layout that ``evaluate`` and ``train`` read.

::

    annotations.csv     image_id,width,height,class,xmin,ymin,xmax,ymax,score       a row a box
    labels.csv          image_id,label,split,width,height                           a row an image
    splits.csv          image_id,split                                              where there are splits
    masks/<path>.png    where all objects of an image have masks, and one class: not black is an object
    images/<path>

Sides are in pixels from 0 on, right and bottom excluded, fractions kept; the score is empty where a person has marked
the box. ``evaluate --ground-truth annotations.csv`` and ``--predicted-boxes annotations.csv`` take it, and
``train --labels labels.csv``.
Several labels of an image have a ``;`` between them, so a class whose name has ``;`` or ``|`` in it is told as parts
there.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from pathlib import Path

import numpy as np
from PIL import Image

from weakspot.data.readers.csv_boxes import SEPARATORS
from weakspot.data.readers.walk import without_suffix
from weakspot.io.text import parse_float, parse_int, read_csv
from weakspot.labels.image_index import ImageIndex
from weakspot.labels.records import (
    LabeledImage,
    LabeledObject,
    LabelProblem,
    LabelSet,
    LoadedLabels,
    WriteOptions,
    round_box,
)
from weakspot.labels.rle import decode_rle
from weakspot.labels.text_files import format_number, write_text

SIDES = ("xmin", "ymin", "xmax", "ymax")
BOXES = ("image_id", "width", "height", "class", *SIDES, "score")
LABELS = ("image_id", "label", "split", "width", "height")


def image_path(image: LabeledImage) -> str:
    """Say where an image belongs."""
    return f"images/{image.path}"


def write(labels: LabelSet, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:  # noqa: ARG001
    """Write boxes, labels and splits as CSV.

    Args:
        labels: What to write.
        folder: Folder to write to.
        options: Nothing in it concerns this format.

    Returns:
        Classes whose names ``labels.csv`` cannot hold.
    """
    _write(folder / "annotations.csv", BOXES, (row for image in labels.images for row in _boxes(image)))
    _write(folder / "labels.csv", LABELS, map(_label, labels.images))
    if any(labels.splits):
        _write(folder / "splits.csv", ("image_id", "split"), ((one.path, one.split) for one in labels.images))
    for image in labels.images:
        if len({one.label for one in image.objects}) == 1 and all(one.mask is not None for one in image.objects):
            _write_mask(image, folder / "masks" / f"{without_suffix(image.path)}.png")
    parted = (name for name in labels.classes if SEPARATORS.search(name))
    return [LabelProblem("", f"labels.csv tells the class {name!r} in parts: ; and | separate them") for name in parted]


def _write(file: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(file, text.getvalue())


def _write_mask(image: LabeledImage, file: Path) -> None:
    drawn = np.zeros((image.height, image.width), bool)
    for one in image.objects:
        drawn |= False if one.mask is None else decode_rle(one.mask)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawn).save(file)


def _boxes(image: LabeledImage) -> Iterator[tuple[object, ...]]:
    for one in image.objects:
        score = "" if one.score is None else repr(one.score)
        yield image.path, image.width, image.height, one.label, *map(format_number, one.box), score


def _label(image: LabeledImage) -> tuple[object, ...]:
    labels = ";".join(dict.fromkeys(one.label for one in image.objects))
    return image.path, labels, image.split, image.width, image.height


def read(source: Path, photos: ImageIndex) -> LoadedLabels:
    """Read boxes from CSV.

    Args:
        source: The folder, or a file of boxes: then images without a box are not known.
        photos: The images; one without a size in the file has its own.

    Returns:
        Labels, classes sorted by name. Images that are not there, and have no size, are listed.

    Raises:
        InputError: If a column is missing, or a number is none.
    """
    file = source if source.is_file() else source / "annotations.csv"
    known = {} if source == file else _known(source, photos)
    objects: dict[str, list[LabeledObject]] = {name: [] for name in known}
    sizes = {name: size for name, (size, _) in known.items()}
    problems: list[LabelProblem] = []
    for place_, cells in read_csv(file, ("image_id", "class", *SIDES)):
        name = photos.find(cells["image_id"]) or cells["image_id"]
        sizes.setdefault(name, _size(cells, place_))
        boxed = any(cells[side] for side in SIDES)
        objects.setdefault(name, []).extend([_object(cells, place_)] if boxed else [])
        problems += [] if boxed else [LabelProblem(name, f"object without a box: {cells['class']}")]
    complete = {name: sizes[name] or photos.size(name) for name in objects}
    images = tuple(
        LabeledImage(name, size[1], size[0], tuple(objects[name]), known[name][1] if name in known else "")
        for name, size in complete.items()
        if size is not None
    )
    problems += [LabelProblem(name, "there is no such image") for name, size in complete.items() if size is None]
    classes = tuple(sorted({one.label for image in images for one in image.objects}))
    return LoadedLabels(LabelSet(classes, images), tuple(problems))


def _object(cells: Mapping[str, str], place_: object) -> LabeledObject:
    box = round_box(parse_float(cells[side], place_) for side in SIDES)
    score = parse_float(cells["score"], place_) if cells.get("score") else None
    return LabeledObject(cells["class"], box, score)


def _known(folder: Path, photos: ImageIndex) -> dict[str, tuple[tuple[int, int] | None, str]]:
    """The size and split of each image that ``labels.csv`` and ``splits.csv`` name; the latter has the say."""
    known: dict[str, tuple[tuple[int, int] | None, str]] = {}
    for file in (folder / "labels.csv", folder / "splits.csv"):
        for place_, cells in read_csv(file, ("image_id",)) if file.is_file() else ():
            name = photos.find(cells["image_id"]) or cells["image_id"]
            size, split = known.get(name, (None, ""))
            known[name] = _size(cells, place_) or size, cells.get("split", split)
    return known


def _size(cells: Mapping[str, str], place_: object) -> tuple[int, int] | None:
    if not cells.get("width") or not cells.get("height"):
        return None
    return parse_int(cells["height"], place_), parse_int(cells["width"], place_)
