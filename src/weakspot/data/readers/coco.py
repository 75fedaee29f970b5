"""COCO JSON of instances: one file, one for each split in ``annotations/``, or one in each split's folder."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from weakspot.data.dataset import Dataset, Sample
from weakspot.data.noticed import Issue, group_issues
from weakspot.data.readers.annotations import Box, ObjectAnnotation, group_by_class
from weakspot.data.readers.walk import first_containing
from weakspot.errors import InputError
from weakspot.io.text import parse_size, read_text, safe_relative_path

AT_ROOT = ("annotations.json", "_annotations.coco.json")
SPLIT = re.compile(r"(?<![a-z])(train|val|valid|validation|test)(?![a-z])")

Record = dict[str, Any]
Objects = dict[int | str, list[ObjectAnnotation]]


class _Part(NamedTuple):
    """A file with the folder of its images and its split."""

    file: Path
    content: Record
    base: Path
    split: str


def detect(root: Path) -> bool:
    """Tell whether a folder holds COCO JSON under one of its usual names."""
    return bool(_files(root))


def load(root: Path, images: Path | None = None, truth: Path | None = None) -> Dataset:
    """Read COCO JSON of instances.

    Objects marked ``iscrowd`` count for the image's label, not as boxes. Segmentations are not read. Category ids are
    arbitrary numbers and no class indices.

    Args:
        root: The data set.
        images: The folder of the images; default the first of the usual ones that holds them.
        truth: The JSON file; default all under ``root`` that have the usual names.

    Raises:
        InputError: If a file is not such JSON, or an image lies outside.
    """
    parts = [_part(root, file, images) for file in ([truth] if truth else _files(root))]
    several = len({part.base for part in parts}) > 1
    examples: list[Sample] = []
    noticed: list[Issue] = []
    for part in parts:
        marked = _marked(part, noticed)
        examples += _examples(part, marked, f"{part.base.name}/" if several else "")
        noticed += _strangers(part, marked)
    return Dataset(root, "COCO", _class_names(parts), tuple(examples), group_issues(noticed))


def _files(root: Path) -> list[Path]:
    at_root = [root / name for name in AT_ROOT if (root / name).is_file()]
    in_splits = sorted(root.glob("*/_annotations.coco.json"))
    in_folder = sorted((root / "annotations").glob("*.json"))
    instances = [file for file in in_folder if file.name.startswith("instances")]
    return at_root[:1] or in_splits or instances or in_folder


def _load(file: Path) -> Record:
    try:
        content = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        problem = f"{file}, line {error.lineno}, is not JSON: {error.msg}."
        raise InputError(problem, "Export or copy the file again.") from error
    except (ValueError, RecursionError) as error:  # of a number with thousands of digits, of brackets without end
        raise InputError(f"{file} is not JSON that can be read: {error}.", "Export the file again.") from error
    if not isinstance(content, dict) or "images" not in content:
        raise InputError(f"{file} has no list of images.", "COCO JSON holds images, annotations and categories.")
    return content


def _part(root: Path, file: Path, images: Path | None) -> _Part:
    """Read a file, and find the folder of its images by the file's name and the names in it."""
    content, split = _load(file), _split(root, file)
    named = [folder / name for name in (file.stem.rpartition("_")[2], split) for folder in (root, root / "images")]
    names = (str(record.get("file_name")) for record in _listed(content, "images", file))
    return _Part(file, content, images or first_containing([*named, root / "images", file.parent, root], names), split)


def _split(root: Path, file: Path) -> str:
    """What the file's name says, or its folder's."""
    folder = file.parent.name.lower() if file.parent not in (root, root / "annotations") else ""
    found = SPLIT.search(file.stem.lower()) or SPLIT.fullmatch(folder)
    return found[1] if found else ""


def _listed(content: Record, kind: str, file: Path) -> list[Record]:
    """The records of a kind; a file without any may leave the list out."""
    records = content.get(kind, [])
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError(f"{file}: {kind} is not a list of objects.", "Export the file again as COCO JSON.")
    return records


def _field(record: Record, key: str, place: str, *types: type) -> Any:
    value = record.get(key)
    if not isinstance(value, types) or isinstance(value, bool):
        raise InputError(f"{place} has {value!r} for {key}.", "Export the file again as COCO JSON.")
    return value


def _categories(part: _Part) -> dict[int | str, str]:
    """The classes by category id."""
    place = f"{part.file}: a category"
    records = _listed(part.content, "categories", part.file)
    return {_field(one, "id", place, int, str): _field(one, "name", place, str) for one in records}


def _class_names(parts: Iterable[_Part]) -> tuple[str, ...]:
    """All classes, by category id: numbers, then words."""
    named = {item for part in parts for item in _categories(part).items()}
    ordered = sorted(named, key=lambda item: (isinstance(item[0], str), item[0], item[1]))
    return tuple(dict.fromkeys(name for _, name in ordered))


def _examples(part: _Part, marked: Objects, prefix: str) -> Iterator[Sample]:
    for position, record in enumerate(_listed(part.content, "images", part.file)):
        place = f"{part.file}: images[{position}]"
        key = _field(record, "id", place, int, str)
        name = safe_relative_path(_field(record, "file_name", place, str), place)
        truths = group_by_class(marked.get(key, ()))
        yield Sample(f"{prefix}{name}", part.base / name, part.split, truths, _size(record))


def _strangers(part: _Part, marked: Objects) -> Iterator[Issue]:
    known = {record["id"] for record in part.content["images"]}
    return (("boxes for an unknown image", f"{part.file}: image_id {key}") for key in marked if key not in known)


def _size(record: Record) -> tuple[int, int] | None:
    width, height = (record.get(side) for side in ("width", "height"))
    return parse_size(width, height) if isinstance(width, int | float) and isinstance(height, int | float) else None


def _marked(part: _Part, noticed: list[Issue]) -> Objects:
    """The objects of each image id; those of an unknown class are noticed instead."""
    classes = _categories(part)
    marked: Objects = {}
    for position, record in enumerate(_listed(part.content, "annotations", part.file)):
        place = f"{part.file}: annotations[{position}]"
        image, category = (_field(record, key, place, int, str) for key in ("image_id", "category_id"))
        box = None if record.get("iscrowd") else _box(record, place)
        if category in classes:
            marked.setdefault(image, []).append(ObjectAnnotation(classes[category], box))
        else:
            noticed.append(("boxes of an unknown class", f"{place}, category_id {category}"))
    return marked


def _box(record: Record, place: str) -> Box | None:
    """From left, top, width and height to corners; None where there is no box."""
    sides = record.get("bbox")
    if sides is None or sides == []:
        return None
    if not isinstance(sides, list) or [type(side) in (int, float) for side in sides] != [True] * 4:
        raise InputError(f"{place} has {sides!r} for bbox.", "A bbox is four numbers: left, top, width, height.")
    left, top, width, height = sides
    return left, top, left + width, top + height


def result_ids(
    root: Path, images: Path | None = None, truth: Path | None = None
) -> tuple[dict[int | str, str], dict[int | str, str]]:
    """Say what the ids of images and categories stand for, which files of results refer to.

    Args:
        root: As for :func:`load`.
        images: As for :func:`load`.
        truth: As for :func:`load`.

    Returns:
        The image id that :func:`load` gives by COCO's, and the class name by COCO's category id.
    """
    parts = [_part(root, file, images) for file in ([truth] if truth else _files(root))]
    several = len({part.base for part in parts}) > 1
    pairs = [
        (record["id"], f"{part.base.name}/{record['file_name']}" if several else str(record["file_name"]))
        for part in parts
        for record in _listed(part.content, "images", part.file)
        if "id" in record and "file_name" in record
    ]
    names: dict[int | str, str] = {}
    for key, name in pairs:
        if names.setdefault(key, name) != name:
            problem = f"The id {key} stands for {names[key]} and for {name}, in different files of {root}."
            raise InputError(problem, "Name the file that the results refer to with --ground-truth.")
    return names, {key: name for part in parts for key, name in _categories(part).items()}
