"""Join the results of Label Studio that describe one region: its shape, and its labels from another control."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Record = dict[str, Any]

CHOICES = "choices"
# Types of results that label the shape of another result, the most specific first.
LABEL_TYPES = ("labels", CHOICES)
# Shapes by a field of their value.
SHAPES = {"rle": "brush", "points": "polygon", "width": "rectangle"}


def joined_regions(results: Sequence[Record]) -> Iterator[Record]:
    """Yield one result for each region, and the choices of the image.

    Separate controls (``Rectangle`` and ``Labels``, or choices for each region) have several results with one id. A
    shape without labels gets those of the others; choices of a region with labels are attributes, which are left out.

    Example:
        >>> shape = {"id": "a", "type": "rectangle", "value": {"x": 1}}
        >>> list(joined_regions([shape, {"id": "a", "type": "labels", "value": {"x": 1, "labels": ["nut"]}}]))
        [{'id': 'a', 'type': 'rectangle', 'value': {'x': 1, 'rectangle': ['nut']}}]
    """
    shapes = [result for result in results if result.get("type") not in LABEL_TYPES]
    labels: dict[str, list[Record]] = {}
    for result in (result for result in results if result.get("type") in LABEL_TYPES):
        labels.setdefault(_id(result), []).append(result)
    without_shape = labels.keys() - {_id(shape) for shape in shapes if _id(shape)}
    yield from (_labeled(shape, labels) for shape in shapes)
    yield from (_as_shape(result) for name, group in labels.items() if name in without_shape for result in group)


def labels_of(result: Mapping[str, Any]) -> list[str]:
    """Return the labels of a result; empty if it has none or they are malformed."""
    kind, value = str(result.get("type")), result.get("value")
    if not isinstance(value, dict):
        return []
    labels = value.get(kind) or (value.get("labels") if kind.endswith("labels") else None)
    is_valid = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    return list(labels) if is_valid and labels else []


def _id(result: Record) -> str:
    return str(result.get("id") or "")


def _labeled(shape: Record, labels_by_id: Mapping[str, Sequence[Record]]) -> Record:
    """The shape, with the labels of the results with its id if it has none."""
    if labels_of(shape):
        return shape
    with_id = labels_by_id.get(_id(shape), ()) if _id(shape) else ()
    found = ([label for one in with_id if one.get("type") == kind for label in labels_of(one)] for kind in LABEL_TYPES)
    labels = next(filter(None, found), [])
    return _with_labels(shape, str(shape.get("type")), labels) if labels else shape


def _as_shape(result: Record) -> Record:
    """A result of labels that contains a shape, as that shape."""
    value = result.get("value")
    kind = next((shape for field, shape in SHAPES.items() if isinstance(value, dict) and field in value), None)
    return result if kind is None else _with_labels(result, kind, labels_of(result))


def _with_labels(result: Record, kind: str, labels: list[str]) -> Record:
    return result | {"type": kind, "value": result["value"] | {kind: labels}}
