"""Find the text files of YOLO labels and the names of their classes, as tools lay them out.

::

    data.yaml          labels/[<split>/]<path>.txt              YOLO
    data.yaml          <split>/labels/<path>.txt                Roboflow
    classes.txt        <path>.txt, or labels/<path>.txt         LabelImg
    obj.names          obj_<split>_data/<path>.txt              CVAT and darknet
    _darknet.labels    <split>/<path>.txt                       Roboflow for darknet

Without a folder ``labels`` the text files are next to the images.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from weakspot.data.formats.text_files import read_classes
from weakspot.data.formats.walk import files_below, folders_in, images_below
from weakspot.errors import InputError
from weakspot.io.text import read_lines, read_text

SPLITS = ("train", "val", "valid", "test")
# Names of classes, one per line.
NAMES = ("labels/classes.txt", "classes.txt", "obj.names", "*.names", "_darknet.labels", "*/_darknet.labels")
# Text files next to the images that are not labels: names, and lists of images.
NO_LABELS = re.compile(r"(classes|predefined_classes|train|val|valid|test|readme.*|license.*)\.txt", re.IGNORECASE)
DARKNET = re.compile(r"obj_(.+)_data", re.IGNORECASE)
# Text files in which a folder's labels are looked for: many images may be without an object.
_MAX_TRIED = 1000
_COLUMNS = 5


class ClassFile(NamedTuple):
    """Names of the classes by index, and the number of values of the keypoints after a box."""

    names: tuple[str, ...]
    keypoints: int = 0


class LabelFile(NamedTuple):
    """A text file: its name for messages, its split, and names of its image without suffix, the most likely first."""

    path: Path
    name: str
    split: str
    images: tuple[str, ...]


def is_dataset(source: Path) -> bool:
    """Return whether a folder contains images, and text files of labels where a tool puts them.

    Text files next to images, such as captions, are labels only if there is a file with the names of the classes.
    """
    in_folder = (source / "labels").is_dir() or any((source / split / "labels").is_dir() for split in SPLITS)
    try:
        if not (in_folder or any(map(DARKNET.fullmatch, folders_in(source))) or _has_names(source)):
            return False
        return any(has_labels(file.path) for file in islice(label_files(source), _MAX_TRIED))
    except InputError:
        return False


def _has_names(source: Path) -> bool:
    return any(True for _ in _yaml_files(source)) or any(True for pattern in NAMES for _ in source.glob(pattern))


def has_labels(file: Path) -> bool:
    """Return whether the first line of a text file has at least five columns, all of them numbers."""
    first = next((text for _, text in read_lines(file)), "")
    try:
        return len([float(word) for word in first.split()]) >= _COLUMNS
    except ValueError:
        return False


def label_files(source: Path) -> Iterator[LabelFile]:
    """Yield the text files of labels below a folder.

    Raises InputError ``labels-not-found`` without a folder ``labels`` and without a text file next to an image.
    """
    by_split = [(split, f"{split}/labels") for split in SPLITS if (source / split / "labels").is_dir()]
    subsets = [(match[1].lower(), match[0]) for match in map(DARKNET.fullmatch, folders_in(source)) if match]
    if (source / "labels").is_dir():
        yield from _with_splits(source / "labels")
    elif by_split:
        for split, folder in by_split:
            yield from _of_split(source / folder, split, (f"{split}/images/", f"{split}/", ""))
    elif subsets:
        for split, folder in subsets:
            yield from _of_split(source / folder, split if len(subsets) > 1 else "", (f"{folder}/", ""))
    else:
        _check_next_to_images(source)
        yield from _with_splits(source)


def _with_splits(folder: Path) -> Iterator[LabelFile]:
    """The text files of a folder, in which folders may be splits."""
    for name in _text_files(folder):
        split, _, rest = _bare(name).partition("/")
        if split in SPLITS and rest:
            yield LabelFile(folder / name, name, split, (rest, _bare(name)))
        else:
            yield LabelFile(folder / name, name, "", (_bare(name),))


def _of_split(folder: Path, split: str, prefixes: tuple[str, ...]) -> Iterator[LabelFile]:
    """The text files of a split, and its images in any of several folders."""
    for name in _text_files(folder):
        yield LabelFile(folder / name, name, split, tuple(f"{prefix}{_bare(name)}" for prefix in prefixes))


def _text_files(folder: Path) -> Iterator[str]:
    return (name for name in files_below(folder) if name.endswith(".txt") and not NO_LABELS.fullmatch(name))


def _bare(name: str) -> str:
    return name.removesuffix(".txt")


def _check_next_to_images(source: Path) -> None:
    images = images_below(source)
    if not any(_bare(name) in images for name in _text_files(source)):
        problem = f"{source} has no folder labels, and no text file next to an image."
        raise InputError("labels-not-found", problem)


def read_class_file(source: Path) -> ClassFile:
    """Read the names of the classes: ``data.yaml`` or another YAML file with ``names``, else a file of names."""
    for file in _yaml_files(source):
        return _parse_yaml(file)
    found = (file for pattern in NAMES for file in sorted(source.glob(pattern)) if file.is_file())
    for file in found:
        return ClassFile(read_classes(file))
    problem = f"{source} has YOLO labels, but no file with the names of the classes."
    hint = "Add data.yaml with names, or classes.txt with a name in each line, in the order of their numbers."
    raise InputError("file-not-found", problem, hint)


def _yaml_files(source: Path) -> Iterator[Path]:
    if (source / "data.yaml").is_file():
        yield source / "data.yaml"
    others = sorted([*source.glob("*.yaml"), *source.glob("*.yml")])
    yield from (file for file in others if re.search("^names:", read_text(file), re.MULTILINE))


def _parse_yaml(file: Path) -> ClassFile:
    try:
        content: Any = yaml.safe_load(read_text(file))
        names = content["names"]
        by_index: Mapping[int, str] = dict(enumerate(names)) if isinstance(names, list) else dict(names)
        points, dimensions = content.get("kpt_shape") or (0, 0)
        classes = tuple(_class_name(by_index[index]) for index in range(len(by_index)))
        return ClassFile(classes, int(points) * int(dimensions))
    except (yaml.YAMLError, RecursionError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        hint = "names must be a list, or map each number from 0 to a name; kpt_shape must be two numbers."
        raise InputError("class-names-invalid", f"{file} has no valid names of classes.", hint) from error


def _class_name(name: object) -> str:
    """Convert a class name; a list could exceed the memory by YAML's references."""
    if not isinstance(name, str | int | float):
        raise TypeError(name)
    return str(name)
