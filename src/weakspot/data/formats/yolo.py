"""YOLO: a text file of numbers for each image.

::

    data.yaml                       train, val, names
    images/<split>/<path>.jpg
    labels/<split>/<path>.txt       class x_center y_center width height, fractions of the image's sides

Other tools write the text files next to the images: :mod:`weakspot.data.formats.yolo_files`. If ``kpt_shape`` of
``data.yaml`` says that keypoints follow the box, they are not read.

Class indices count from 0. With ``scores`` a sixth column contains the score, as in YOLO's predictions: FiftyOne reads
it and supervision ignores it, but YOLO's training accepts five columns only. With ``polygons`` a line is
``class x y x y ...``: a mask as one polygon, or the four corners of the box of an object without a mask, without
scores. An empty file is an image without objects.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from weakspot.data.dataset import Dataset, Issue, ObjectAnnotation, Sample, group_issues, round_box
from weakspot.data.formats import yolo_files
from weakspot.data.formats.folder_labels import add_folder_labels
from weakspot.data.formats.records import LabelProblem, LoadedLabels, WriteOptions
from weakspot.data.formats.split_folders import name_split
from weakspot.data.formats.text_files import format_number, write_text
from weakspot.data.formats.walk import without_suffix
from weakspot.data.formats.yolo_files import ClassFile, LabelFile
from weakspot.data.image_index import ImageIndex, index_images
from weakspot.data.polygons import mask_to_polygon, polygon_box, polygon_to_mask, scale_polygon
from weakspot.data.rle import decode_rle, encode_rle
from weakspot.errors import InputError
from weakspot.io.text import read_lines

NO_SPLIT = "train"
# Value of a visible keypoint, which is not a fraction.
VISIBLE = 2
# Decimals of a fraction: a hundred-millionth of a pixel in an image of 10,000 pixels.
DIGITS = 12
NO_IMAGE = "text file of labels without an image"


def detect(root: Path) -> bool:
    """Return whether a folder contains text files of YOLO labels, and images."""
    return yolo_files.is_dataset(root)


def load(root: Path, images: Path | None = None) -> Dataset:
    """Load a data set of images and text files: boxes, and the boxes of polygons.

    An image without a text file, or with an empty one, has no object; without a text file it has the label of its
    folder if folders are classes, see :func:`weakspot.data.formats.folder_labels.add_folder_labels`. Splits are the
    topmost folders of the images, if all are named after splits; the ids of the images are then relative to them,
    unless two were equal.

    Raises:
        InputError: ``file-not-found`` or ``class-names-invalid`` for the names of the classes; ``label-invalid`` for a
            line that cannot be read; ``image-not-found`` if no text file has an image.
    """
    classes = yolo_files.read_class_file(root)
    base = root / "images" if (root / "labels").is_dir() and (root / "images").is_dir() else root
    index = index_images(images or base)
    issues: list[Issue] = []
    files: dict[str, Path] = {}
    for file in yolo_files.label_files(root):
        if (path := _find(file, index)) is not None:
            files[path] = file.path
        elif yolo_files.has_labels(file.path):
            issues.append((NO_IMAGE, str(file.path)))
    if not files:
        problem = f"No text file of labels in {root} has an image in {images or base}."
        raise InputError("image-not-found", problem, "Set --images.")
    paths = [path for group in index.names.values() for path in group]
    places = _places(paths)
    samples = []
    for path in paths:
        size = index.size_of(path)
        empty = Sample(places[path][1], (images or base) / path, places[path][0], (), size)
        samples.append(replace(empty, objects=_all_objects(files[path], empty, classes)) if path in files else empty)
    dataset = Dataset(root, "YOLO", classes.names, tuple(samples), group_issues(issues))
    named = {(images or base) / path for path in files}
    return add_folder_labels(dataset, images or base, empty=named)


def _places(paths: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The split and the id of each image."""
    tops = {path.partition("/")[0] if "/" in path else "" for path in paths}
    if not all(name_split(top).split for top in tops):
        return {path: ("", without_suffix(path)) for path in paths}
    splits = {path: name_split(path.partition("/")[0]).split for path in paths}
    inner = {path: without_suffix(path.partition("/")[2].removeprefix("images/")) for path in paths}
    is_unique = len(set(inner.values())) == len(paths)
    return {path: (splits[path], inner[path] if is_unique else without_suffix(path)) for path in paths}


def _all_objects(file: Path, sample: Sample, classes: ClassFile) -> tuple[ObjectAnnotation, ...]:
    """The objects in a text file; without boxes if the image is unreadable. A line that is invalid is an error."""
    objects = []
    for line, text in read_lines(file):
        try:
            item = _parse_line(text, sample if sample.size else replace(sample, size=(1, 1)), classes, masks=False)
        except (ValueError, OverflowError) as error:
            hint = "Correct or remove the line, or correct the names of the classes."
            raise InputError("label-invalid", f"{line} is invalid: {text[:80]} ({error}).", hint) from error
        objects.append(item if sample.size else ObjectAnnotation(item.label, score=item.score))
    return tuple(objects)


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
    """Read YOLO's text files below a folder, with names of classes in a file of YOLO, LabelImg, CVAT or Roboflow.

    Paths of the images are those of the index, with or without the folder of the split. Invalid lines and text files
    without an image are problems.
    """
    classes = yolo_files.read_class_file(source)
    problems: list[LabelProblem] = []
    samples = tuple(
        sample for file in yolo_files.label_files(source) for sample in _sample(file, classes, index, problems)
    )
    return LoadedLabels(Dataset(source, "YOLO", classes.names, samples), tuple(problems))


def _sample(file: LabelFile, classes: ClassFile, index: ImageIndex, problems: list[LabelProblem]) -> Iterator[Sample]:
    path = _find(file, index)
    size = None if path is None else index.size(path)
    if path is None or size is None:
        problem = "the image does not exist" if path is None else "the image is unreadable"
        problems.append(LabelProblem(file.name, problem))
        return
    empty = Sample(path, Path(path), file.split, (), size, size_from_image=True)
    yield replace(empty, objects=tuple(_objects(file.path, empty, classes, problems)))


def _find(file: LabelFile, index: ImageIndex) -> str | None:
    """The image of a text file."""
    found = (path for name in file.images if (path := index.find(name)))
    return next(found, None) or index.match(max(file.images, key=len))


def _objects(
    file: Path, sample: Sample, classes: ClassFile, problems: list[LabelProblem]
) -> Iterator[ObjectAnnotation]:
    for line, text in read_lines(file):
        try:
            yield _parse_line(text, sample, classes)
        except (ValueError, OverflowError) as error:
            problems.append(LabelProblem(sample.image_id, f"line {line.line} is invalid: {text[:80]} ({error})"))


def _parse_line(text: str, sample: Sample, classes: ClassFile, *, masks: bool = True) -> ObjectAnnotation:
    """Parse a line; ValueError or OverflowError says why it is invalid."""
    number, *values = text.split()
    label = _label(number, classes.names)
    numbers = _without_keypoints([float(word) for word in values], classes.keypoints)
    return _object(label, numbers, sample, masks=masks)


def _label(number: str, names: Sequence[str]) -> str:
    """Return the class of a number, which some tools write with a decimal point.

    Example:
        >>> _label("1", ["cat", "dog"]), _label("0.0", ["cat", "dog"])
        ('dog', 'cat')
    """
    try:
        value = float(number)
    except ValueError as error:
        raise ValueError(f"the class {number!r} is not a number") from error
    if not value.is_integer():
        raise ValueError(f"the class {number} is not a whole number")
    if not 0 <= value < len(names):
        raise ValueError(f"class number {int(value)} has no name: they are numbered 0 to {len(names) - 1}")
    return names[int(value)]


def _without_keypoints(values: list[float], keypoints: int) -> list[float]:
    """Remove the values of the keypoints, which follow the box; the score is last."""
    if not keypoints or len(values) in (4, 5):
        return values
    if len(values) not in (4 + keypoints, 5 + keypoints):
        raise ValueError(f"it has {len(values) + 1} columns")
    return values[:4] + values[4 + keypoints :]


def _object(label: str, values: Sequence[float], sample: Sample, *, masks: bool) -> ObjectAnnotation:
    width, height = sample.width, sample.height
    if len(values) in (4, 5):
        x, y, across, down = values[:4]
        across, down = abs(across), abs(down)
        sides = [(x - across / 2) * width, (y - down / 2) * height, (x + across / 2) * width, (y + down / 2) * height]
        return ObjectAnnotation(label, round_box(sides), score=values[4] if len(values) == 5 else None)
    if len(values) < 6 or len(values) % 2:
        raise ValueError(f"it has {len(values) + 1} columns")
    if max(values) >= VISIBLE:
        raise ValueError("a corner is outside the image; for keypoints data.yaml must contain kpt_shape")
    polygon = scale_polygon(values, height=height, width=width)
    mask = encode_rle(polygon_to_mask(polygon, height=height, width=width)) if masks else None
    return ObjectAnnotation(label, polygon_box(polygon), mask=mask)
