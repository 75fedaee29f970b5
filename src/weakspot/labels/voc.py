"""Pascal VOC: an XML file for each image.

::

    Annotations/<path>.xml
    JPEGImages/<path>.jpg
    ImageSets/Main/<split>.txt       names without suffix, one per line

Coordinates are integers that count from 1 and are inclusive. Each side is rounded to the nearest pixel edge, halves to
the right and down; ``xmin = left + 1``, ``xmax = right``, and a box between two edges becomes the pixel after them.
Boxes of integers are therefore unchanged when written and read. Scores cannot be stored.
"""

from collections.abc import Iterator
from math import floor
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from weakspot.data.readers.voc_xml import VocAnnotation, read_annotation, xml_names
from weakspot.data.readers.walk import without_suffix
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
    sorted_classes,
)
from weakspot.labels.text_files import write_text

NO_SPLIT = "trainval"


def image_path(image: LabeledImage) -> str:
    """Return the path of an image in the folder."""
    return f"JPEGImages/{image.path}"


def write(labels: LabelSet, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:  # noqa: ARG001
    """Write an XML file for each image, and lists of the splits; scores and masks are left out."""
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
    _add_fields(root, {"folder": directory or "JPEGImages", "filename": name})
    _add_fields(SubElement(root, "size"), {"width": image.width, "height": image.height, "depth": 3})
    _add_fields(root, {"segmented": 0})
    for item in image.objects:
        element = SubElement(root, "object")
        _add_fields(element, {"name": item.label, "pose": "Unspecified", "truncated": 0, "difficult": 0})
        sides = inclusive(item.box, height=image.height, width=image.width)
        _add_fields(SubElement(element, "bndbox"), dict(zip(("xmin", "ymin", "xmax", "ymax"), sides, strict=True)))
    return root


def _add_fields(parent: Element, values: dict[str, object]) -> None:
    for name, value in values.items():
        SubElement(parent, name).text = str(value)


def inclusive(box: Box, *, height: int, width: int) -> tuple[int, int, int, int]:
    """Convert a box within the image, right and bottom excluded, to VOC coordinates: from 1, all sides inclusive.

    Example:
        >>> inclusive((10, 20, 30.5, 20.2), height=100, width=100)
        (11, 21, 31, 21)
    """
    x1, x2 = _edges(box[0], box[2], width)
    y1, y2 = _edges(box[1], box[3], height)
    return x1 + 1, y1 + 1, x2, y2


def _edges(low: float, high: float, size: int) -> tuple[int, int]:
    """The nearest pixel edges, at least a pixel apart."""
    first = min(floor(low + 0.5), size - 1)
    return first, max(floor(high + 0.5), first + 1)


def read(source: Path, index: ImageIndex) -> LoadedLabels:
    """Read XML files of Pascal VOC below ``Annotations`` of a folder, or a folder of XML files.

    Classes are sorted by name. Objects without a box and files without an image are problems.
    """
    folder = source / "Annotations" if (source / "Annotations").is_dir() else source
    names = list(xml_names(folder))
    if not names:
        raise InputError("labels-not-found", f"{folder} contains no XML.")
    splits = dict(_splits(source / "ImageSets" / "Main"))
    problems: list[LabelProblem] = []
    pairs = ((name, read_annotation(folder / f"{name}.xml", first=1)) for name in names)
    images = tuple(image for name, annotation in pairs for image in _images(name, annotation, index, splits, problems))
    return LoadedLabels(LabelSet(sorted_classes(images), images), tuple(problems))


def _splits(folder: Path) -> Iterator[tuple[str, str]]:
    for split in ("train", "val", "test"):
        file = folder / f"{split}.txt"
        yield from ((text.strip(), split) for _, text in read_lines(file)) if file.is_file() else ()


def _images(
    name: str, annotation: VocAnnotation, index: ImageIndex, splits: dict[str, str], problems: list[LabelProblem]
) -> list[LabeledImage]:
    """The image of an XML file, if it exists."""
    directory = name.rpartition("/")[0]
    path = index.find(f"{directory}/{annotation.filename}".lstrip("/")) or index.find(name)
    size = annotation.size or (None if path is None else index.size(path))
    if path is None or size is None:
        problems.append(LabelProblem(f"{name}.xml", "the image does not exist"))
        return []
    objects = tuple(LabeledObject(item.label, item.box) for item in annotation.objects if item.box is not None)
    missing = (item.label for item in annotation.objects if item.box is None)
    problems += [LabelProblem(path, f"object without a box: {label}") for label in missing]
    return [LabeledImage(path, size[1], size[0], objects, splits.get(without_suffix(path), ""))]
