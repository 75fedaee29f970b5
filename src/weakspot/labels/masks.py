"""Masks as indexed PNG: the value of a pixel is the class.

::

    masks/<path>.png        0 is background, 1 the first class, and so on up to 255
    classes.txt             names of the classes, one a line
    images/<path>.jpg

Where objects overlap, the one with the higher score is seen. A mask tells classes apart, not objects: what is read back
is one object for each class in an image.
"""

from collections.abc import Iterable, Iterator
from colorsys import hsv_to_rgb
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data.decoding import MAX_PIXELS, open_binary, open_image
from weakspot.data.readers.walk import files_below, without_suffix
from weakspot.errors import InputError
from weakspot.labels.image_index import ImageIndex
from weakspot.labels.polygons import mask_box
from weakspot.labels.records import (
    LabeledImage,
    LabeledObject,
    LabelProblem,
    LabelSet,
    LoadedLabels,
    WriteOptions,
)
from weakspot.labels.rle import decode_rle, encode_rle
from weakspot.labels.text_files import read_classes, write_text

MOST = 255


def image_path(image: LabeledImage) -> str:
    """Say where an image belongs."""
    return f"images/{image.path}"


def write(labels: LabelSet, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:  # noqa: ARG001
    """Write an indexed PNG for each image.

    Args:
        labels: What to write.
        folder: Folder to write to.
        options: Nothing in it concerns this format.

    Returns:
        The objects without a mask, which are left out.

    Raises:
        InputError: If there are more than 255 classes, or no object has a mask.
    """
    if len(labels.classes) > MOST:
        problem = f"There are {len(labels.classes)} classes, and an indexed PNG has room for {MOST}."
        raise InputError(problem, "Name those that you need with --class-names, or take --format coco.")
    objects = [one for image in labels.images for one in image.objects]
    if objects and all(one.mask is None for one in objects):
        hint = "Give a model instead of boxes, or localize with --save-masks."
        raise InputError("No object has a mask.", hint)
    for image in labels.images:
        file = folder / "masks" / f"{without_suffix(image.path)}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        _picture(image, labels.classes).save(file)
    write_text(folder / "classes.txt", "".join(f"{name}\n" for name in labels.classes))
    return [
        LabelProblem(image.path, f"an object without mask is left out of the masks: {one.label}")
        for image in labels.images
        for one in image.objects
        if one.mask is None
    ]


def _picture(image: LabeledImage, classes: tuple[str, ...]) -> Image.Image:
    pixels = np.zeros((image.height, image.width), np.uint8)
    for one in sorted(image.objects, key=lambda one: 1.0 if one.score is None else one.score):
        if one.mask is not None:
            pixels[decode_rle(one.mask)] = classes.index(one.label) + 1
    picture = Image.frombytes("P", (image.width, image.height), pixels.tobytes())
    picture.putpalette(_palette())
    return picture


def _palette() -> list[int]:
    """Black, then colours all around, neighbours far apart."""
    hues = (index * 0.618 % 1 for index in range(MOST))
    return [0, 0, 0, *(round(255 * part) for hue in hues for part in hsv_to_rgb(hue, 0.75, 0.95))]


def read(source: Path, photos: ImageIndex) -> LoadedLabels:
    """Read indexed PNG.

    Args:
        source: The folder with ``masks/`` and ``classes.txt``.
        photos: The images that the masks are of.

    Returns:
        Labels: an object for each class in an image, bounded by its pixels. Masks without an image, of another size,
        or that are no indexed or grey PNG, and values without a class, are listed.

    Raises:
        InputError: If the names of the classes, or the masks, are missing.
    """
    classes = read_classes(source / "classes.txt")
    if not (source / "masks").is_dir():
        raise InputError(
            f"There is no folder {source / 'masks'}.", "Give the folder that holds masks/ and classes.txt."
        )
    names = [name for name in files_below(source / "masks") if name.lower().endswith(".png")]
    problems: list[LabelProblem] = []
    images = [_image(source / "masks" / name, name, classes, photos, problems) for name in names]
    return LoadedLabels(LabelSet(classes, tuple(one for one in images if one is not None)), tuple(problems))


def _image(
    file: Path, name: str, classes: tuple[str, ...], photos: ImageIndex, problems: list[LabelProblem]
) -> LabeledImage | None:
    path = photos.find(without_suffix(name))
    size = None if path is None else photos.size(path)
    if path is None or size is None:
        problems.append(LabelProblem(name, "there is no such image"))
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
    problems += [LabelProblem(path, f"the mask's value {value} stands for no class") for value in unknown]
    return LabeledImage(path, size[1], size[0], tuple(_objects(pixels, values, classes)))


def _pixels(file: Path) -> NDArray[np.uint8]:
    with open_binary(file) as stream:
        image = open_image(stream, str(file))
        if image.mode not in ("P", "L") or image.width * image.height > MAX_PIXELS:
            raise InputError(f"{file} is no indexed PNG of at most {MAX_PIXELS:,} pixels.", "Save it as indexed PNG.")
        try:
            return np.asarray(image, np.uint8)
        except Exception as error:  # what a decoder raises is up to the file's bytes
            raise InputError(f"{file} is damaged.", "Export the mask again.") from error


def _objects(pixels: NDArray[np.uint8], values: Iterable[int], classes: tuple[str, ...]) -> Iterator[LabeledObject]:
    """An object for each value that stands for a class."""
    for value in values:
        mask = pixels == value
        box = mask_box(mask)
        if box is not None and 0 < value <= len(classes):
            yield LabeledObject(classes[value - 1], box, mask=encode_rle(mask))
