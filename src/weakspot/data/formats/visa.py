"""VisA: images of a product, with and without a defect.

::

    <product>/Data/Images/Normal/<name>.JPG
    <product>/Data/Images/Anomaly/<name>.JPG
    <product>/Data/Masks/Anomaly/<name>.png
    split_csv/1cls.csv                           object,split,label,image,mask; optional, also in the product's folder

The classes are ``normal`` and ``defect``. The types of defects in ``image_anno.csv`` are not used: an image may have
several, which its mask does not tell apart.

Source:
    Zou et al., "SPot-the-Difference Self-supervised Pre-training for Anomaly Detection and Segmentation", ECCV 2022.
"""

from pathlib import Path
from typing import NamedTuple

from weakspot.data.dataset import Dataset, Issue, ObjectAnnotation, Sample, group_issues
from weakspot.data.formats.good_classes import DEFECT
from weakspot.data.formats.mvtec import UNKNOWN_IMAGE
from weakspot.data.formats.walk import folders_in, images_below, without_suffix
from weakspot.errors import InputError
from weakspot.io.text import read_csv, read_csv_header, safe_relative_path

NORMAL = "normal"
NO_ROW = "product without a row in the CSV of splits: it has no splits"
_IMAGES = "Data/Images"
_SPLITS = "split_csv/1cls.csv"


class _Row(NamedTuple):
    """An image below ``Data/Images``, and its split."""

    file: str
    split: str


def detect(root: Path) -> bool:
    """Return whether a folder is a product, or contains products."""
    return bool(_products(root))


def is_split_file(file: Path) -> bool:
    """Return whether a CSV file is one of splits, as in ``split_csv``."""
    return {"object", "split", "label", "image", "mask"} <= set(read_csv_header(file))


def load(root: Path, images: Path | None = None, ground_truth: Path | None = None) -> Dataset:
    """Load the images of a product, with the splits of ``split_csv/1cls.csv`` or of another such file, if there is one.

    The mask of each image with a defect is expected, even if it is missing.

    Raises InputError ``several-datasets`` if the folder contains several products.
    """
    products = _products(root)
    if len(products) > 1:
        problem = f"{root} contains several products: {', '.join(folder.name for folder in products)}."
        raise InputError("several-datasets", problem, f"Select one: {products[0]}.")
    folder = products[0] if products else root
    base = images or folder / _IMAGES
    file = ground_truth or _split_file(folder)
    listed = {} if file is None else _rows(file, folder.absolute().name)
    found = images_below(base)
    names = {*found, *listed}
    masks = images_below(folder / "Data/Masks") if (folder / "Data/Masks").is_dir() else {}
    unknown = [path for name, paths in masks.items() if name not in names for path in paths]
    issues: list[Issue] = [(UNKNOWN_IMAGE, str(path)) for path in unknown]
    issues += [(NO_ROW, f"{folder.name}: {file}")] if file is not None and not listed else []
    samples = tuple(
        Sample(name, path, listed[name].split if name in listed else "", (_object(name, folder, masks),))
        for name in sorted(names)
        for path in found.get(name) or [base / listed[name].file]
    )
    present = {item.label for sample in samples for item in sample.objects}
    classes = tuple(name for name in (NORMAL, DEFECT) if name in present)
    return Dataset(root, "VisA", classes, samples, group_issues(issues), NORMAL)


def _products(root: Path) -> list[Path]:
    """The folder itself, or those in it."""
    if _is_product(root):
        return [root]
    return [folder for folder in (root / name for name in folders_in(root)) if _is_product(folder)]


def _is_product(folder: Path) -> bool:
    return (folder / _IMAGES / "Normal").is_dir() and (folder / _IMAGES / "Anomaly").is_dir()


def _split_file(folder: Path) -> Path | None:
    """The CSV file of splits in the folder of a product, or next to it."""
    files = (folder / _SPLITS, folder.absolute().parent / _SPLITS)
    return next((file for file in files if file.is_file()), None)


def _rows(file: Path, product: str) -> dict[str, _Row]:
    """The rows of a product, by the path of their image below ``Data/Images`` without suffix."""
    prefix = f"{product}/{_IMAGES}/"
    rows: dict[str, _Row] = {}
    for line, cells in read_csv(file, ("image", "split")):
        name = safe_relative_path(cells["image"], line)
        if name.startswith(prefix):
            below = name.removeprefix(prefix)
            rows[without_suffix(below)] = _Row(below, cells["split"].lower())
    return rows


def _object(name: str, folder: Path, masks: dict[str, list[Path]]) -> ObjectAnnotation:
    """The defect in an image, with its mask; the class of normal images, which need none."""
    if name.partition("/")[0].lower() == NORMAL:
        return ObjectAnnotation(NORMAL)
    return ObjectAnnotation(DEFECT, mask_files=tuple(masks.get(name, [folder / "Data/Masks" / f"{name}.png"])))
