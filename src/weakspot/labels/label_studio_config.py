"""Write and parse the labeling configuration of Label Studio, and check tasks against it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from weakspot.errors import InputError

# Names of the controls and of their image.
FROM, POLYGONS_FROM, TO = "boxes", "polygons", "image"

TAGS = {"RectangleLabels": "rectanglelabels", "PolygonLabels": "polygonlabels", "BrushLabels": "brushlabels"}

# Percent by which a coordinate may exceed the image, due to rounding.
SLACK = 1e-6


def labeling_config(classes: Sequence[str]) -> str:
    """Return a configuration with boxes and polygons of the classes."""
    view = Element("View")
    SubElement(view, "Image", name=TO, value="$image", zoom="true")
    for tag, name in (("RectangleLabels", FROM), ("PolygonLabels", POLYGONS_FROM)):
        control = SubElement(view, tag, name=name, toName=TO)
        for label in classes:
            SubElement(control, "Label", value=label)
    indent(view)
    return tostring(view, "unicode") + "\n"


def parse_config(config: str) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Parse a configuration: type, ``toName`` and choices of each control, by its name."""
    try:
        root = ElementTree.fromstring(config)
    except (ElementTree.ParseError, DefusedXmlException, ValueError) as error:
        raise InputError("config-invalid", f"The labeling configuration is not XML: {error}.") from error
    images = {element.get("name") for element in root.iter("Image")}
    controls = {}
    for element in root.iter():
        if element.tag in TAGS:
            to = str(element.get("toName"))
            if to not in images:
                raise InputError("config-invalid", f"{element.tag} refers to the unknown image {to}.")
            labels = tuple(str(label.get("value")) for label in element.iter("Label"))
            controls[str(element.get("name"))] = (TAGS[element.tag], to, labels)
    return controls


def check_tasks(tasks: Iterable[Mapping[str, Any]], config: str) -> list[str]:
    """Find regions that do not match a configuration.

    Controls and images must exist, labels must be among the choices, percentages must be between 0 and 100, and sizes
    must be positive.
    """
    controls = parse_config(config)
    return [f"task {task.get('id')}: {problem}" for task in tasks for problem in _problems(task, controls)]


def _problems(task: Mapping[str, Any], controls: Mapping[str, tuple[str, str, tuple[str, ...]]]) -> Iterator[str]:
    if not isinstance(task.get("data", {}).get(TO), str):
        yield f"data has no {TO}"
    for result in (*task.get("predictions", ()), *task.get("annotations", ())):
        for region in result["result"]:
            yield from (f"region {region.get('id')} {problem}" for problem in _problems_of_region(region, controls))


def _problems_of_region(
    region: Mapping[str, Any], controls: Mapping[str, tuple[str, str, tuple[str, ...]]]
) -> Iterator[str]:
    name = str(region.get("from_name"))
    if name not in controls:
        yield f"has the unknown control {name!r}"
        return
    kind, to, choices = controls[name]
    value = region.get("value", {})
    if region.get("type") != kind or region.get("to_name") != to:
        yield f"must be {kind} of {to!r}, got {region.get('type')} of {region.get('to_name')!r}"
    unknown = [label for label in value.get(kind, [None]) if label not in choices]
    if unknown:
        yield f"has the unknown label {unknown[0]!r}"
    if not all(region.get(side, 0) > 0 for side in ("original_width", "original_height")):
        yield "has no original size"
    yield from _problems_of_coordinates(kind, value)


def _problems_of_coordinates(kind: str, value: Mapping[str, Any]) -> Iterator[str]:
    if kind == "rectanglelabels":
        x, y, width, height = (float(value.get(name, "nan")) for name in ("x", "y", "width", "height"))
        percentages = [x, y, x + width, y + height]
        if not (width > 0 and height > 0):
            yield "has no width and height"
    else:
        percentages = [float(side) for point in value.get("points", ()) for side in point]
    if not all(-SLACK <= percentage <= 100 + SLACK for percentage in percentages):
        yield "is outside 0 to 100 percent"
