"""Detect the layout of a data set and load it."""

from collections.abc import Callable
from pathlib import Path

from weakspot.data.dataset import Dataset, is_fraction
from weakspot.data.formats import (
    benchmark,
    class_folders,
    coco,
    csv_boxes,
    csv_labels,
    cub,
    ilsvrc,
    mask_pairs,
    masks,
    mvtec,
    visa,
    voc,
    yolo,
)
from weakspot.data.formats.walk import files_below, folders_in, is_image
from weakspot.data.joined_boxes import join_boxes
from weakspot.data.passed_over import describe_passed_over, passed_over
from weakspot.data.predictions import mark_written, resolve_predictions
from weakspot.data.review_rows import is_review
from weakspot.errors import InputError
from weakspot.io.folders import LABEL_FILE, check_unpacked, is_file

Detect = Callable[[Path], bool]
Load = Callable[[Path, Path | None], Dataset]

# The most specific layout first: boxes before labels, class folders last.
READERS: tuple[tuple[Detect, Load], ...] = (
    (ilsvrc.detect, ilsvrc.load),
    (cub.detect, cub.load),
    (benchmark.detect, benchmark.load),
    (csv_boxes.detect, csv_boxes.load),
    (coco.detect, coco.load),
    (voc.detect, voc.load),
    (csv_labels.detect, csv_labels.load),
    (yolo.detect, yolo.load),
    (mvtec.detect, mvtec.load),
    (visa.detect, visa.load),
    (mask_pairs.detect, mask_pairs.load),
    (masks.detect, masks.load),
    (class_folders.detect, class_folders.load),
)
# Layouts that other folders in the output of ``weakspot label`` could be taken for.
_OF_IMAGES = (class_folders.detect, masks.detect, mask_pairs.detect)
LAYOUTS = (
    "class folders (NAME/*.jpg), labels.csv, COCO JSON, VOC XML, YOLO, CUB, ILSVRC, MVTec, VisA, KolektorSDD, "
    "images with masks (images/, masks/), WSOL metadata"
)

_IMPORT = "Import the labels that were corrected in another program: weakspot label --import FILE"


def read_dataset(
    root: str | Path,
    *,
    ground_truth: str | Path | None = None,
    images: str | Path | None = None,
    use_predictions: bool = False,
) -> Dataset:
    """Read the annotations of a data set without decoding its images.

    The layout is detected: class folders, with or without masks or a CSV file of boxes; images with a CSV file of
    labels; COCO JSON; Pascal VOC XML; YOLO; the output folder of ``weakspot label`` with one of these; CUB-200-2011,
    ILSVRC, MVTec AD (also AD 2 and LOCO), VisA, KolektorSDD and KolektorSDD2 as published; images with a mask each,
    also in folders ``images`` and ``masks``; metadata of the WSOL benchmark, which includes OpenImages30k. If boxes or
    masks name only some of the images of class folders, the others have the labels of their folders. Where masks alone
    say whether an image holds an object, each of them is decoded once.

    Args:
        root: Folder of the data set.
        ground_truth: File of boxes or labels, if it is not at its default path: a CSV file (of labels if its header
            has no box columns), a COCO JSON file, a folder of VOC XML, or ``review.jsonl``, which says
            of some images what a person has found in them.
        images: Folder of the images, if it is not at its default path.
        use_predictions: Whether objects with a score, which a model predicted, count as if a person had labeled them;
            else they are left out, see :func:`weakspot.data.predictions.resolve_predictions`.

    Returns:
        Images with classes and boxes as written. :func:`weakspot.data.check_dataset` finds errors in them.

    Raises:
        InputError: ``folder-not-found``, ``archive``, ``file-not-found``, ``unknown-layout``, also for folders that
            look like splits or formats instead of classes, ``several-datasets``, ``unknown-format`` if
            ``ground_truth`` is of another type, ``labels-are-predictions``, ``boxes-are-fractions``, or the code of a
            file that cannot be parsed.
    """
    folder = _existing_folder(root)
    image_folder = None if images is None else _existing_folder(images)
    if ground_truth is None:
        dataset = mark_written(_load_folder(folder, image_folder), folder)
    else:
        dataset = mark_written(_load_file(folder, Path(ground_truth), image_folder), Path(ground_truth))
    _check_pixels(dataset)
    return resolve_predictions(dataset, use=use_predictions)


def _check_pixels(dataset: Dataset) -> None:
    """Refuse a data set all of whose boxes are fractions of their images."""
    boxes = [item.box for sample in dataset.samples for item in sample.objects if item.box is not None]
    if boxes and all(map(is_fraction, boxes)):
        problem = f"The boxes of {dataset.root} must be in pixels, got fractions of the image, such as {boxes[0]}."
        raise InputError("boxes-are-fractions", problem, "Multiply them by the width and height of their image.")


def _load_folder(folder: Path, image_folder: Path | None) -> Dataset:
    if _is_label_studio(folder):
        hint = f"Import the corrected tasks: weakspot label --import FILE --images {folder / 'images'}"
        raise InputError("unknown-layout", f"{folder} has tasks of Label Studio, which are not read here.", hint)
    for detect, load in READERS:
        if detect(folder):
            if is_file(folder / LABEL_FILE) and detect in _OF_IMAGES:
                return _load_folder(_labels_in(folder), image_folder)
            return load(folder, image_folder)
    if any(is_image(name) for name in files_below(folder)):
        hint = f"Move the images of each class to a folder {folder / 'NAME'}, or add labels.csv."
        raise InputError("unknown-layout", f"{folder} has images, but no classes.", hint)
    hint = describe_passed_over(list(passed_over([folder]))) or f"Layouts: {LAYOUTS}."
    raise InputError("unknown-layout", f"{folder} is not a data set of a known layout.", hint)


def _labels_in(folder: Path) -> Path:
    """The only data set in the output folder of ``weakspot label``, which has a folder for each of several formats."""
    others = [detect for detect, _ in READERS if detect not in _OF_IMAGES]
    found = [folder / name for name in folders_in(folder) if any(detect(folder / name) for detect in others)]
    if len(found) == 1:
        return found[0]
    problem = f"{folder} is the output of weakspot label"
    if not found:
        raise InputError("unknown-layout", f"{problem}, without labels that can be read.", _IMPORT)
    names = ", ".join(one.name for one in found)
    raise InputError("several-datasets", f"{problem}, with several formats: {names}.", f"Select one: {found[0]}.")


def _is_label_studio(folder: Path) -> bool:
    """Return whether a folder is that of Label Studio in the output of ``weakspot label``."""
    return is_file(folder / "tasks.json") and is_file(folder / "config.xml")


def _existing_folder(path: str | Path) -> Path:
    folder = Path(path)
    check_unpacked(folder)
    try:
        is_folder, exists = folder.is_dir(), folder.exists()
    except (OSError, ValueError):  # a name that is too long or contains a zero byte
        is_folder = exists = False
    if not is_folder:
        problem = f"{folder} is not a folder." if exists else f"The folder {folder} does not exist."
        raise InputError("folder-not-found", problem)
    return folder


def _load_file(root: Path, file: Path, images: Path | None) -> Dataset:
    check_unpacked(file)
    if file.is_dir():
        return voc.load(root, images, file)
    if not file.is_file():
        raise InputError("file-not-found", f"{file} does not exist.")
    if file.suffix.lower() in (".csv", ".tsv"):
        if visa.is_split_file(file) and visa.detect(root):
            return visa.load(root, images, file)
        load = csv_labels.load if csv_labels.has_labels_only(file) else csv_boxes.load
        return load(root, images, file)
    if file.suffix.lower() == ".json":
        return coco.load(root, images, file)
    if is_review(file):
        return join_boxes(_load_folder(root, images), file, images=images, in_decoded_pixels=False)
    hint = "Use a CSV file, a COCO JSON file, a folder of VOC XML, or review.jsonl."
    raise InputError("unknown-format", f"{file} is not a supported file of boxes or labels.", hint)
