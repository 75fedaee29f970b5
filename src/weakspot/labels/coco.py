"""COCO JSON of instances: a file for each split in ``annotations/``.

::

    annotations/instances_<split>.json   images, annotations (bbox, score, segmentation), categories
    images/<path>

A ``bbox`` is left, top, width and height in pixels, which may be fractional. Category ids are class indices + 1.
A ``score`` is stored with each box, as in COCO results. Masks are compressed RLE, which is exact, or polygons.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from weakspot.data.decoding import MAX_PIXELS
from weakspot.data.readers.coco import SPLIT, instance_files, parse_size_of, read_json, sorted_names
from weakspot.errors import InputError
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
    round_box,
    uncertainty_of,
)
from weakspot.labels.rle import Rle, decode_rle, encode_rle, mask_area, parse_rle
from weakspot.labels.text_files import write_json

NO_SPLIT = "all"
Record = dict[str, Any]

# Required fields of each record; some tools write ids as strings.
ID = int | str
FIELDS: dict[str, tuple[tuple[str, Any], ...]] = {
    "images": (("id", ID), ("file_name", str)),
    "annotations": (("image_id", ID), ("category_id", ID)),
    "categories": (("id", ID), ("name", str)),
}


def write(labels: LabelSet, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:
    """Write COCO JSON, a file for each split; image ids are unique across files. It represents all labels."""
    ids = {id(image): position for position, image in enumerate(labels.images, start=1)}
    for split in labels.splits or ("",):
        images = [(ids[id(image)], image) for image in labels.images if image.split == split]
        content = {
            "images": [_image(key, image) for key, image in images],
            "annotations": list(_annotations(images, labels.classes, options.polygons)),
            "categories": [{"id": key, "name": name} for key, name in enumerate(labels.classes, start=1)],
        }
        write_json(folder / "annotations" / f"instances_{split or NO_SPLIT}.json", content)
    return []


def _image(key: int, image: LabeledImage) -> Record:
    record = {"id": key, "file_name": image.path, "width": image.width, "height": image.height}
    return record if image.uncertainty is None else record | {"uncertainty": image.uncertainty}


def _annotations(images: list[tuple[int, LabeledImage]], classes: tuple[str, ...], polygons: bool) -> Iterator[Record]:
    category = {name: key for key, name in enumerate(classes, start=1)}
    objects = ((key, item) for key, image in images for item in image.objects)
    for number, (key, item) in enumerate(objects, start=1):
        x1, y1, x2, y2 = item.box
        sides = [x1, y1, round(x2 - x1, DECIMALS), round(y2 - y1, DECIMALS)]
        record = {"id": number, "image_id": key, "category_id": category[item.label], "bbox": sides, "iscrowd": 0}
        area = sides[2] * sides[3] if item.mask is None else mask_area(item.mask)
        record |= {"area": area, "segmentation": [] if item.mask is None else _segmentation(item.mask, polygons)}
        yield record if item.score is None else record | {"score": item.score}


def _segmentation(mask: Rle, polygons: bool) -> object:
    if polygons:
        return [mask_to_polygon(decode_rle(mask)).ravel().round(DECIMALS).tolist()]
    return {"size": [mask.height, mask.width], "counts": mask.counts}


def read(source: Path, index: ImageIndex) -> LoadedLabels:
    """Read COCO JSON: a file, or a folder with files in ``annotations/`` or at its top level, one for each split.

    If names of some begin with "instances", others (captions, keypoints) are ignored. Crowds (``iscrowd``) are invalid,
    as they are not one object. Classes are in the order of their ids; each file has its own ids.
    """
    parts = [(_split(file), _load(file)) for file in _files(source)]
    problems: list[LabelProblem] = []
    classes = sorted_names((record["id"], str(record["name"])) for _, part in parts for record in part["categories"])
    images = tuple(image for split, part in parts for image in _images(part, split, index, problems))
    return LoadedLabels(LabelSet(classes, images), tuple(problems))


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    files = sorted((source / "annotations").glob("*.json")) or sorted(source.glob("*.json"))
    if not files:
        raise InputError("labels-not-found", f"{source} contains no COCO JSON (annotations/*.json).")
    return instance_files(files)


def _split(file: Path) -> str:
    """The split in a file's name: val of ``instances_val2017.json``."""
    match = SPLIT.search(file.stem.lower())
    return match[1] if match else ""


def _load(file: Path) -> Mapping[str, list[Record]]:
    content = read_json(file)
    hint = "COCO JSON has images (id, file_name), annotations (image_id, category_id) and categories (id, name)."
    if not isinstance(content, dict):
        raise InputError("coco-invalid", f"{file} is not COCO JSON of instances.", hint)
    for key, fields in FIELDS.items():
        records = content.setdefault(key, [])
        is_list = isinstance(records, list) and all(isinstance(record, dict) for record in records)
        if not is_list or not all(isinstance(record.get(name), kind) for record in records for name, kind in fields):
            names = ", ".join(name for name, _ in fields)
            raise InputError("coco-invalid", f"{file} is not COCO JSON: {key} must be records with {names}.", hint)
    counts = Counter(record["id"] for record in content["categories"])
    if max(counts.values(), default=1) > 1:
        raise InputError("coco-invalid", f"{file} has several categories with id {counts.most_common(1)[0][0]}.")
    return {key: content[key] for key in FIELDS}


def _images(
    part: Mapping[str, list[Record]], split: str, index: ImageIndex, problems: list[LabelProblem]
) -> Iterator[LabeledImage]:
    categories = {record["id"]: str(record["name"]) for record in part["categories"]}
    by_image = _annotations_by_image(part, problems)
    for record in (record for record in part["images"] if record["id"] in by_image):
        name = str(record["file_name"])
        size = parse_size_of(record) or index.size(name)
        if size is None:
            problems.append(LabelProblem(name, "it has no width and height, and the image does not exist"))
            continue
        empty = LabeledImage(name, size[1], size[0], (), split, uncertainty_of(record))
        objects = (_object(item, empty, categories, problems) for item in by_image[record["id"]])
        yield replace(empty, objects=tuple(item for item in objects if item is not None))


def _annotations_by_image(part: Mapping[str, list[Record]], problems: list[LabelProblem]) -> dict[object, list[Record]]:
    """The annotations by image id, without ambiguous ids."""
    counts = Counter(record["id"] for record in part["images"])
    by_image: dict[object, list[Record]] = {key: [] for key, count in counts.items() if count == 1}
    ambiguous = [record for record in part["images"] if record["id"] not in by_image]
    problems += [LabelProblem(item["file_name"], f"another image has its id, {item['id']}") for item in ambiguous]
    for record in part["annotations"]:
        key = record["image_id"]
        if key in by_image:
            by_image[key].append(record)
        else:
            reason = "of several images" if counts[key] else "of an unknown image"
            problems.append(LabelProblem(str(key), f"annotation {record.get('id')} {reason}"))
    return by_image


def _object(
    record: Record, image: LabeledImage, categories: Mapping[object, str], problems: list[LabelProblem]
) -> LabeledObject | None:
    try:
        if record.get("iscrowd"):
            raise InputError("coco-invalid", "it is a crowd, not an object")
        mask = _mask(record.get("segmentation"), image)
        label = categories.get(record["category_id"], f"category {record['category_id']}")
        score = record.get("score")
        return LabeledObject(label, _box(record, mask), None if score is None else float(score), mask)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = error.problem if isinstance(error, InputError) else f"it is malformed ({error})"
        problems.append(LabelProblem(image.path, f"annotation {record.get('id')} is invalid: {reason}"))
        return None


def _box(record: Record, mask: Rle | None) -> Box:
    """The box of a record, else that of its mask."""
    sides = record.get("bbox") or ()
    if len(sides) == 4:
        x, y, width, height = (float(side) for side in sides)
        return round_box([x, y, x + width, y + height])
    box = None if sides or mask is None else mask_box(decode_rle(mask))
    if box is None:
        raise InputError("coco-invalid", "bbox must be four numbers")
    return box


def _mask(segmentation: Any, image: LabeledImage) -> Rle | None:
    """Read a segmentation: RLE, compressed or not, or the union of polygons."""
    if not segmentation:
        return None
    height, width = image.height, image.width
    if height * width > MAX_PIXELS:
        raise InputError("mask-too-large", f"its mask must have at most {MAX_PIXELS:,} pixels")
    if isinstance(segmentation, list):
        union = np.zeros((height, width), bool)
        for flat in segmentation:
            union |= polygon_to_mask(np.array(flat, np.float64).reshape(-1, 2), height=height, width=width)
        return encode_rle(union)
    if list(segmentation["size"]) != [height, width]:
        raise InputError("shape-mismatch", f"its mask must have the size {[height, width]}, got {segmentation['size']}")
    return parse_rle(segmentation["counts"], height=height, width=width)
