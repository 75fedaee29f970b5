"""From a folder to a data set, whatever its layout."""

from pathlib import Path

from weakspot.data.dataset import Dataset
from weakspot.data.readers import READERS, coco, csv_boxes, csv_labels, voc
from weakspot.data.readers.walk import files_below, is_image
from weakspot.errors import InputError

LAYOUTS = "class folders (NAME/*.jpg), labels.csv, COCO JSON, VOC XML, CUB, ILSVRC, the benchmark's metadata"


def read_dataset(root: str | Path, *, truth: str | Path | None = None, images: str | Path | None = None) -> Dataset:
    """Read what a data set says, without decoding its images.

    The layout is recognised: class folders, with or without a CSV file of boxes; images with a CSV file of labels;
    COCO JSON; Pascal VOC XML; CUB-200-2011 and ILSVRC as shipped; the metadata of the field's benchmark,
    OpenImages30k among it.

    Args:
        root: The folder of the data set.
        truth: The file of boxes or labels, if it is not where the layout has it: a CSV file, which is one of labels
            where its header names no side of a box; a COCO JSON file; or a folder of VOC XML.
        images: The folder of the images, if it is not where the layout has it.

    Returns:
        Images with classes and boxes as they are written; :func:`weakspot.data.check_dataset` says what is wrong.

    Raises:
        InputError: If there is no such folder, its layout is not known, or a file of it cannot be understood.
    """
    folder = _folder(root)
    base = None if images is None else _folder(images)
    if truth is not None:
        return _read_truth(folder, Path(truth), base)
    for find, read in READERS:
        if find(folder):
            return read(folder, base)
    if any(is_image(name) for name in files_below(folder)):
        hint = f"Put the images of each class into a folder of its own, {folder / 'NAME'}, or name them in labels.csv."
        raise InputError(f"{folder} holds images, but does not say of which classes.", hint)
    raise InputError(f"{folder} holds no data set of a known layout.", f"Known are {LAYOUTS}.")


def _folder(given: str | Path) -> Path:
    folder = Path(given)
    try:
        is_folder, exists = folder.is_dir(), folder.exists()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        is_folder = exists = False
    if not is_folder:
        problem = f"{folder} is not a folder." if exists else f"The folder {folder} does not exist."
        raise InputError(problem, "Give the folder of the data set; a file of boxes or labels is given as its truth.")
    return folder


def _read_truth(root: Path, truth: Path, images: Path | None) -> Dataset:
    if truth.is_dir():
        return voc.load(root, images, truth)
    if not truth.is_file():
        raise InputError(f"The file of boxes or labels {truth} does not exist.", "Check the path.")
    if truth.suffix.lower() == ".csv":
        read = csv_labels.load if csv_labels.holds_labels(truth) else csv_boxes.load
        return read(root, images, truth)
    if truth.suffix.lower() == ".json":
        return coco.load(root, images, truth)
    problem = f"{truth} is not a file of boxes or labels that can be read."
    raise InputError(problem, "Give a CSV file, a COCO JSON file, or a folder of VOC XML.")
