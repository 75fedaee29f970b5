"""Class folders with a CSV file of boxes.

::

    images/<class>/<name>.jpg          any kind of image; also without images/
    annotations.csv                    image_id,xmin,ymin,xmax,ymax[,class,width,height,class_index,has_mask,x,y]
    splits.csv                         image_id,split; optional
    labels.csv                         image_id,label[,status]; optional, see weakspot label --import
    masks/<class>/<name>.png           optional

``weakspot label`` writes this layout, with the columns of BOXES and LABELS, and a mask of an image if all its objects
have masks and one class. The score, also in ``labels.csv``, is empty for labels of a person. It marks predictions, next
to which an image has its labels of a person, or that of its folder. Coordinates may be fractional. Labels of an image
are separated by ``;``, so a class name with ``;`` or ``|`` is read as several classes.

After ``--import`` or a review, the column ``status`` of ``labels.csv`` says what a person has done with predictions:
``confirmed``, ``corrected``, ``empty`` or ``untouched``. The row of an untouched image is not a label.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from weakspot.data.dataset import Dataset, Issue, ObjectAnnotation, Sample, group_issues, round_box
from weakspot.data.formats.class_folders import empty_classes, has_splits, split_and_class
from weakspot.data.formats.csv_cells import (
    BOXES,
    LABELS,
    SEPARATORS,
    SIDES,
    STATUS,
    Row,
    box_of,
    box_rows,
    folders_of_images,
    label_rows,
    located_rows,
    objects_of_label,
    point_of,
    score_of,
    size_of,
    status_of,
)
from weakspot.data.formats.records import LabelProblem, LoadedLabels, WriteOptions, sorted_classes
from weakspot.data.formats.text_files import write_csv
from weakspot.data.formats.walk import files_below, first_containing, images_outside_masks, is_image, without_suffix
from weakspot.data.image_index import ImageIndex, known_images
from weakspot.data.rle import decode_rle
from weakspot.errors import InputError
from weakspot.io.text import FileLine, parse_int, read_csv


class _Listed(NamedTuple):
    """Size, split, status and labels of an image."""

    size: tuple[int, int] | None = None
    split: str = ""
    status: str = ""
    labels: tuple[ObjectAnnotation, ...] = ()


@dataclass(frozen=True)
class _Tree:
    """Files of the data set: images by image id, and masks as ``<image id>.png``."""

    base: Path
    files: dict[str, list[Path]]
    by_split: bool
    mask_folder: Path
    masks: frozenset[str]

    def image_id(self, name: str) -> str:
        """Return the id of an image by its path with or without suffix; by its base name if only one has it."""
        if name in self.files or without_suffix(name) in self.files:
            return name if name in self.files else without_suffix(name)
        return without_suffix(self._index.match(name) or name)

    @cached_property
    def _index(self) -> ImageIndex:
        names = (path.relative_to(self.base).as_posix() for paths in self.files.values() for path in paths)
        return known_images(dict.fromkeys(names, (0, 0)))


@dataclass
class _Rows:
    """Content of all rows of an image."""

    name: str
    size: tuple[int, int] | None = None
    has_mask: bool | None = None
    status: str = ""
    objects: list[ObjectAnnotation] = field(default_factory=list)


def detect(root: Path) -> bool:
    """Return whether a folder contains ``annotations.csv``."""
    return (root / "annotations.csv").is_file()


def load(root: Path, images: Path | None = None, ground_truth: Path | None = None) -> Dataset:
    """Load class folders with a CSV file of boxes; coordinates count from 0, right and bottom are excluded.

    The class of a row is its column ``class`` or ``label``, else its folder. A row with four empty sides is a label
    without a box, or with a point in the columns ``x`` and ``y``. So is the folder of an image without a row, unless
    ``labels.csv`` contains its labels. A row names an image by its path, or by its base name if only one image has it.
    The default folder of the images is the first of ``root/images`` and ``root`` that contains them. Without the file,
    only masks say where objects are.
    """
    folders = folders_of_images(root, images)
    file = ground_truth or root / "annotations.csv"
    rows = list(located_rows(file, SIDES, folders)) if ground_truth or file.is_file() else []
    tree = _tree(root, images or first_containing((root / "images", root), (name for _, name, _ in rows)))
    by_image = {} if ground_truth else _labels(root / "labels.csv", tree, folders)
    for image_id, group in _group_rows(rows, tree).items():
        labels = by_image.get(image_id)
        group.status = "" if labels is None else labels.status
        by_image[image_id] = _with_labels(group, labels, split_and_class(image_id, tree.by_split)[1])
    splits, issues = _splits(root / "splits.csv", tree, folders)
    image_ids = dict.fromkeys([*by_image, *tree.files, *splits])
    samples = [sample for key in image_ids for sample in _samples(key, by_image.get(key), splits.get(key), tree)]
    empty = empty_classes(tree.base, tree.files, tree.by_split) if tree.base != root else ()
    return Dataset(root, "CSV of boxes", _class_names(samples, empty), tuple(samples), group_issues(issues))


def read(source: Path, index: ImageIndex) -> LoadedLabels:
    """Read label files: a folder, or a file of boxes, which does not contain images without a box.

    Classes are sorted by name. Images that do not exist and have no size are problems. If there is no row at all, the
    labels are those of ``labels.csv``, without boxes.
    """
    file = source if source.is_file() else source / "annotations.csv"
    listed = {} if source == file else _listed_images(source, index)
    objects: dict[str, list[ObjectAnnotation]] = {name: [] for name in listed}
    sizes = {name: item.size for name, item in listed.items()}
    problems: list[LabelProblem] = []
    for line, cells in read_csv(file, ("image_id", "class", *SIDES)):
        name = index.match(cells["image_id"]) or cells["image_id"]
        sizes.setdefault(name, size_of(cells, line))
        box = box_of(cells, line)
        point = None if box else point_of(cells, line)
        item = ObjectAnnotation(cells["class"], box and round_box(box), score=score_of(cells, line), point=point)
        objects.setdefault(name, []).extend([item] if box or point else [])
        problems += [] if box or point else [LabelProblem(name, f"object without a box: {cells['class']}")]
    if listed and not any(objects.values()) and not problems:
        objects = {name: [*item.labels] for name, item in listed.items()}
    complete = {name: sizes[name] or index.size(name) for name in objects}
    samples = tuple(
        Sample(
            name,
            Path(name),
            row.split,
            tuple(objects[name]),
            size,
            predicted=row.status == "untouched",
            status=row.status,
            size_from_image=sizes[name] is None,
        )
        for name, size, row in ((name, size, listed.get(name, _Listed())) for name, size in complete.items())
        if size is not None
    )
    problems += [LabelProblem(name, "the image does not exist") for name, size in complete.items() if size is None]
    return LoadedLabels(Dataset(source, "CSV of boxes", sorted_classes(samples), samples), tuple(problems))


def write(labels: Dataset, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:  # noqa: ARG001
    """Write boxes, labels and splits as CSV; return classes whose names cannot be stored in ``labels.csv``."""
    write_boxes(labels, folder / "annotations.csv")
    has_status = any(sample.status for sample in labels.samples)
    columns = (*LABELS, STATUS) if has_status else LABELS
    rows = (row[: len(columns)] for sample in labels.samples for row in label_rows(sample))
    write_csv(folder / "labels.csv", columns, rows)
    if any(labels.splits):
        parts = ((one.image_id, one.split) for one in labels.samples if not (one.predicted and not one.objects))
        write_csv(folder / "splits.csv", ("image_id", "split"), parts)
    for sample in labels.samples:
        if len({item.label for item in sample.objects}) == 1 and all(item.mask is not None for item in sample.objects):
            _write_mask(sample, folder / "masks" / f"{without_suffix(sample.image_id)}.png")
    invalid = (name for name in labels.class_names if SEPARATORS.search(name))
    return [LabelProblem("", f"labels.csv splits the class name {name!r} at ; and |") for name in invalid]


def write_boxes(labels: Dataset, file: Path) -> None:
    """Write a row for each object."""
    write_csv(file, BOXES, (row for sample in labels.samples for row in box_rows(sample)))


def _tree(root: Path, base: Path) -> _Tree:
    files = images_outside_masks(base, root)
    masks = files_below(root / "masks") if (root / "masks").is_dir() else ()
    return _Tree(base, files, has_splits(files), root / "masks", frozenset(masks))


def _group_rows(rows: Iterable[Row], tree: _Tree) -> dict[str, _Rows]:
    by_image: dict[str, _Rows] = {}
    for line, name, cells in rows:
        image_id = tree.image_id(name)
        group = by_image.setdefault(image_id, _Rows(name))
        group.objects.append(_object(cells, line, split_and_class(image_id, tree.by_split)[1]))
        group.size = group.size or size_of(cells, line)
        if cells.get("has_mask"):
            group.has_mask = bool(group.has_mask) or parse_int(cells["has_mask"], line) != 0
    return by_image


def _labels(file: Path, tree: _Tree, folders: Sequence[Path]) -> dict[str, _Rows]:
    """Labels by image; an image with an empty label has no objects."""
    by_image: dict[str, _Rows] = {}
    for line, name, cells in located_rows(file, (), folders) if file.is_file() else ():
        if "label" in cells and (status := status_of(cells, line)) != "untouched":
            group = by_image.setdefault(tree.image_id(name), _Rows(name))
            group.status = status
            group.objects += objects_of_label(cells["label"], cells, line)
    return by_image


def _with_labels(group: _Rows, labels: _Rows | None, folder: str) -> _Rows:
    """Add to an image with predicted boxes only what a person says of it: its labels, else its folder."""
    if any(item.score is None for item in group.objects):
        return group
    by_folder = [ObjectAnnotation(folder)] if folder and labels is None else []
    by_person = by_folder if labels is None else [item for item in labels.objects if item.score is None]
    return replace(group, objects=[*group.objects, *by_person])


def _object(cells: dict[str, str], line: FileLine, folder: str) -> ObjectAnnotation:
    label = cells.get("class") or cells.get("label") or folder
    if not label:
        problem = f"{line} has no class, and the image is not in a class folder."
        raise InputError("missing-class", problem, "Add a column class, or a folder for each class.")
    index = parse_int(cells["class_index"], line) if cells.get("class_index") else None
    box = box_of(cells, line)
    point = None if box else point_of(cells, line)
    return ObjectAnnotation(label, box, index, score_of(cells, line), point=point)


def _splits(file: Path, tree: _Tree, folders: Sequence[Path]) -> tuple[dict[str, list[str]], list[Issue]]:
    """The splits of each image, several if it leaks, and duplicate lines."""
    splits: dict[str, list[str]] = {}
    duplicates = []
    for line, name, cells in located_rows(file, ["split"], folders) if file.is_file() else ():
        names = splits.setdefault(tree.image_id(name), [])
        if cells["split"].lower() in names:
            duplicates.append(("duplicate split", f"{line}: {name}"))
        else:
            names.append(cells["split"].lower())
    return splits, duplicates


def _samples(image_id: str, rows: _Rows | None, splits: list[str] | None, tree: _Tree) -> Iterator[Sample]:
    folder_split, label = split_and_class(image_id, tree.by_split)
    group = rows or _Rows(image_id, objects=[ObjectAnnotation(label)] if label else [])
    mask = f"{image_id}.png"
    has_mask = mask in tree.masks if group.has_mask is None else group.has_mask
    masks = (tree.mask_folder / mask,) if has_mask else ()
    # A label without a box next to predictions is that of a person, who did not draw the mask.
    has_predictions = any(item.score is not None for item in group.objects)
    objects = tuple(
        item if has_predictions and item.score is None and item.box is None else replace(item, mask_files=masks)
        for item in group.objects
    )
    missing = tree.base / (group.name if is_image(group.name) else f"{image_id}.jpg")
    for split in [folder_split] if splits is None else splits:
        for path in tree.files.get(image_id, [missing]):
            yield Sample(image_id, path, split, objects, group.size, status=group.status)


def _class_names(samples: Iterable[Sample], empty: Iterable[str]) -> tuple[str, ...]:
    pairs = {(item.label, item.class_index) for sample in samples for item in sample.objects}
    last = max((index for _, index in pairs if index is not None), default=-1) + 1
    ordered = sorted((last if index is None else index, label) for label, index in pairs)
    return tuple(dict.fromkeys([*(label for _, label in ordered), *empty]))


def _listed_images(folder: Path, index: ImageIndex) -> dict[str, _Listed]:
    """The size, split and labels of each image in ``labels.csv`` and ``splits.csv``; the latter takes precedence."""
    images: dict[str, _Listed] = {}
    for file in (folder / "labels.csv", folder / "splits.csv"):
        for line, cells in read_csv(file, ("image_id",)) if file.is_file() else ():
            name = index.match(cells["image_id"]) or cells["image_id"]
            known = images.get(name, _Listed())
            images[name] = _Listed(
                size_of(cells, line) or known.size,
                cells.get("split", known.split),
                status_of(cells, line) or known.status,
                (*known.labels, *objects_of_label(cells.get("label", ""), cells, line)),
            )
    return images


def _write_mask(sample: Sample, file: Path) -> None:
    union = np.zeros((sample.height, sample.width), bool)
    for item in sample.objects:
        union |= False if item.mask is None else decode_rle(item.mask)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(union).save(file)
