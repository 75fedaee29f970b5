"""CSV: the layout that ``evaluate`` and ``train`` read.

::

    annotations.csv     image_id,width,height,class,xmin,ymin,xmax,ymax,score       a row per box
    labels.csv          image_id,label,split,width,height                           a row per image
    splits.csv          image_id,split                                              if there are splits
    masks/<path>.png    if all objects of an image have masks and one class: nonzero on objects
    images/<path>

Coordinates are in pixels from 0, right and bottom excluded, and may be fractional; the score is empty for labels of a
person. Use the files as ``evaluate --ground-truth annotations.csv``, ``--predicted-boxes annotations.csv`` and
``train --labels labels.csv``. Labels of an image are separated by ``;``, so a class name with ``;`` or ``|`` is read as
several classes.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from pathlib import Path

import numpy as np
from PIL import Image

from weakspot.data.readers.csv_boxes import SEPARATORS, SIDES
from weakspot.data.readers.walk import without_suffix
from weakspot.io.text import FileLine, parse_float, parse_int, read_csv
from weakspot.labels.image_index import ImageIndex
from weakspot.labels.records import (
    LabeledImage,
    LabeledObject,
    LabelProblem,
    LabelSet,
    LoadedLabels,
    WriteOptions,
    round_box,
    sorted_classes,
)
from weakspot.labels.rle import decode_rle
from weakspot.labels.text_files import format_number, write_text

BOXES = ("image_id", "width", "height", "class", *SIDES, "score")
LABELS = ("image_id", "label", "split", "width", "height")

Size = tuple[int, int]


def write(labels: LabelSet, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:  # noqa: ARG001
    """Write boxes, labels and splits as CSV; return classes whose names cannot be stored in ``labels.csv``."""
    write_csv(folder / "annotations.csv", BOXES, (row for image in labels.images for row in _boxes(image)))
    write_csv(folder / "labels.csv", LABELS, map(_label, labels.images))
    if any(labels.splits):
        write_csv(folder / "splits.csv", ("image_id", "split"), ((image.path, image.split) for image in labels.images))
    for image in labels.images:
        if len({item.label for item in image.objects}) == 1 and all(item.mask is not None for item in image.objects):
            _write_mask(image, folder / "masks" / f"{without_suffix(image.path)}.png")
    invalid = (name for name in labels.classes if SEPARATORS.search(name))
    return [LabelProblem("", f"labels.csv splits the class name {name!r} at ; and |") for name in invalid]


def write_csv(file: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV file with a header."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(file, text.getvalue())


def _write_mask(image: LabeledImage, file: Path) -> None:
    union = np.zeros((image.height, image.width), bool)
    for item in image.objects:
        union |= False if item.mask is None else decode_rle(item.mask)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(union).save(file)


def _boxes(image: LabeledImage) -> Iterator[tuple[object, ...]]:
    for item in image.objects:
        score = "" if item.score is None else repr(item.score)
        yield image.path, image.width, image.height, item.label, *map(format_number, item.box), score


def _label(image: LabeledImage) -> tuple[object, ...]:
    labels = ";".join(dict.fromkeys(item.label for item in image.objects))
    return image.path, labels, image.split, image.width, image.height


def read(source: Path, index: ImageIndex) -> LoadedLabels:
    """Read boxes from CSV: a folder, or a file of boxes, which does not contain images without a box.

    Classes are sorted by name. Images that do not exist and have no size are problems.
    """
    file = source if source.is_file() else source / "annotations.csv"
    listed = {} if source == file else _listed_images(source, index)
    objects: dict[str, list[LabeledObject]] = {name: [] for name in listed}
    sizes = {name: size for name, (size, _) in listed.items()}
    problems: list[LabelProblem] = []
    for line, cells in read_csv(file, ("image_id", "class", *SIDES)):
        name = index.find(cells["image_id"]) or cells["image_id"]
        sizes.setdefault(name, _size(cells, line))
        has_box = any(cells[side] for side in SIDES)
        objects.setdefault(name, []).extend([_object(cells, line)] if has_box else [])
        problems += [] if has_box else [LabelProblem(name, f"object without a box: {cells['class']}")]
    complete = {name: sizes[name] or index.size(name) for name in objects}
    images = tuple(
        LabeledImage(name, size[1], size[0], tuple(objects[name]), listed[name][1] if name in listed else "")
        for name, size in complete.items()
        if size is not None
    )
    problems += [LabelProblem(name, "the image does not exist") for name, size in complete.items() if size is None]
    return LoadedLabels(LabelSet(sorted_classes(images), images), tuple(problems))


def _object(cells: Mapping[str, str], line: FileLine) -> LabeledObject:
    box = round_box(parse_float(cells[side], line) for side in SIDES)
    score = parse_float(cells["score"], line) if cells.get("score") else None
    return LabeledObject(cells["class"], box, score)


def _listed_images(folder: Path, index: ImageIndex) -> dict[str, tuple[Size | None, str]]:
    """The size and split of each image in ``labels.csv`` and ``splits.csv``; the latter takes precedence."""
    images: dict[str, tuple[Size | None, str]] = {}
    for file in (folder / "labels.csv", folder / "splits.csv"):
        for line, cells in read_csv(file, ("image_id",)) if file.is_file() else ():
            name = index.find(cells["image_id"]) or cells["image_id"]
            size, split = images.get(name, (None, ""))
            images[name] = _size(cells, line) or size, cells.get("split", split)
    return images


def _size(cells: Mapping[str, str], line: FileLine) -> Size | None:
    if not cells.get("width") or not cells.get("height"):
        return None
    return parse_int(cells["height"], line), parse_int(cells["width"], line)
