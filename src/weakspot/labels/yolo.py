"""YOLO: a text file of numbers for each image.

::

    data.yaml                       train, val, names
    images/<split>/<path>.jpg
    labels/<split>/<path>.txt       class x_centre y_centre width height, fractions of the image's sides

Numbers of classes count from 0. With ``scores`` a sixth column holds the score, as YOLO's own predictions have it:
FiftyOne reads it and supervision passes over it, but YOLO's training takes five columns only. With ``polygons`` a line
is ``class x y x y ...``: masks as one polygon, and boxes of objects without mask as one of four corners; scores have no
place then. A file without lines is an image without objects.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from weakspot.data.readers.walk import files_below, without_suffix
from weakspot.errors import InputError
from weakspot.io.text import read_lines, read_text
from weakspot.labels.image_index import ImageIndex
from weakspot.labels.polygons import mask_to_polygon, polygon_box, polygon_to_mask, scale_polygon
from weakspot.labels.records import (
    LabeledImage,
    LabeledObject,
    LabelProblem,
    LabelSet,
    LoadedLabels,
    WriteOptions,
    round_box,
)
from weakspot.labels.rle import decode_rle, encode_rle
from weakspot.labels.text_files import format_number, read_classes, write_text

NO_SPLIT = "train"
SPLITS = ("train", "val", "valid", "test")
NAMES = "classes.txt"
# Of a fraction: in an image of 10,000 pixels a hundred-millionth of a pixel.
DIGITS = 12


def image_path(image: LabeledImage) -> str:
    """Say where an image belongs."""
    return f"images/{image.split or NO_SPLIT}/{image.path}"


def write(labels: LabelSet, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:
    """Write a text file for each image, and ``data.yaml``.

    Args:
        labels: What to write. Images without a split are those of training; where none validates, ``val`` is training,
            as YOLO cannot do without.
        folder: Folder to write to.
        options: Whether scores and polygons are written.

    Returns:
        Images in a further folder called ``images``: training would look for their labels elsewhere.
    """
    for image in labels.images:
        lines = [_line(one, image, labels.classes, options) for one in image.objects]
        name = f"{without_suffix(image.path)}.txt"
        write_text(folder / "labels" / (image.split or NO_SPLIT) / name, "".join(f"{line}\n" for line in lines))
    splits = {image.split or NO_SPLIT for image in labels.images}
    places = {split: f"images/{split}" for split in sorted(splits | {NO_SPLIT})}
    # Without "path" the places are taken from the file's own folder on, wherever it is moved to.
    content: dict[str, Any] = {**places, "val": places.get("val", places[NO_SPLIT])}
    content["names"] = dict(enumerate(labels.classes))
    write_text(folder / "data.yaml", yaml.safe_dump(content, allow_unicode=True, sort_keys=False))
    # It takes the last "images" of a path for the one beside "labels".
    why = "YOLO's training does not find its labels, as a folder is called images: name the folder within"
    return [LabelProblem(image.path, why) for image in labels.images if "/images/" in f"/{image.path}"]


def _line(one: LabeledObject, image: LabeledImage, classes: Sequence[str], options: WriteOptions) -> str:
    x1, y1, x2, y2 = one.box
    if options.polygons:
        corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
        polygon = corners if one.mask is None else mask_to_polygon(decode_rle(one.mask))
        numbers = (polygon / [image.width, image.height]).ravel().tolist()
    else:
        numbers = [(x1 + x2) / 2 / image.width, (y1 + y2) / 2 / image.height]
        numbers += [(x2 - x1) / image.width, (y2 - y1) / image.height]
        numbers += [one.score] if options.scores and one.score is not None else []
    return " ".join([str(classes.index(one.label)), *(format_number(round(value, DIGITS)) for value in numbers)])


def read(source: Path, photos: ImageIndex) -> LoadedLabels:
    """Read YOLO's text files.

    Args:
        source: The folder, with ``data.yaml`` (or ``classes.txt``) and ``labels/``.
        photos: The images, whose sizes the fractions are of.

    Returns:
        Labels; paths of the images are those of ``photos``, below the split's folder or not. Lines that cannot be
        taken, and text files without an image, are listed.

    Raises:
        InputError: If the names of the classes, or the folder of labels, are missing.
    """
    classes = _classes(source)
    problems: list[LabelProblem] = []
    images = [
        image for folder, split in _folders(source) for image in _images(folder, split, classes, photos, problems)
    ]
    return LoadedLabels(LabelSet(classes, tuple(images)), tuple(problems))


def _folders(source: Path) -> list[tuple[Path, str]]:
    """The folders of text files: ``labels``, or as Roboflow has it ``<split>/labels``, with that split."""
    if (source / "labels").is_dir():
        return [(source / "labels", "")]
    folders = [(source / split / "labels", split) for split in SPLITS if (source / split / "labels").is_dir()]
    if not folders:
        raise InputError(
            f"There is no folder {source / 'labels'}.", "YOLO keeps a text file for each image in labels/."
        )
    return folders


def _images(
    folder: Path, split_: str, classes: Sequence[str], photos: ImageIndex, problems: list[LabelProblem]
) -> Iterator[LabeledImage]:
    for name in (name for name in files_below(folder) if name.endswith(".txt") and name != NAMES):
        split, path = _found(name.removesuffix(".txt"), split_, photos)
        size = None if path is None else photos.size(path)
        if path is None or size is None:
            problems.append(LabelProblem(name, "there is no such image" if path is None else "its image is unreadable"))
            continue
        empty = LabeledImage(path, size[1], size[0], split=split)
        objects = tuple(_objects(folder / name, empty, classes, problems))
        yield replace(empty, objects=objects)


def _found(name: str, split: str, photos: ImageIndex) -> tuple[str, str | None]:
    """The split of a text file, unless it is known, and the path of its image."""
    if split:
        places = (f"{split}/images/{name}", f"{split}/{name}", name)
        return split, next((path for place in places if (path := photos.find(place))), None)
    split, _, rest = name.partition("/")
    if split not in SPLITS or not rest:
        return "", photos.find(name)
    return split, photos.find(rest) or photos.find(name)


def _classes(source: Path) -> tuple[str, ...]:
    file = source / "data.yaml"
    if not file.is_file():
        beside = source / "labels" / NAMES  # where LabelImg has it
        return read_classes(beside if beside.is_file() else source / NAMES)
    try:
        content: Any = yaml.safe_load(read_text(file))
        names = content["names"]
        by_number: Mapping[int, str] = dict(enumerate(names)) if isinstance(names, list) else dict(names)
        return tuple(_name(by_number[number]) for number in range(len(by_number)))
    except (yaml.YAMLError, RecursionError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        hint = "names is a list, or gives a name to each number from 0 on."
        raise InputError(f"{file} does not name the classes.", hint) from error


def _name(said: object) -> str:
    """A class's name; a list in its place could be longer than the memory, by YAML's references."""
    if not isinstance(said, str | int | float):
        raise TypeError(said)
    return str(said)


def _objects(
    file: Path, image: LabeledImage, classes: Sequence[str], problems: list[LabelProblem]
) -> Iterator[LabeledObject]:
    for place_, line in read_lines(file):
        try:
            number, *values = line.split()
            yield _object(dict(enumerate(classes))[int(number)], [float(word) for word in values], image)
        except (KeyError, ValueError, OverflowError) as error:
            problems.append(LabelProblem(image.path, f"line {place_.line} cannot be taken: {line[:80]} ({error})"))


def _object(label: str, values: Sequence[float], image: LabeledImage) -> LabeledObject:
    width, height = image.width, image.height
    if len(values) in (4, 5):
        x, y, across, down = values[:4]
        sides = [(x - across / 2) * width, (y - down / 2) * height, (x + across / 2) * width, (y + down / 2) * height]
        return LabeledObject(label, round_box(sides), values[4] if len(values) == 5 else None)
    if len(values) < 6 or len(values) % 2:
        raise ValueError(f"it has {len(values) + 1} columns")
    polygon = scale_polygon(values, height=height, width=width)
    return LabeledObject(
        label, polygon_box(polygon), mask=encode_rle(polygon_to_mask(polygon, height=height, width=width))
    )
