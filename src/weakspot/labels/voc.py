"""Pascal VOC: an XML file for each image.

::

    Annotations/<path>.xml
    JPEGImages/<path>.jpg
    ImageSets/Main/<split>.txt       names without suffix, one a line

Sides are whole numbers that count from 1, and all four belong to the box. Each side of ours is rounded to the nearest
edge of a pixel, halves to the right and down; ``xmin = left + 1``, ``xmax = right``, and a box that lies between two
edges becomes the pixel behind them. So boxes of whole numbers come back as they were. Scores have no place.
"""

from collections.abc import Iterator
from math import floor
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from weakspot.data.readers.voc_xml import VocAnnotation, read_annotation
from weakspot.data.readers.walk import files_below, without_suffix
from weakspot.errors import InputError
from weakspot.io.text import read_lines
from weakspot.labels.image_index import ImageIndex
from weakspot.labels.records import (
    Box,
    LabeledImage,
    LabeledObject,
    LabelProblem,
    LabelSet,
    LoadedLabels,
    WriteOptions,
)
from weakspot.labels.text_files import write_text

NO_SPLIT = "trainval"


def image_path(image: LabeledImage) -> str:
    """Say where an image belongs."""
    return f"JPEGImages/{image.path}"


def write(labels: LabelSet, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:  # noqa: ARG001
    """Write an XML file for each image, and lists of the splits.

    Args:
        labels: What to write; scores and masks are left out.
        folder: Folder to write to.
        options: Nothing in it concerns this format.

    Returns:
        No problems.
    """
    for image in labels.images:
        root = _annotation(image)
        indent(root)
        write_text(folder / "Annotations" / f"{without_suffix(image.path)}.xml", tostring(root, "unicode") + "\n")
    for split in labels.splits:
        names = (without_suffix(image.path) for image in labels.images if image.split == split)
        write_text(folder / "ImageSets" / "Main" / f"{split or NO_SPLIT}.txt", "".join(f"{name}\n" for name in names))
    return []


def _annotation(image: LabeledImage) -> Element:
    root = Element("annotation")
    directory, _, name = image.path.rpartition("/")
    _fields(root, {"folder": directory or "JPEGImages", "filename": name})
    _fields(SubElement(root, "size"), {"width": image.width, "height": image.height, "depth": 3})
    _fields(root, {"segmented": 0})
    for one in image.objects:
        element = SubElement(root, "object")
        _fields(element, {"name": one.label, "pose": "Unspecified", "truncated": 0, "difficult": 0})
        sides = inclusive(one.box, height=image.height, width=image.width)
        _fields(SubElement(element, "bndbox"), dict(zip(("xmin", "ymin", "xmax", "ymax"), sides, strict=True)))
    return root


def _fields(parent: Element, values: dict[str, object]) -> None:
    for name, value in values.items():
        SubElement(parent, name).text = str(value)


def inclusive(box: Box, *, height: int, width: int) -> tuple[int, int, int, int]:
    """Give a box as VOC counts: pixels from 1 on, all four sides belonging to it.

    Args:
        box: ``(x1, y1, x2, y2)`` within the image, right and bottom excluded.
        height: Rows of the image.
        width: Columns of the image.

    Example:
        >>> inclusive((10, 20, 30.5, 20.2), height=100, width=100)
        (11, 21, 31, 21)
    """
    x1, x2 = _edges(box[0], box[2], width)
    y1, y2 = _edges(box[1], box[3], height)
    return x1 + 1, y1 + 1, x2, y2


def _edges(low: float, high: float, size: int) -> tuple[int, int]:
    """The nearest edges of pixels, at least a pixel apart."""
    first = min(floor(low + 0.5), size - 1)
    return first, max(floor(high + 0.5), first + 1)


def read(source: Path, photos: ImageIndex) -> LoadedLabels:
    """Read VOC's XML files.

    Args:
        source: The folder with ``Annotations``, or one of XML files.
        photos: The images; one without a size in its XML has the file's.

    Returns:
        Labels, classes sorted by name. Objects without a box and files without an image are listed.

    Raises:
        InputError: If there is no XML, or a file is not such XML.
    """
    folder = source / "Annotations" if (source / "Annotations").is_dir() else source
    names = [name.removesuffix(".xml") for name in files_below(folder) if name.endswith(".xml")]
    if not names:
        raise InputError(f"{folder} holds no XML.", "Give the folder that holds Annotations, or the XML files.")
    splits = dict(_splits(source / "ImageSets" / "Main"))
    problems: list[LabelProblem] = []
    images = [_image(name, read_annotation(folder / f"{name}.xml", first=1), photos, problems) for name in names]
    found = tuple(
        LabeledImage(one.path, one.width, one.height, one.objects, splits.get(without_suffix(one.path), ""))
        for one in images
        if one is not None
    )
    classes = tuple(sorted({one.label for image in found for one in image.objects}))
    return LoadedLabels(LabelSet(classes, found), tuple(problems))


def _splits(folder: Path) -> Iterator[tuple[str, str]]:
    for split in ("train", "val", "test"):
        file = folder / f"{split}.txt"
        yield from ((line.strip(), split) for _, line in read_lines(file)) if file.is_file() else ()


def _image(name: str, said: VocAnnotation, photos: ImageIndex, problems: list[LabelProblem]) -> LabeledImage | None:
    directory = name.rpartition("/")[0]
    path = photos.find(f"{directory}/{said.filename}".lstrip("/")) or photos.find(name)
    size = said.size or (None if path is None else photos.size(path))
    if path is None or size is None:
        problems.append(LabelProblem(f"{name}.xml", "there is no such image"))
        return None
    objects = tuple(LabeledObject(one.label, one.box) for one in said.objects if one.box is not None)
    missing = (one.label for one in said.objects if one.box is None)
    problems += [LabelProblem(path, f"object without a box: {label}") for label in missing]
    return LabeledImage(path, size[1], size[0], objects)
