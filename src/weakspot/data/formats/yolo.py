"""YOLO: a text file of numbers for each image.

::

    data.yaml                       train, val, names
    images/<split>/<path>.jpg
    labels/<split>/<path>.txt       class x_center y_center width height, fractions of the image's sides

Class indices count from 0. With ``scores`` a sixth column contains the score, as in YOLO's predictions: FiftyOne reads
it and supervision ignores it, but YOLO's training accepts five columns only. With ``polygons`` a line is
``class x y x y ...``: a mask as one polygon, or the four corners of the box of an object without a mask, without
scores. An empty file is an image without objects.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from weakspot.data.dataset import Dataset, ObjectAnnotation, Sample, round_box
from weakspot.data.formats.records import LabelProblem, LoadedLabels, WriteOptions
from weakspot.data.formats.text_files import format_number, read_classes, write_text
from weakspot.data.formats.walk import files_below, without_suffix
from weakspot.data.image_index import ImageIndex
from weakspot.data.polygons import mask_to_polygon, polygon_box, polygon_to_mask, scale_polygon
from weakspot.data.rle import decode_rle, encode_rle
from weakspot.errors import InputError
from weakspot.io.text import read_lines, read_text

NO_SPLIT = "train"
SPLITS = ("train", "val", "valid", "test")
NAMES = "classes.txt"
# Decimals of a fraction: a hundred-millionth of a pixel in an image of 10,000 pixels.
DIGITS = 12


def image_path(sample: Sample) -> str:
    """Return the path of an image in the folder."""
    return f"images/{sample.split or NO_SPLIT}/{sample.image_id}"


def write(labels: Dataset, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:
    """Write a text file for each image, and ``data.yaml``.

    Images without a split are training images. Without validation images, ``val`` is ``train``, as YOLO requires both.
    Return images in another folder called ``images``, whose labels YOLO's training does not find.
    """
    for sample in labels.samples:
        lines = [_line(item, sample, labels.class_names, options) for item in sample.objects]
        name = f"{without_suffix(sample.image_id)}.txt"
        write_text(folder / "labels" / (sample.split or NO_SPLIT) / name, "".join(f"{line}\n" for line in lines))
    splits = {sample.split or NO_SPLIT for sample in labels.samples}
    folders = {split: f"images/{split}" for split in sorted(splits | {NO_SPLIT})}
    # Without "path" the folders are relative to the file, which may be moved.
    content: dict[str, Any] = {**folders, "val": folders.get("val", folders[NO_SPLIT])}
    content["names"] = dict(enumerate(labels.class_names))
    write_text(folder / "data.yaml", yaml.safe_dump(content, allow_unicode=True, sort_keys=False))
    # YOLO replaces the last "images" of a path by "labels".
    problem = "YOLO's training does not find its labels, as a folder is called images: rename the inner folder"
    return [LabelProblem(sample.image_id, problem) for sample in labels.samples if "/images/" in f"/{sample.image_id}"]


def _line(item: ObjectAnnotation, sample: Sample, classes: Sequence[str], options: WriteOptions) -> str:
    x1, y1, x2, y2 = item.xyxy
    if options.polygons:
        corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
        polygon = corners if item.mask is None else mask_to_polygon(decode_rle(item.mask))
        numbers = (polygon / [sample.width, sample.height]).ravel().tolist()
    else:
        numbers = [(x1 + x2) / 2 / sample.width, (y1 + y2) / 2 / sample.height]
        numbers += [(x2 - x1) / sample.width, (y2 - y1) / sample.height]
        numbers += [item.score] if options.scores and item.score is not None else []
    return " ".join([str(classes.index(item.label)), *(format_number(round(value, DIGITS)) for value in numbers)])


def read(source: Path, index: ImageIndex) -> LoadedLabels:
    """Read YOLO's text files from a folder with ``data.yaml`` (or ``classes.txt``) and ``labels/``.

    Paths of the images are those of the index, with or without the folder of the split. Invalid lines and text files
    without an image are problems.
    """
    classes = _classes(source)
    problems: list[LabelProblem] = []
    samples = tuple(
        sample for folder, split in _folders(source) for sample in _samples(folder, split, classes, index, problems)
    )
    return LoadedLabels(Dataset(source, "YOLO", classes, samples), tuple(problems))


def _folders(source: Path) -> list[tuple[Path, str]]:
    """The folders of text files: ``labels``, or Roboflow's ``<split>/labels``, with that split."""
    if (source / "labels").is_dir():
        return [(source / "labels", "")]
    folders = [(source / split / "labels", split) for split in SPLITS if (source / split / "labels").is_dir()]
    if not folders:
        raise InputError("labels-not-found", f"The folder {source / 'labels'} does not exist.")
    return folders


def _samples(
    folder: Path, folder_split: str, classes: Sequence[str], index: ImageIndex, problems: list[LabelProblem]
) -> Iterator[Sample]:
    for name in (name for name in files_below(folder) if name.endswith(".txt") and name != NAMES):
        split, path = _split_and_path(name.removesuffix(".txt"), folder_split, index)
        size = None if path is None else index.size(path)
        if path is None or size is None:
            problem = "the image does not exist" if path is None else "the image is unreadable"
            problems.append(LabelProblem(name, problem))
            continue
        empty = Sample(path, Path(path), split, (), size)
        yield replace(empty, objects=tuple(_objects(folder / name, empty, classes, problems)))


def _split_and_path(name: str, split: str, index: ImageIndex) -> tuple[str, str | None]:
    """The split of a text file, unless it is known, and the path of its image."""
    if split:
        candidates = (f"{split}/images/{name}", f"{split}/{name}", name)
        return split, next((path for candidate in candidates if (path := index.find(candidate))), None)
    split, _, rest = name.partition("/")
    if split not in SPLITS or not rest:
        return "", index.find(name)
    return split, index.find(rest) or index.find(name)


def _classes(source: Path) -> tuple[str, ...]:
    file = source / "data.yaml"
    if not file.is_file():
        labelimg = source / "labels" / NAMES
        return read_classes(labelimg if labelimg.is_file() else source / NAMES)
    try:
        content: Any = yaml.safe_load(read_text(file))
        names = content["names"]
        by_index: Mapping[int, str] = dict(enumerate(names)) if isinstance(names, list) else dict(names)
        return tuple(_class_name(by_index[index]) for index in range(len(by_index)))
    except (yaml.YAMLError, RecursionError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        hint = "names must be a list, or map each number from 0 to a name."
        raise InputError("class-names-invalid", f"{file} has no valid names of classes.", hint) from error


def _class_name(name: object) -> str:
    """Convert a class name; a list could exceed the memory by YAML's references."""
    if not isinstance(name, str | int | float):
        raise TypeError(name)
    return str(name)


def _objects(
    file: Path, sample: Sample, classes: Sequence[str], problems: list[LabelProblem]
) -> Iterator[ObjectAnnotation]:
    labels = dict(enumerate(classes))
    for line, text in read_lines(file):
        try:
            number, *values = text.split()
            yield _object(labels[int(number)], [float(word) for word in values], sample)
        except (KeyError, ValueError, OverflowError) as error:
            problems.append(LabelProblem(sample.image_id, f"line {line.line} is invalid: {text[:80]} ({error})"))


def _object(label: str, values: Sequence[float], sample: Sample) -> ObjectAnnotation:
    width, height = sample.width, sample.height
    if len(values) in (4, 5):
        x, y, across, down = values[:4]
        sides = [(x - across / 2) * width, (y - down / 2) * height, (x + across / 2) * width, (y + down / 2) * height]
        return ObjectAnnotation(label, round_box(sides), score=values[4] if len(values) == 5 else None)
    if len(values) < 6 or len(values) % 2:
        raise ValueError(f"it has {len(values) + 1} columns")
    polygon = scale_polygon(values, height=height, width=width)
    mask = polygon_to_mask(polygon, height=height, width=width)
    return ObjectAnnotation(label, polygon_box(polygon), mask=encode_rle(mask))
