"""COCO JSON of instances: a file for each split in ``annotations/``.

::

    annotations/instances_<split>.json   images, annotations (bbox, score, segmentation), categories
    images/<path>

A ``bbox`` is left, top, width and height in pixels, fractions kept. Category ids are the numbers of the classes from 1
on. A ``score`` stands beside the box, as in COCO results. Masks are compressed RLE, exact, or polygons.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from weakspot.data.decoding import MAX_PIXELS
from weakspot.data.readers.coco import SPLIT
from weakspot.errors import InputError
from weakspot.io.text import parse_size
from weakspot.labels.image_index import ImageIndex
from weakspot.labels.polygons import mask_box, mask_to_polygon, polygon_to_mask
from weakspot.labels.records import (
    DECIMALS,
    Box,
    LabeledImage,
    LabeledObject,
    LabelProblem,
    LabelSet,
    LoadedLabels,
    WriteOptions,
    finite_or_none,
    round_box,
)
from weakspot.labels.rle import Rle, decode_rle, encode_rle, mask_area, parse_rle
from weakspot.labels.text_files import read_json, write_json

NO_SPLIT = "all"
Record = dict[str, Any]

# What every record must have; some tools write ids as text.
ID = int | str
FIELDS: dict[str, tuple[tuple[str, Any], ...]] = {
    "images": (("id", ID), ("file_name", str)),
    "annotations": (("image_id", ID), ("category_id", ID)),
    "categories": (("id", ID), ("name", str)),
}


def image_path(image: LabeledImage) -> str:
    """Say where an image belongs."""
    return f"images/{image.path}"


def write(labels: LabelSet, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:
    """Write COCO JSON, a file for each split; ids of images go on from one file to the next.

    Args:
        labels: What to write.
        folder: Folder to write to.
        options: Whether masks are polygons.

    Returns:
        No problems: the format carries everything.
    """
    number = {id(image): position for position, image in enumerate(labels.images, start=1)}
    for split in labels.splits or ("",):
        chosen = [(number[id(image)], image) for image in labels.images if image.split == split]
        content = {
            "images": [_image(key, image) for key, image in chosen],
            "annotations": list(_annotations(chosen, labels.classes, options.polygons)),
            "categories": [{"id": key, "name": name} for key, name in enumerate(labels.classes, start=1)],
        }
        write_json(folder / "annotations" / f"instances_{split or NO_SPLIT}.json", content)
    return []


def _image(key: int, image: LabeledImage) -> Record:
    record = {"id": key, "file_name": image.path, "width": image.width, "height": image.height}
    return record if image.doubt is None else record | {"doubt": image.doubt}


def _annotations(images: list[tuple[int, LabeledImage]], classes: tuple[str, ...], polygons: bool) -> Iterator[Record]:
    category = {name: key for key, name in enumerate(classes, start=1)}
    objects = ((key, one) for key, image in images for one in image.objects)
    for number, (key, one) in enumerate(objects, start=1):
        x1, y1, x2, y2 = one.box
        sides = [x1, y1, round(x2 - x1, DECIMALS), round(y2 - y1, DECIMALS)]
        record = {"id": number, "image_id": key, "category_id": category[one.label], "bbox": sides, "iscrowd": 0}
        area = sides[2] * sides[3] if one.mask is None else mask_area(one.mask)
        record |= {"area": area, "segmentation": [] if one.mask is None else _segmentation(one.mask, polygons)}
        yield record if one.score is None else record | {"score": one.score}


def _segmentation(mask: Rle, polygons: bool) -> object:
    if polygons:
        return [mask_to_polygon(decode_rle(mask)).ravel().round(DECIMALS).tolist()]
    return {"size": [mask.height, mask.width], "counts": mask.counts}


def read(source: Path, photos: ImageIndex) -> LoadedLabels:
    """Read COCO JSON.

    Args:
        source: A JSON file, or a folder with files in ``annotations/`` or of its own, one for each split. Where some
            are called ``instances...``, the others (captions, keypoints) are passed over.
        photos: The images; one without a size in the file has its own.

    Returns:
        Labels, and the annotations that cannot be taken. Crowds (``iscrowd``) are none of one object: they are listed.
        Classes are in the order of their ids; each file has its own ids.

    Raises:
        InputError: If a file is not such JSON.
    """
    parts = [(_split(file), _load(file)) for file in _files(source)]
    problems: list[LabelProblem] = []
    named = {(str(one["name"]), one["id"]) for _, part in parts for one in part["categories"]}
    ordered = sorted(named, key=lambda pair: (isinstance(pair[1], str), pair[1], pair[0]))
    images = tuple(image for split, part in parts for image in _images(part, split, photos, problems))
    return LoadedLabels(LabelSet(tuple(dict.fromkeys(name for name, _ in ordered)), images), tuple(problems))


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    files = sorted((source / "annotations").glob("*.json")) or sorted(source.glob("*.json"))
    if not files:
        raise InputError(f"{source} holds no COCO JSON.", "Give the file, or the folder that holds annotations/*.json.")
    return [file for file in files if file.name.startswith("instances")] or files


def _split(file: Path) -> str:
    """What the file's name says: val of ``instances_val2017.json``."""
    found = SPLIT.search(file.stem.lower())
    return found[1] if found else ""


def _load(file: Path) -> Mapping[str, list[Record]]:
    content = read_json(file)
    hint = "COCO JSON holds images (id, file_name), annotations (image_id, category_id), and categories (id, name)."
    if not isinstance(content, dict):
        raise InputError(f"{file} is not COCO JSON of instances.", hint)
    for key, fields in FIELDS.items():
        records = content.setdefault(key, [])
        whole = isinstance(records, list) and all(isinstance(record, dict) for record in records)
        if not whole or not all(isinstance(record.get(name), kind) for record in records for name, kind in fields):
            names = ", ".join(name for name, _ in fields)
            raise InputError(f"{file} is not COCO JSON: its {key} are not records with {names}.", hint)
    named = Counter(one["id"] for one in content["categories"])
    if max(named.values(), default=1) > 1:
        raise InputError(f"{file} has several categories of the id {named.most_common(1)[0][0]}.", "Give each its own.")
    return {key: content[key] for key in FIELDS}


def _images(
    part: Mapping[str, list[Record]], split: str, photos: ImageIndex, problems: list[LabelProblem]
) -> Iterator[LabeledImage]:
    categories = {one["id"]: str(one["name"]) for one in part["categories"]}
    of_image = _by_image(part, problems)
    for record in (one for one in part["images"] if one["id"] in of_image):
        name = str(record["file_name"])
        size = _size(record) or photos.size(name)
        if size is None:
            problems.append(LabelProblem(name, "it has no width and height, and there is no such image"))
            continue
        empty = LabeledImage(name, size[1], size[0], (), split, finite_or_none(record.get("doubt")))
        objects = (_object(one, empty, categories, problems) for one in of_image[record["id"]])
        yield replace(empty, objects=tuple(one for one in objects if one is not None))


def _by_image(part: Mapping[str, list[Record]], problems: list[LabelProblem]) -> dict[object, list[Record]]:
    """The annotations by the id of their image; where two have the same nobody knows of which they are."""
    times = Counter(record["id"] for record in part["images"])
    of_image: dict[object, list[Record]] = {key: [] for key, count in times.items() if count == 1}
    twice = [record for record in part["images"] if record["id"] not in of_image]
    problems += [LabelProblem(one["file_name"], f"another image has its id, {one['id']}: left out") for one in twice]
    for one in part["annotations"]:
        key = one["image_id"]
        if key in of_image:
            of_image[key].append(one)
        else:
            why = "of several images" if times[key] else "of an image that the file does not name"
            problems.append(LabelProblem(str(key), f"annotation {one.get('id')} {why}"))
    return of_image


def _size(record: Record) -> tuple[int, int] | None:
    width, height = (record.get(side) for side in ("width", "height"))
    return parse_size(width, height) if isinstance(width, int | float) and isinstance(height, int | float) else None


def _object(
    record: Record, image: LabeledImage, categories: Mapping[object, str], problems: list[LabelProblem]
) -> LabeledObject | None:
    try:
        if record.get("iscrowd"):
            raise InputError("crowd", "A crowd has no box of one object.")
        mask = _mask(record.get("segmentation"), image)
        label = categories.get(record["category_id"], f"category {record['category_id']}")
        score = record.get("score")
        return LabeledObject(label, _box(record, mask), None if score is None else float(score), mask)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        why = error.problem if isinstance(error, InputError) else f"it is malformed ({error})"
        problems.append(LabelProblem(image.path, f"annotation {record.get('id')} cannot be taken: {why}"))
        return None


def _box(record: Record, mask: Rle | None) -> Box:
    """The box that is written, else that of the mask."""
    sides = record.get("bbox") or ()
    if len(sides) == 4:
        x, y, width, height = (float(side) for side in sides)
        return round_box([x, y, x + width, y + height])
    box = None if sides or mask is None else mask_box(decode_rle(mask))
    if box is None:
        raise InputError("no bbox of four numbers", "Export the annotation again.")
    return box


def _mask(segmentation: Any, image: LabeledImage) -> Rle | None:
    """Read a segmentation: RLE, compressed or not, or polygons, which are united."""
    if not segmentation:
        return None
    height, width = image.height, image.width
    if height * width > MAX_PIXELS:
        raise InputError("its mask is too large", f"At most {MAX_PIXELS:,} pixels are read.")
    if isinstance(segmentation, list):
        united = np.zeros((height, width), bool)
        for flat in segmentation:
            united |= polygon_to_mask(np.array(flat, np.float64).reshape(-1, 2), height=height, width=width)
        return encode_rle(united)
    if list(segmentation["size"]) != [height, width]:
        raise InputError(f"its mask is of {segmentation['size']}", "A mask has the size of its image.")
    return parse_rle(segmentation["counts"], height=height, width=width)
