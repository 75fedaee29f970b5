"""COCO JSON of instances: one file, one for each split in ``annotations/``, or one in each split's folder."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from weakspot.data.dataset import Box, Dataset, Issue, ObjectAnnotation, Sample, group_by_class, group_issues
from weakspot.data.readers.walk import first_containing
from weakspot.errors import InputError
from weakspot.io.text import parse_size, read_text, safe_relative_path

AT_ROOT = ("annotations.json", "_annotations.coco.json")
SPLIT = re.compile(r"(?<![a-z])(train|val|valid|validation|test)(?![a-z])")

Record = dict[str, Any]
Objects = dict[int | str, list[ObjectAnnotation]]


class _Part(NamedTuple):
    """A file, the folder of its images, and its split."""

    file: Path
    content: Record
    base: Path
    split: str


def detect(root: Path) -> bool:
    """Return whether a folder contains COCO JSON under a usual name."""
    return bool(_files(root))


def load(root: Path, images: Path | None = None, truth: Path | None = None) -> Dataset:
    """Load COCO JSON of instances; by default all files under ``root`` with a usual name.

    Objects with ``iscrowd`` set count for the image's label, not as boxes. Segmentations are not read. Category ids are
    arbitrary numbers, not class indices.
    """
    parts = _parts(root, images, truth)
    prefixed = _has_several_folders(parts)
    samples: list[Sample] = []
    issues: list[Issue] = []
    for part in parts:
        objects = _objects(part, issues)
        samples += _samples(part, objects, f"{part.base.name}/" if prefixed else "")
        unknown = objects.keys() - {record["id"] for record in part.content["images"]}
        issues += [("boxes for an unknown image", f"{part.file}: image_id {key}") for key in objects if key in unknown]
    names = sorted_names(item for part in parts for item in _categories(part).items())
    return Dataset(root, "COCO", names, tuple(samples), group_issues(issues))


def read_json(file: Path) -> Any:
    """Read a JSON file."""
    try:
        return json.loads(read_text(file))
    except (ValueError, RecursionError) as error:  # a ValueError: also a number with thousands of digits
        if isinstance(error, InputError):
            raise
        raise InputError("json-invalid", f"Cannot parse {file}: {error}.") from error


def parse_size_of(record: Record) -> tuple[int, int] | None:
    """Return ``(height, width)`` of an image record; None if it has no valid size."""
    width, height = (record.get(side) for side in ("width", "height"))
    return parse_size(width, height) if isinstance(width, int | float) and isinstance(height, int | float) else None


def _parts(root: Path, images: Path | None, truth: Path | None) -> list[_Part]:
    return [_part(root, file, images) for file in ([truth] if truth else _files(root))]


def _has_several_folders(parts: Iterable[_Part]) -> bool:
    return len({part.base for part in parts}) > 1


def _files(root: Path) -> list[Path]:
    at_root = [root / name for name in AT_ROOT if (root / name).is_file()]
    in_splits = sorted(root.glob("*/_annotations.coco.json"))
    return at_root[:1] or in_splits or instance_files(sorted((root / "annotations").glob("*.json")))


def instance_files(files: list[Path]) -> list[Path]:
    """Return the files whose names begin with "instances", or all if there are none."""
    return [file for file in files if file.name.startswith("instances")] or files


def _part(root: Path, file: Path, images: Path | None) -> _Part:
    """Read a file, and find the folder of its images by the file's name and the paths in it."""
    content, split = read_json(file), _split(root, file)
    if not isinstance(content, dict) or "images" not in content:
        hint = "COCO JSON has the lists images, annotations and categories."
        raise InputError("coco-invalid", f"{file} has no list of images.", hint)
    folders = [folder / name for name in (file.stem.rpartition("_")[2], split) for folder in (root, root / "images")]
    names = (str(record.get("file_name")) for record in _records(content, "images", file))
    base = images or first_containing([*folders, root / "images", file.parent, root], names)
    return _Part(file, content, base, split)


def _split(root: Path, file: Path) -> str:
    """The split by the name of the file or its folder."""
    folder = file.parent.name.lower() if file.parent not in (root, root / "annotations") else ""
    match = SPLIT.search(file.stem.lower()) or SPLIT.fullmatch(folder)
    return match[1] if match else ""


def _records(content: Record, kind: str, file: Path) -> list[Record]:
    """The records of a kind; a missing list is empty."""
    records = content.get(kind, [])
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError("coco-invalid", f"{file}: {kind} must be a list of objects.")
    return records


def _field(record: Record, key: str, where: str, *types: type) -> Any:
    value = record.get(key)
    if not isinstance(value, types) or isinstance(value, bool):
        kinds = " or ".join(type_.__name__ for type_ in types)
        raise InputError("coco-invalid", f"{where}: {key} must be {kinds}, got {value!r}.")
    return value


def _categories(part: _Part) -> dict[int | str, str]:
    """The classes by category id."""
    where = f"{part.file}: a category"
    records = _records(part.content, "categories", part.file)
    return {_field(record, "id", where, int, str): _field(record, "name", where, str) for record in records}


def sorted_names(categories: Iterable[tuple[int | str, str]]) -> tuple[str, ...]:
    """Sort class names by category id: numbers, then strings."""
    ordered = sorted(set(categories), key=lambda item: (isinstance(item[0], str), item[0], item[1]))
    return tuple(dict.fromkeys(name for _, name in ordered))


def _samples(part: _Part, objects: Objects, prefix: str) -> Iterator[Sample]:
    for position, record in enumerate(_records(part.content, "images", part.file)):
        where = f"{part.file}: images[{position}]"
        key = _field(record, "id", where, int, str)
        name = safe_relative_path(_field(record, "file_name", where, str), where)
        annotations = group_by_class(objects.get(key, ()))
        yield Sample(f"{prefix}{name}", part.base / name, part.split, annotations, parse_size_of(record))


def _objects(part: _Part, issues: list[Issue]) -> Objects:
    """The objects by image id; an unknown category is an issue."""
    classes = _categories(part)
    objects: Objects = {}
    for position, record in enumerate(_records(part.content, "annotations", part.file)):
        where = f"{part.file}: annotations[{position}]"
        image, category = (_field(record, key, where, int, str) for key in ("image_id", "category_id"))
        box = None if record.get("iscrowd") else _box(record, where)
        if category in classes:
            objects.setdefault(image, []).append(ObjectAnnotation(classes[category], box))
        else:
            issues.append(("boxes of an unknown class", f"{where}, category_id {category}"))
    return objects


def _box(record: Record, where: str) -> Box | None:
    """Convert left, top, width and height to corners; None without a box."""
    sides = record.get("bbox")
    if sides is None or sides == []:
        return None
    if not isinstance(sides, list) or [type(side) in (int, float) for side in sides] != [True] * 4:
        problem = f"{where}: bbox must be [left, top, width, height], got {sides!r}."
        raise InputError("coco-invalid", problem)
    left, top, width, height = sides
    return left, top, left + width, top + height


def result_ids(
    root: Path, images: Path | None = None, truth: Path | None = None
) -> tuple[dict[int | str, str], dict[int | str, str]]:
    """Map the ids in files of COCO results: image ids of :func:`load` by COCO's, and class names by category id."""
    parts = _parts(root, images, truth)
    prefixed = _has_several_folders(parts)
    pairs = [
        (record["id"], f"{part.base.name}/{record['file_name']}" if prefixed else str(record["file_name"]))
        for part in parts
        for record in _records(part.content, "images", part.file)
        if "id" in record and "file_name" in record
    ]
    names: dict[int | str, str] = {}
    for key, name in pairs:
        if names.setdefault(key, name) != name:
            problem = f"In the files of {root}, id {key} refers to both {names[key]} and {name}."
            raise InputError("ambiguous-id", problem, "Select the file of these results with --ground-truth.")
    return names, {key: name for part in parts for key, name in _categories(part).items()}
