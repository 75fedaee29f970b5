"""Read boxes for images that are somewhere else: label files of any format, or what a person says in a review."""

from collections.abc import Callable
from pathlib import Path

from weakspot.data.annotation_kinds import is_marked
from weakspot.data.dataset import Dataset, Sample
from weakspot.data.formats import coco, csv_boxes, masks, voc, yolo, yolo_files
from weakspot.data.formats.records import LoadedLabels
from weakspot.data.formats.voc_xml import xml_names
from weakspot.data.formats.walk import folders_in
from weakspot.data.image_index import ImageIndex
from weakspot.data.review_rows import find_review, read_review
from weakspot.errors import InputError
from weakspot.io.folders import check_unpacked, is_file, is_folder

_FORMATS = "review.jsonl, annotations.csv, COCO JSON, a folder of VOC XML, YOLO, or indexed masks"
# Folders in the output of weakspot label, one for each format.
_NAMES = ("coco", "csv", "masks", "voc", "yolo")
# Whether a folder has a format, and how it is read. A text file, XML or mask of an image says also that it is empty.
_FOLDERS: tuple[tuple[Callable[[Path], bool], Callable[[Path, ImageIndex], LoadedLabels]], ...] = (
    (coco.detect, coco.read),
    (lambda folder: (folder / "masks").is_dir() and (folder / "classes.txt").is_file(), masks.read),
    (lambda folder: any(xml_names(folder)), voc.read),
    (lambda folder: yolo_files.is_dataset(folder) or (folder / "labels").is_dir(), yolo.read),
)


def read_boxes(source: Path, index: ImageIndex, images: Path) -> LoadedLabels:
    """Read the images that a file or folder names, with the classes and boxes of the objects in them.

    Untouched images, and those of which it says nothing but their name, are left out.

    Args:
        source: ``review.jsonl`` or its folder; a CSV of boxes, also from ``weakspot label --import``; COCO JSON; or a
            folder of CSV, COCO JSON, VOC XML, YOLO, or indexed masks.
        index: The images.
        images: Their folder.

    Raises:
        InputError: ``labels-not-found``, ``unknown-layout`` if the format is not known or there are several, or the
            code of a file that cannot be parsed.
    """
    check_unpacked(source)
    if not is_folder(source) and not is_file(source):
        raise InputError("labels-not-found", f"{source} does not exist.")
    review = find_review(source)
    if review is not None:
        return LoadedLabels(_review(review, index), ())
    if is_folder(source):
        return _folder(source, index, images)
    if source.suffix.lower() in (".csv", ".tsv"):
        return LoadedLabels(_of_csv(csv_boxes.load(source.parent, images, source)), ())
    if source.suffix.lower() == ".json":
        return _without_unnamed(coco.read(source, index))
    raise InputError("unknown-layout", f"{source} is not a file of boxes.", f"Formats: {_FORMATS}.")


def _review(file: Path, index: ImageIndex) -> Dataset:
    rows = read_review(file, index.match).values()
    samples = tuple(row.to_sample(Path(row.image)) for row in rows if row.status != "untouched")
    return Dataset(file, "review", (), samples)


def _folder(source: Path, index: ImageIndex, images: Path) -> LoadedLabels:
    if (source / "tasks.json").is_file():
        hint = f"Import the corrected tasks: weakspot label --import FILE --format labelstudio --images {images}"
        raise InputError("unknown-layout", f"{source} has tasks of Label Studio, which are not read here.", hint)
    if csv_boxes.detect(source):
        return LoadedLabels(_of_csv(csv_boxes.load(source, images)), ())
    inner = [source / name for name in folders_in(source) if name in _NAMES and _has_boxes(source / name)]
    if len(inner) > 1:
        names = ", ".join(folder.name for folder in inner)
        raise InputError("unknown-layout", f"{source} has several formats: {names}.", f"Select one: {inner[0]}.")
    if inner:
        return _folder(inner[0], index, images)
    read = next((read for has, read in _FOLDERS if has(source)), None)
    if read is None:
        raise InputError("unknown-layout", f"{source} has no boxes of a known format.", f"Formats: {_FORMATS}.")
    loaded = read(source, index)
    return _without_unnamed(loaded) if read is coco.read else loaded


def _has_boxes(folder: Path) -> bool:
    return csv_boxes.detect(folder) or any(has(folder) for has, _ in _FOLDERS)


def _of_csv(dataset: Dataset) -> Dataset:
    """The images that a CSV names; the other images of the folder have their own labels."""

    def is_named(sample: Sample) -> bool:
        return bool(sample.status) or not sample.objects or any(map(is_marked, sample.objects))

    return Dataset(dataset.root, dataset.layout, dataset.class_names, tuple(filter(is_named, dataset.samples)))


def _without_unnamed(loaded: LoadedLabels) -> LoadedLabels:
    """Leave out images that COCO JSON lists without an object: some tools list all images of a project."""
    labels = loaded.labels
    samples = tuple(sample for sample in labels.samples if sample.objects)
    return LoadedLabels(Dataset(labels.root, labels.layout, labels.class_names, samples), loaded.problems)
