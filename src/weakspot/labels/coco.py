"""COCO JSON of instances: a file for each split in ``annotations/``.

::

    annotations/instances_<split>.json   images, annotations (bbox, score, segmentation), categories
    images/<path>

A ``bbox`` is left, top, width and height in pixels, fractions kept. Category ids are the numbers of the classes from 1
on. A ``score`` stands beside the box, as in COCO results. Masks are compressed RLE, exact, or polygons.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from weakspot.data.decoding import MAX_PIXELS
from weakspot.errors import InputError
from weakspot.labels.files import read_json, write_json
from weakspot.labels.photos import Photos
from weakspot.labels.polygons import fill, outline
from weakspot.labels.records import (
    DECIMALS,
    LabelledImage,
    LabelledObject,
    LabelProblem,
    LabelSet,
    LabelsRead,
    WriteOptions,
    rounded,
)
from weakspot.labels.runs import Runs, area_of, compress, expand, mask_of, runs_of

NO_SPLIT = "all"
Record = dict[str, Any]

# What every record must have.
FIELDS: dict[str, tuple[tuple[str, type], ...]] = {
    "images": (("id", int), ("file_name", str), ("width", int), ("height", int)),
    "annotations": (("image_id", int), ("category_id", int)),
    "categories": (("id", int), ("name", str)),
}


def place(image: LabelledImage) -> str:
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


def _image(key: int, image: LabelledImage) -> Record:
    record = {"id": key, "file_name": image.path, "width": image.width, "height": image.height}
    return record if image.doubt is None else record | {"doubt": image.doubt}


def _annotations(images: list[tuple[int, LabelledImage]], classes: tuple[str, ...], polygons: bool) -> Iterator[Record]:
    category = {name: key for key, name in enumerate(classes, start=1)}
    objects = ((key, one) for key, image in images for one in image.objects)
    for number, (key, one) in enumerate(objects, start=1):
        x1, y1, x2, y2 = one.box
        sides = [x1, y1, round(x2 - x1, DECIMALS), round(y2 - y1, DECIMALS)]
        record = {"id": number, "image_id": key, "category_id": category[one.label], "bbox": sides, "iscrowd": 0}
        area = sides[2] * sides[3] if one.mask is None else area_of(one.mask)
        record |= {"area": area, "segmentation": [] if one.mask is None else _segmentation(one.mask, polygons)}
        yield record if one.score is None else record | {"score": one.score}


def _segmentation(mask: Runs, polygons: bool) -> object:
    if polygons:
        return [outline(mask_of(mask)).ravel().round(DECIMALS).tolist()]
    return {"size": [mask.height, mask.width], "counts": compress(mask.counts)}


def read(source: Path, photos: Photos) -> LabelsRead:  # noqa: ARG001 - every reader is asked the same
    """Read COCO JSON.

    Args:
        source: A JSON file, or a folder with files in ``annotations/`` or of its own, one for each split.
        photos: Not asked: the file says the sizes.

    Returns:
        Labels, and the annotations that cannot be taken. Crowds (``iscrowd``) are none of one object: they are listed.

    Raises:
        InputError: If a file is not such JSON.
    """
    parts = [(file, _load(file)) for file in _files(source)]
    problems: list[LabelProblem] = []
    categories = {one["id"]: str(one["name"]) for _, part in parts for one in part["categories"]}
    images = [image for file, part in parts for image in _images(part, _split(file), categories, problems)]
    return LabelsRead(LabelSet(tuple(categories[key] for key in sorted(categories)), tuple(images)), tuple(problems))


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    files = sorted((source / "annotations").glob("*.json")) or sorted(source.glob("*.json"))
    if not files:
        raise InputError(f"{source} holds no COCO JSON.", "Give the file, or the folder that holds annotations/*.json.")
    return files


def _split(file: Path) -> str:
    name = file.stem.removeprefix("instances_") if file.stem.startswith("instances_") else ""
    return "" if name in ("", NO_SPLIT, "default") else name


def _load(file: Path) -> Mapping[str, list[Record]]:
    content = read_json(file)
    hint = "COCO JSON holds images (id, file_name, width, height), annotations, and categories (id, name)."
    if not isinstance(content, dict):
        raise InputError(f"{file} is not COCO JSON of instances.", hint)
    for key, fields in FIELDS.items():
        records = content.setdefault(key, [])
        whole = isinstance(records, list) and all(isinstance(record, dict) for record in records)
        if not whole or not all(isinstance(record.get(name), kind) for record in records for name, kind in fields):
            names = ", ".join(name for name, _ in fields)
            raise InputError(f"{file} is not COCO JSON: its {key} are not records with {names}.", hint)
    return {key: content[key] for key in FIELDS}


def _images(
    part: Mapping[str, list[Record]], split: str, categories: Mapping[int, str], problems: list[LabelProblem]
) -> Iterator[LabelledImage]:
    of_image: dict[object, list[Record]] = {record["id"]: [] for record in part["images"]}
    for one in part["annotations"]:
        if one["image_id"] in of_image:
            of_image[one["image_id"]].append(one)
        else:
            problems.append(LabelProblem(str(one["image_id"]), "annotation of an image that the file does not name"))
    for record in part["images"]:
        image = LabelledImage(str(record["file_name"]), int(record["width"]), int(record["height"]))
        objects = (_object(one, image, categories, problems) for one in of_image[record["id"]])
        kept = tuple(one for one in objects if one is not None)
        yield LabelledImage(image.path, image.width, image.height, kept, split, record.get("doubt"))


def _object(
    record: Record, image: LabelledImage, categories: Mapping[int, str], problems: list[LabelProblem]
) -> LabelledObject | None:
    try:
        if record.get("iscrowd"):
            raise InputError("crowd", "A crowd has no box of one object.")
        x, y, width, height = (float(side) for side in record["bbox"])
        score = record.get("score")
        mask = _mask(record.get("segmentation"), image)
        label = categories.get(record["category_id"], f"category {record['category_id']}")
        return LabelledObject(
            label, rounded([x, y, x + width, y + height]), None if score is None else float(score), mask
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        why = error.problem if isinstance(error, InputError) else "no bbox of four numbers"
        problems.append(LabelProblem(image.path, f"annotation {record.get('id')} cannot be taken: {why}"))
        return None


def _mask(segmentation: Any, image: LabelledImage) -> Runs | None:
    """Read a segmentation: RLE, compressed or not, or polygons, which are united."""
    if not segmentation:
        return None
    height, width = image.height, image.width
    if height * width > MAX_PIXELS:
        raise InputError("its mask is too large", f"At most {MAX_PIXELS:,} pixels are read.")
    if isinstance(segmentation, list):
        united = np.zeros((height, width), bool)
        for flat in segmentation:
            united |= fill(np.array(flat, np.float64).reshape(-1, 2), height=height, width=width)
        return runs_of(united)
    if list(segmentation["size"]) != [height, width]:
        raise InputError(f"its mask is of {segmentation['size']}", "A mask has the size of its image.")
    counts = segmentation["counts"]
    runs = Runs(height, width, expand(counts) if isinstance(counts, str) else tuple(int(count) for count in counts))
    mask_of(runs)  # refuses runs of another length
    return runs
