"""Read a file of COCO JSON: its images, annotations and categories, of which the required fields are checked."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from weakspot.data.dataset import Box
from weakspot.errors import InputError
from weakspot.io.text import parse_size, read_text

SPLIT = re.compile(r"(?<![a-z])(train|val|valid|validation|test)(?![a-z])")
HINT = "COCO JSON has images (id, file_name), annotations (image_id, category_id) and categories (id, name)."

# Required fields of each record; some tools write ids as strings.
FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    "images": {"id": (int, str), "file_name": (str,)},
    "annotations": {"image_id": (int, str), "category_id": (int, str)},
    "categories": {"id": (int, str), "name": (str,)},
}

Id = int | str
Record = dict[str, Any]


class CocoPart(NamedTuple):
    """Content of a file: its records, and the classes by category id."""

    file: Path
    split: str
    images: list[Record]
    annotations: list[Record]
    classes: dict[Id, str]


def read_json(file: Path) -> Any:
    """Read a JSON file."""
    try:
        return json.loads(read_text(file))
    except (ValueError, RecursionError) as error:  # a ValueError: also a number with thousands of digits
        if isinstance(error, InputError):
            raise
        raise InputError("json-invalid", f"Cannot parse {file}: {error}.") from error


def read_part(file: Path, split: str) -> CocoPart:
    """Read a file and check its records; a missing list is empty."""
    content = read_json(file)
    if not isinstance(content, dict) or "images" not in content:
        raise InputError("coco-invalid", f"{file} is not COCO JSON of instances.", HINT)
    records = {kind: content.get(kind, []) for kind in FIELDS}
    for kind, fields in FIELDS.items():
        if not isinstance(records[kind], list) or not all(isinstance(record, dict) for record in records[kind]):
            raise InputError("coco-invalid", f"{file}: {kind} must be a list of objects.", HINT)
        for position, record in enumerate(records[kind]):
            for name, types in fields.items():
                _check_field(record, name, types, f"{file}: {kind}[{position}]")
    classes: dict[Id, str] = {}
    for record in records["categories"]:
        if classes.setdefault(record["id"], record["name"]) != record["name"]:
            raise InputError("coco-invalid", f"{file} has several categories with id {record['id']}.")
    return CocoPart(file, split, records["images"], records["annotations"], classes)


def _check_field(record: Record, name: str, types: tuple[type, ...], where: str) -> None:
    value = record.get(name)
    if not isinstance(value, types) or isinstance(value, bool):
        kinds = " or ".join(type_.__name__ for type_ in types)
        raise InputError("coco-invalid", f"{where}: {name} must be {kinds}, got {value!r}.", HINT)


def class_names(parts: Iterable[CocoPart]) -> tuple[str, ...]:
    """Return the class names by category id: numbers, then strings."""
    categories = {item for part in parts for item in part.classes.items()}
    ordered = sorted(categories, key=lambda item: (isinstance(item[0], str), item[0], item[1]))
    return tuple(dict.fromkeys(name for _, name in ordered))


def size_of(record: Record) -> tuple[int, int] | None:
    """Return ``(height, width)`` of an image record; None if it has no valid size."""
    width, height = (record.get(side) for side in ("width", "height"))
    return parse_size(width, height) if isinstance(width, int | float) and isinstance(height, int | float) else None


def box_of(record: Record) -> Box | None:
    """Convert left, top, width and height to corners; None without a box."""
    sides = record.get("bbox")
    if sides is None or sides == []:
        return None
    if not isinstance(sides, list) or [type(side) in (int, float) for side in sides] != [True] * 4:
        raise InputError("coco-invalid", f"bbox must be four numbers, left, top, width and height, got {sides!r}.")
    left, top, width, height = sides
    return left, top, left + width, top + height


def instance_files(files: list[Path]) -> list[Path]:
    """Return the files whose names begin with "instances", or all if there are none."""
    return [file for file in files if file.name.startswith("instances")] or files


def split_of(file: Path, folder: str = "") -> str:
    """Return the split in the name of a file, val of ``instances_val2017.json``, or of its folder."""
    match = SPLIT.search(file.stem.lower()) or SPLIT.fullmatch(folder)
    return match[1] if match else ""
