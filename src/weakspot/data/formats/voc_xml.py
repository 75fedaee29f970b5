"""Read an XML file in the format of Pascal VOC: the objects of an image."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from weakspot.data.dataset import Box, ObjectAnnotation
from weakspot.data.formats.walk import files_below
from weakspot.errors import InputError
from weakspot.io.text import parse_float, parse_size


class VocAnnotation(NamedTuple):
    """Content of a file: the name of the image, its ``(height, width)``, and its objects."""

    filename: str
    size: tuple[int, int] | None
    objects: tuple[ObjectAnnotation, ...]


def xml_names(folder: Path) -> Iterator[str]:
    """Yield the XML files below a folder, as relative paths without suffix."""
    return (name.removesuffix(".xml") for name in files_below(folder) if name.endswith(".xml"))


def read_annotation(file: Path, *, first: int) -> VocAnnotation:
    """Read the objects of an image.

    ``first`` is 1 if coordinates count from 1 and are inclusive, 0 to use them as written.
    """
    root = _parse(file)
    width, height = (root.findtext(f"size/{side}") or "0" for side in ("width", "height"))
    size = parse_size(parse_float(width, file), parse_float(height, file))
    elements = enumerate(root.findall("object"), start=1)
    objects = tuple(_object(element, f"{file}: object {count}", first) for count, element in elements)
    return VocAnnotation((root.findtext("filename") or "").strip(), size, objects)


def _parse(file: Path) -> Any:
    try:
        return ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        raise InputError("xml-invalid", f"{file}, line {error.position[0]} is not XML: {error.msg}.") from error
    except OSError as error:
        raise InputError("file-unreadable", f"Cannot read {file}: {error.strerror}.") from error
    except (DefusedXmlException, ValueError, LookupError) as error:  # entities; encodings that do not exist
        raise InputError("xml-invalid", f"Cannot parse {file}: {error}.") from error


def _object(element: Any, where: str, first: int) -> ObjectAnnotation:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise InputError("xml-invalid", f"{where} has no name.")
    return ObjectAnnotation(name, None if element.find("bndbox") is None else _box(element, where, first))


def _box(element: Any, where: str, first: int) -> Box:
    sides = ((element.findtext(f"bndbox/{side}") or "").strip() for side in ("xmin", "ymin", "xmax", "ymax"))
    xmin, ymin, xmax, ymax = (parse_float(side, where) for side in sides)
    return xmin - first, ymin - first, xmax, ymax
