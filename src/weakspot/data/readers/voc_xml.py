"""One XML file in the manner of Pascal VOC: the objects of one image."""

from pathlib import Path
from typing import Any, NamedTuple

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from weakspot.data.readers.annotations import Box, ObjectAnnotation
from weakspot.errors import InputError
from weakspot.io.text import parse_float, parse_size


class VocAnnotation(NamedTuple):
    """What a file says: the image's own name for itself, ``(height, width)``, and its objects."""

    filename: str
    size: tuple[int, int] | None
    marked: tuple[ObjectAnnotation, ...]


def read_annotation(file: Path, *, first: int) -> VocAnnotation:
    """Read the objects of an image.

    Args:
        file: The XML file.
        first: The number of the topmost row and leftmost column: 1 if the sides count from 1 and belong to the box,
            0 to take them as written.

    Raises:
        InputError: If the file is missing, is not XML, or lacks a name or a side.
    """
    root = _parsed(file)
    width, height = (root.findtext(f"size/{side}") or "0" for side in ("width", "height"))
    size = parse_size(parse_float(width, file), parse_float(height, file))
    objects = enumerate(root.findall("object"), start=1)
    marked = tuple(_marked(one, f"{file}: object {count}", first) for count, one in objects)
    return VocAnnotation((root.findtext("filename") or "").strip(), size, marked)


def _parsed(file: Path) -> Any:
    try:
        return ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        problem = f"{file}, line {error.position[0]}, is not XML: {error.msg}."
        raise InputError(problem, "Export or copy the file again.") from error
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.", "Check the path and its permissions.") from error
    except (DefusedXmlException, ValueError, LookupError) as error:  # entities; encodings that do not exist
        raise InputError(f"{file} is not XML that can be read: {error}.", "Export the file again.") from error


def _marked(element: Any, place: str, first: int) -> ObjectAnnotation:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise InputError(f"{place} has no name.", "Name the class of each object.")
    return ObjectAnnotation(name, None if element.find("bndbox") is None else _box(element, place, first))


def _box(element: Any, place: str, first: int) -> Box:
    sides = ((element.findtext(f"bndbox/{side}") or "").strip() for side in ("xmin", "ymin", "xmax", "ymax"))
    xmin, ymin, xmax, ymax = (parse_float(side, place) for side in sides)
    return xmin - first, ymin - first, xmax, ymax
