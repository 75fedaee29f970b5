"""Masks as indexed PNG: the value of a pixel is the class.

::

    masks/<path>.png        0 is background, 1 the first class, and so on up to 255
    classes.txt             class names, one per line
    images/<path>.jpg

Next to class folders, a gray or indexed PNG may also be the mask of the folder's class: nonzero on the object.

If objects overlap, the one with the higher score covers the other. A mask separates classes, not objects: each class of
an image is read as one object.
"""

from collections.abc import Iterable, Iterator
from colorsys import hsv_to_rgb
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data.dataset import Dataset, ObjectAnnotation, Sample, group_issues
from weakspot.data.decoding import MAX_PIXELS, open_image
from weakspot.data.formats import class_folders, csv_boxes
from weakspot.data.formats.folder_labels import add_folder_labels
from weakspot.data.formats.good_classes import find_background
from weakspot.data.formats.records import LabelProblem, LoadedLabels, WriteOptions
from weakspot.data.formats.text_files import read_classes, write_text
from weakspot.data.formats.walk import files_below, images_outside_masks, without_suffix
from weakspot.data.image_files import open_binary
from weakspot.data.image_index import ImageIndex, index_images
from weakspot.data.polygons import mask_box
from weakspot.data.rle import decode_rle, encode_rle
from weakspot.errors import InputError

MAX_CLASSES = 255
LAYOUT = "class folders with masks"


def detect(root: Path) -> bool:
    """Return whether a folder contains class folders, and ``masks/`` with a PNG for one of their images."""
    if not (root / "masks").is_dir() or not class_folders.detect(root):
        return False
    base = class_folders.image_folder(root)
    names = images_outside_masks(base, root)
    return any(without_suffix(name) in names for name in _mask_names(root))


def load(root: Path, images: Path | None = None) -> Dataset:
    """Load class folders with masks of some or all images; the others have the labels of their folders.

    A mask is nonzero on the object of the folder's class. Indexed PNG next to ``classes.txt`` contain the classes
    instead, as ``weakspot label`` writes them; what cannot be read is an issue. Images of ``good``, ``ok`` or
    ``normal`` have no object if all other classes have masks.
    """
    if not _is_indexed(root):
        dataset = csv_boxes.load(root, images)
        return replace(dataset, layout=LAYOUT, background=find_background(dataset.samples))
    base = images or class_folders.image_folder(root)
    loaded, problems = read(root, index_images(base))
    samples = tuple(replace(sample, path=base / sample.image_id) for sample in loaded.samples)
    issues = group_issues((item.problem, item.image) for item in problems)
    return add_folder_labels(Dataset(root, LAYOUT, loaded.class_names, samples, issues), base)


def _is_indexed(root: Path) -> bool:
    """Whether the first mask is an indexed PNG, and a file names the classes."""
    first = next(iter(_mask_names(root)), None)
    if first is None or not (root / "classes.txt").is_file():
        return False
    with suppress(InputError), open_binary(root / "masks" / first) as stream:
        return open_image(stream, first).mode == "P"
    return False


def _mask_names(root: Path) -> list[str]:
    return [name for name in files_below(root / "masks") if name.lower().endswith(".png")]


def write(labels: Dataset, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:  # noqa: ARG001
    """Write an indexed PNG for each image; objects without a mask are left out and returned.

    An image none of whose objects has a mask has no PNG: a black one would say that it is empty.
    """
    if len(labels.class_names) > MAX_CLASSES:
        problem = f"--format masks supports at most {MAX_CLASSES} classes, got {len(labels.class_names)}."
        raise InputError("too-many-classes", problem, "Select classes with --class-names, or use --format coco.")
    objects = [item for sample in labels.samples for item in sample.objects]
    if objects and all(item.mask is None for item in objects):
        hint = "Use a model instead of boxes, or run localize with --save-masks."
        raise InputError("missing-masks", "--format masks needs objects with masks.", hint)
    for sample in labels.samples:
        if sample.objects and all(item.mask is None for item in sample.objects):
            continue
        file = folder / "masks" / f"{without_suffix(sample.image_id)}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        _indexed_image(sample, labels.class_names).save(file)
    write_text(folder / "classes.txt", "".join(f"{name}\n" for name in labels.class_names))
    return [
        LabelProblem(sample.image_id, f"an object without a mask is left out of the masks: {item.label}")
        for sample in labels.samples
        for item in sample.objects
        if item.mask is None
    ]


def _indexed_image(sample: Sample, classes: tuple[str, ...]) -> Image.Image:
    pixels = np.zeros((sample.height, sample.width), np.uint8)
    for item in sorted(sample.objects, key=lambda item: 1.0 if item.score is None else item.score):
        if item.mask is not None:
            pixels[decode_rle(item.mask)] = classes.index(item.label) + 1
    indexed = Image.frombytes("P", (sample.width, sample.height), pixels.tobytes())
    indexed.putpalette(_palette())
    return indexed


def _palette() -> list[int]:
    """Black, then colors of all hues, with distant hues for neighboring indices."""
    hues = (index * 0.618 % 1 for index in range(MAX_CLASSES))
    return [0, 0, 0, *(round(255 * part) for hue in hues for part in hsv_to_rgb(hue, 0.75, 0.95))]


def read(source: Path, index: ImageIndex) -> LoadedLabels:
    """Read indexed PNG from the folder with ``masks/`` and ``classes.txt``: an object for each class in an image.

    Masks without an image, of another size, or that are not indexed or gray PNG are problems, as are values without a
    class.
    """
    classes = read_classes(source / "classes.txt")
    if not (source / "masks").is_dir():
        raise InputError("labels-not-found", f"The folder {source / 'masks'} does not exist.")
    names = _mask_names(source)
    problems: list[LabelProblem] = []
    optional = (_sample(source / "masks" / name, name, classes, index, problems) for name in names)
    samples = tuple(sample for sample in optional if sample is not None)
    return LoadedLabels(Dataset(source, "masks", classes, samples), tuple(problems))


def _sample(
    file: Path, name: str, classes: tuple[str, ...], index: ImageIndex, problems: list[LabelProblem]
) -> Sample | None:
    path = index.match(without_suffix(name))
    size = None if path is None else index.size(path)
    if path is None or size is None:
        problems.append(LabelProblem(name, "the image does not exist"))
        return None
    try:
        pixels = _pixels(file)
    except InputError as error:
        problems.append(LabelProblem(path, error.problem))
        return None
    if pixels.shape != size:
        problems.append(LabelProblem(path, f"its mask has {pixels.shape[1]} x {pixels.shape[0]} pixels"))
        return None
    values = np.flatnonzero(np.bincount(pixels.ravel())).tolist()
    unknown = [value for value in values if value > len(classes)]
    problems += [LabelProblem(path, f"its mask has the value {value}, which has no class") for value in unknown]
    return Sample(path, Path(path), "", tuple(_objects(pixels, values, classes)), size)


def _pixels(file: Path) -> NDArray[np.uint8]:
    with open_binary(file) as stream:
        image = open_image(stream, str(file))
        if image.format != "PNG" or image.mode not in ("P", "L") or image.width * image.height > MAX_PIXELS:
            raise InputError("mask-invalid", f"{file} must be indexed PNG of at most {MAX_PIXELS:,} pixels.")
        try:
            return np.asarray(image, np.uint8)
        except Exception as error:  # decoders raise any type
            raise InputError("damaged-image", f"{file} is damaged.") from error


def _objects(pixels: NDArray[np.uint8], values: Iterable[int], classes: tuple[str, ...]) -> Iterator[ObjectAnnotation]:
    """An object for each value of a class."""
    for value in values:
        mask = pixels == value
        box = mask_box(mask)
        if box is not None and 0 < value <= len(classes):
            yield ObjectAnnotation(classes[value - 1], box, mask=encode_rle(mask))
