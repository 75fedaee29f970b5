"""COCO JSON of instances: one file, one for each split in ``annotations/``, or one in each split's folder.

::

    annotations/instances_<split>.json   images, annotations (bbox, score, segmentation), categories
    images/<path>

A ``bbox`` is left, top, width and height in pixels, which may be fractional. Category ids are arbitrary; those that
are written are class indices + 1. A ``score`` is stored with each box, as in COCO results. Masks are compressed RLE,
which is exact, or polygons.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from weakspot.data.dataset import DECIMALS, Box, Dataset, Issue, ObjectAnnotation, Sample, group_issues, round_box
from weakspot.data.formats.coco_json import (
    CocoPart,
    Id,
    Record,
    box_of,
    class_names,
    instance_files,
    read_part,
    size_of,
    split_of,
)
from weakspot.data.formats.coco_masks import box_of_mask, parse_segmentation, segmentation_of
from weakspot.data.formats.folder_labels import add_folder_labels
from weakspot.data.formats.records import LabelProblem, LoadedLabels, WriteOptions, uncertainty_of
from weakspot.data.formats.text_files import write_json
from weakspot.data.formats.walk import first_containing
from weakspot.data.image_index import ImageIndex
from weakspot.data.rle import mask_area
from weakspot.errors import InputError
from weakspot.io.text import relative_inside, safe_relative_path

_MALFORMED = (KeyError, TypeError, ValueError, OverflowError)

AT_ROOT = ("annotations.json", "_annotations.coco.json")
NO_SPLIT = "all"


def detect(root: Path) -> bool:
    """Return whether a folder contains COCO JSON under a usual name."""
    return bool(_dataset_files(root))


def load(root: Path, images: Path | None = None, ground_truth: Path | None = None) -> Dataset:
    """Load COCO JSON of instances; by default all files under ``root`` with a usual name.

    Objects with ``iscrowd`` set count for the image's label, not as boxes. Segmentations are not read. Category ids are
    arbitrary numbers, not class indices. Other images of class folders have the labels of their folders, see
    :func:`weakspot.data.formats.folder_labels.add_folder_labels`.
    """
    parts = _parts(root, images, ground_truth)
    prefixed = _has_several_folders(parts)
    samples: list[Sample] = []
    issues: list[Issue] = []
    for part, base in parts:
        objects = _objects_by_image(part, issues)
        prefix = f"{base.name}/" if prefixed else ""
        for position, record in enumerate(part.images):
            name = safe_relative_path(record["file_name"], f"{part.file}: images[{position}]")
            items = tuple(objects.get(record["id"], ()))
            samples.append(Sample(f"{prefix}{name}", base / name, part.split, items, size_of(record)))
        unknown = objects.keys() - {record["id"] for record in part.images}
        issues += [("boxes for an unknown image", f"{part.file}: image_id {key}") for key in objects if key in unknown]
    names = class_names(part for part, _ in parts)
    return add_folder_labels(Dataset(root, "COCO", names, tuple(samples), group_issues(issues)), images)


def read(source: Path, index: ImageIndex) -> LoadedLabels:
    """Read label files: a file, or a folder with files in ``annotations/`` or at its top level, one for each split.

    If names of some begin with "instances", others (captions, keypoints) are ignored. Crowds (``iscrowd``) are invalid,
    as they are not one object. Classes are in the order of their ids; each file has its own ids.
    """
    parts = [read_part(file, split_of(file)) for file in _label_files(source)]
    problems: list[LabelProblem] = []
    samples = tuple(sample for part in parts for sample in _labeled_samples(part, index, problems))
    return LoadedLabels(Dataset(source, "COCO", class_names(parts), samples), tuple(problems))


def write(labels: Dataset, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:
    """Write COCO JSON, a file for each split; image ids are unique across files. It represents all labels."""
    ids = {sample.image_id: position for position, sample in enumerate(labels.samples, start=1)}
    for split in labels.splits or ("",):
        samples = [sample for sample in labels.samples if sample.split == split]
        content = {
            "images": [_image_record(ids[sample.image_id], sample) for sample in samples],
            "annotations": list(_annotation_records(samples, ids, labels.class_names, options.polygons)),
            "categories": [{"id": key, "name": name} for key, name in enumerate(labels.class_names, start=1)],
        }
        write_json(folder / "annotations" / f"instances_{split or NO_SPLIT}.json", content)
    return []


def _parts(root: Path, images: Path | None, ground_truth: Path | None) -> list[tuple[CocoPart, Path]]:
    """The files of a data set, and the folders of their images."""
    return [_part_and_folder(root, file, images) for file in ([ground_truth] if ground_truth else _dataset_files(root))]


def _has_several_folders(parts: Iterable[tuple[CocoPart, Path]]) -> bool:
    return len({base for _, base in parts}) > 1


def _dataset_files(root: Path) -> list[Path]:
    at_root = [root / name for name in AT_ROOT if (root / name).is_file()]
    in_splits = sorted(root.glob("*/_annotations.coco.json"))
    return at_root[:1] or in_splits or instance_files(sorted((root / "annotations").glob("*.json")))


def _label_files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    files = sorted((source / "annotations").glob("*.json")) or sorted(source.glob("*.json"))
    if not files:
        raise InputError("labels-not-found", f"{source} contains no COCO JSON (annotations/*.json).")
    return instance_files(files)


def _part_and_folder(root: Path, file: Path, images: Path | None) -> tuple[CocoPart, Path]:
    """Read a file, and find the folder of its images by the file's name and the paths in it."""
    folder = file.parent.name.lower() if file.parent not in (root, root / "annotations") else ""
    part = read_part(file, split_of(file, folder))
    folders = [base / name for name in (file.stem.rpartition("_")[2], part.split) for base in (root, root / "images")]
    # Absolute paths into the data set become relative.
    inside = [root / "images", root] if images is None else [images]
    records = [record | {"file_name": relative_inside(record["file_name"], inside)} for record in part.images]
    names = (record["file_name"] for record in records)
    return part._replace(images=records), images or first_containing(
        [*folders, root / "images", file.parent, root], names
    )


def _objects_by_image(part: CocoPart, issues: list[Issue]) -> dict[Id, list[ObjectAnnotation]]:
    """The objects of a data set by image id; an unknown category is an issue."""
    objects: dict[Id, list[ObjectAnnotation]] = {}
    for position, record in enumerate(part.annotations):
        where = f"{part.file}: annotations[{position}]"
        try:
            box = None if record.get("iscrowd") else box_of(record)
            score = _score(record)
        except (InputError, TypeError, ValueError) as error:
            raise InputError("coco-invalid", f"{where}: {_reason(error)}") from error
        if record["category_id"] in part.classes:
            item = ObjectAnnotation(part.classes[record["category_id"]], box, score=score)
            objects.setdefault(record["image_id"], []).append(item)
        else:
            issues.append(("boxes of an unknown class", f"{where}, category_id {record['category_id']}"))
    return objects


def _labeled_samples(part: CocoPart, index: ImageIndex, problems: list[LabelProblem]) -> Iterator[Sample]:
    by_image = _annotations_by_image(part, problems)
    for record in (record for record in part.images if record["id"] in by_image):
        name = record["file_name"]
        known = size_of(record)
        size = known or index.size(name)
        if size is None:
            problems.append(LabelProblem(name, "it has no width and height, and the image does not exist"))
            continue
        empty = Sample(
            name,
            Path(name),
            part.split,
            (),
            size,
            uncertainty=uncertainty_of(record),
            size_from_image=known is None,
        )
        objects = (_labeled_object(item, empty, part.classes, problems) for item in by_image[record["id"]])
        yield replace(empty, objects=tuple(item for item in objects if item is not None))


def _annotations_by_image(part: CocoPart, problems: list[LabelProblem]) -> dict[Id, list[Record]]:
    """The annotations by image id, without ambiguous ids."""
    counts = Counter(record["id"] for record in part.images)
    by_image: dict[Id, list[Record]] = {key: [] for key, count in counts.items() if count == 1}
    ambiguous = [record for record in part.images if record["id"] not in by_image]
    problems += [LabelProblem(item["file_name"], f"another image has its id, {item['id']}") for item in ambiguous]
    for record in part.annotations:
        key = record["image_id"]
        if key in by_image:
            by_image[key].append(record)
        else:
            reason = "of several images" if counts[key] else "of an unknown image"
            problems.append(LabelProblem(str(key), f"annotation {record.get('id')} {reason}"))
    return by_image


def _labeled_object(
    record: Record, sample: Sample, classes: Mapping[Id, str], problems: list[LabelProblem]
) -> ObjectAnnotation | None:
    """The object of a record, with its score and mask; None, and a problem, if it is invalid.

    A box whose segmentation is invalid is an object without a mask, and a problem.
    """
    where = f"annotation {record.get('id')}"
    try:
        if record.get("iscrowd"):
            raise InputError("coco-invalid", "it is a crowd, not an object")
        sides = box_of(record)
        label = classes.get(record["category_id"], f"category {record['category_id']}")
        score = _score(record)
    except _MALFORMED as error:
        problems.append(LabelProblem(sample.image_id, f"{where} is invalid: {_reason(error)}"))
        return None
    try:
        mask = parse_segmentation(record.get("segmentation"), sample)
        sides = sides or box_of_mask(mask)
    except _MALFORMED as error:
        lost = "is invalid" if sides is None else "is read without its mask"
        problems.append(LabelProblem(sample.image_id, f"{where} {lost}: {_reason(error)}"))
        if sides is None:
            return None
        mask = None
    return ObjectAnnotation(label, round_box(_ordered(sides)), score=score, mask=mask)


def _score(record: Record) -> float | None:
    """The score of a prediction; None for an annotation of a person."""
    return None if record.get("score") is None else float(record["score"])


def _reason(error: Exception) -> str:
    return error.problem if isinstance(error, InputError) else f"it is malformed ({error})"


def _ordered(sides: Box) -> Box:
    """The box of two opposite corners: one that was drawn to the left or up has a negative width or height."""
    (x1, x2), (y1, y2) = (sorted(pair) for pair in (sides[::2], sides[1::2]))
    return x1, y1, x2, y2


def _image_record(key: int, sample: Sample) -> Record:
    record = {"id": key, "file_name": sample.image_id, "width": sample.width, "height": sample.height}
    return record if sample.uncertainty is None else record | {"uncertainty": sample.uncertainty}


def _annotation_records(
    samples: Iterable[Sample], ids: Mapping[str, int], classes: tuple[str, ...], polygons: bool
) -> Iterator[Record]:
    category = {name: key for key, name in enumerate(classes, start=1)}
    objects = ((ids[sample.image_id], item) for sample in samples for item in sample.objects)
    for number, (key, item) in enumerate(objects, start=1):
        x1, y1, x2, y2 = item.xyxy
        sides = [x1, y1, round(x2 - x1, DECIMALS), round(y2 - y1, DECIMALS)]
        record = {"id": number, "image_id": key, "category_id": category[item.label], "bbox": sides, "iscrowd": 0}
        area = sides[2] * sides[3] if item.mask is None else mask_area(item.mask)
        record |= {"area": area, "segmentation": [] if item.mask is None else segmentation_of(item.mask, polygons)}
        yield record if item.score is None else record | {"score": item.score}


def result_ids(
    root: Path, images: Path | None = None, ground_truth: Path | None = None
) -> tuple[dict[Id, str], dict[Id, str]]:
    """Map the ids in files of COCO results: image ids of :func:`load` by COCO's, and class names by category id."""
    parts = _parts(root, images, ground_truth)
    prefixed = _has_several_folders(parts)
    pairs = [
        (record["id"], f"{base.name}/{record['file_name']}" if prefixed else record["file_name"])
        for part, base in parts
        for record in part.images
    ]
    names: dict[Id, str] = {}
    for key, name in pairs:
        if names.setdefault(key, name) != name:
            problem = f"In the files of {root}, id {key} refers to both {names[key]} and {name}."
            raise InputError("ambiguous-id", problem, "Select the file of these results with --ground-truth.")
    return names, {key: name for part, _ in parts for key, name in part.classes.items()}
