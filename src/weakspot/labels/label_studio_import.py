"""Read what came back from Label Studio: a person's annotations, else predictions."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from weakspot.errors import InputError
from weakspot.io.text import read_text
from weakspot.labels.image_index import ImageIndex
from weakspot.labels.label_studio import image_names
from weakspot.labels.label_studio_brush import read_brush
from weakspot.labels.label_studio_config import parse_config
from weakspot.labels.polygons import mask_box, polygon_box, polygon_to_mask, scale_polygon
from weakspot.labels.records import (
    LabeledImage,
    LabeledObject,
    LabelProblem,
    LabelSet,
    LoadedLabels,
    finite_or_none,
    round_box,
)
from weakspot.labels.rle import encode_rle
from weakspot.labels.text_files import read_json

Record = dict[str, Any]
SKIPPED = "the task was skipped"


def read(source: Path, photos: ImageIndex) -> LoadedLabels:
    """Read an export of Label Studio (the format called JSON), or tasks.

    Of a task's annotations the one that was updated last is taken, and its regions have no score: a person has said
    them. A task without annotations has its predictions, with scores. Tasks of which all annotations were cancelled
    are listed as skipped and left out. Rectangles, polygons and brushed masks are read; of a
    rectangle that is turned the box that bounds it, which is listed, as are other regions.

    Args:
        source: The JSON file, or the folder with ``tasks.json`` and ``config.xml``.
        photos: The images; tasks of others are listed.

    Returns:
        Labels. Classes are the configuration's where it lies beside the file, else sorted by name.

    Raises:
        InputError: If the file is no list of tasks.
    """
    file = source / "tasks.json" if source.is_dir() else source
    tasks = read_json(file)
    if not isinstance(tasks, list) or not all(
        isinstance(one, dict) and isinstance(one.get("data"), dict) for one in tasks
    ):
        hint = "Export from Label Studio in the format JSON, not JSON-MIN."
        raise InputError(f"{file} is no list of tasks with data.", hint)
    problems: list[LabelProblem] = []
    read_ = (_image(position, task, photos, problems) for position, task in enumerate(tasks))
    images = tuple(image for image in read_ if image is not None)
    classes = _classes(file.with_name("config.xml"), images)
    return LoadedLabels(LabelSet(classes, images), tuple(problems))


def _classes(config: Path, images: tuple[LabeledImage, ...]) -> tuple[str, ...]:
    if not config.is_file():
        return tuple(sorted({one.label for image in images for one in image.objects}))
    return tuple(dict.fromkeys(label for _, _, labels in parse_config(read_text(config)).values() for label in labels))


def _image(position: int, task: Record, photos: ImageIndex, problems: list[LabelProblem]) -> LabeledImage | None:
    name = next((found for one in image_names(task) if (found := photos.find(one))), None)
    size = None if name is None else photos.size(name)
    if name is None or size is None:
        problems.append(
            LabelProblem(next(image_names(task)), f"there is no such image (task {task.get('id', position)})")
        )
        return None
    try:
        filled = _filled(task)
    except InputError as error:
        problems.append(LabelProblem(name, error.problem))
        return None
    if filled is None:
        problems.append(LabelProblem(name, SKIPPED))
        return None
    corrected, regions = filled
    objects: list[LabeledObject] = []
    for region in regions:
        try:
            objects += _objects(region, size, scored=not corrected)
            if _turn(region["value"]):
                problems.append(LabelProblem(name, "a region is turned: the box that bounds it is taken"))
        except (InputError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            why = error.problem if isinstance(error, InputError) else f"it is malformed ({error})"
            problems.append(LabelProblem(name, f"a region cannot be taken: {why}"))
    split, doubt = str(task["data"].get("split") or ""), finite_or_none(task["data"].get("doubt"))
    return LabeledImage(name, size[1], size[0], tuple(objects), split, doubt)


def _filled(task: Record) -> tuple[bool, list[Record]] | None:
    """Whether a person has annotated the task, and its regions; None where the task was skipped."""
    annotations = _records(task, "annotations")
    kept = [one for one in annotations if not one.get("was_cancelled")]
    if kept:
        # Of equal times the later in the list.
        latest = max(enumerate(kept), key=lambda item: (str(item[1].get("updated_at") or ""), item[0]))[1]
        return True, _regions(latest)
    if annotations or task.get("cancelled_annotations"):
        return None
    predictions = _records(task, "predictions")
    return False, _regions(predictions[-1]) if predictions else []


def _records(task: Record, key: str) -> list[Record]:
    """What was filled in; exports without details have numbers in its place."""
    filled = task.get(key) or []
    if not isinstance(filled, list) or not all(isinstance(one, dict) for one in filled):
        raise InputError(f"the task's {key} are not written out", "Export in the format JSON.")
    return filled


def _regions(filled: Record) -> list[Record]:
    regions = filled.get("result") or []
    if not isinstance(regions, list):
        raise InputError("the task's result is no list of regions", "Export in the format JSON.")
    return regions


def _objects(region: Mapping[str, Any], size: tuple[int, int], *, scored: bool) -> Iterator[LabeledObject]:
    kind, value = str(region.get("type")), region["value"]
    if kind not in READERS:
        raise InputError(f"it is of the type {kind}", "Boxes, polygons and brushed masks are read.")
    if region.get("image_rotation"):
        raise InputError("its image was turned", "Turn the image back before it is marked.")
    _check_shape(region, size)
    score = region.get("score") if scored else None
    labels = value.get(kind)
    if not labels or not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise InputError("it has no label", "Give each region a label.")
    for label in labels:
        yield READERS[kind](label, value, size, None if score is None else float(score))


def _check_shape(region: Mapping[str, Any], size: tuple[int, int]) -> None:
    """Refuse a region that was drawn in another image: percentages would hide it. A smaller copy of it is the same."""
    width, height = (float(region.get(f"original_{side}") or 0) for side in ("width", "height"))
    if width > 0 and height > 0 and abs(width * size[0] - height * size[1]) > max(width, height, *size):
        drawn = f"{width:g} x {height:g} pixels"
        raise InputError(f"it was drawn in an image of {drawn}", f"The image has {size[1]} x {size[0]}.")


def _turn(value: Mapping[str, Any]) -> float:
    """Degrees that a rectangle is turned by, clockwise about its first corner."""
    return float(value.get("rotation") or 0) % 360


def _rectangle(label: str, value: Mapping[str, Any], size: tuple[int, int], score: float | None) -> LabeledObject:
    rows, columns = size
    x, width = (float(value[side]) / 100 * columns for side in ("x", "width"))
    y, height = (float(value[side]) / 100 * rows for side in ("y", "height"))
    if not _turn(value):
        return LabeledObject(label, round_box([x, y, x + width, y + height]), score)
    cosine, sine = np.cos(np.radians(_turn(value))), np.sin(np.radians(_turn(value)))
    right, down = np.array([width * cosine, width * sine]), np.array([-height * sine, height * cosine])
    first = np.array([x, y])
    return LabeledObject(
        label, polygon_box(np.array([first, first + right, first + right + down, first + down])), score
    )


def _polygon(label: str, value: Mapping[str, Any], size: tuple[int, int], score: float | None) -> LabeledObject:
    fractions = np.array(value["points"], np.float64) / 100
    corners = scale_polygon(fractions, height=size[0], width=size[1])
    mask = polygon_to_mask(corners, height=size[0], width=size[1])
    return LabeledObject(label, polygon_box(corners), score, encode_rle(mask))


def _brushed(label: str, value: Mapping[str, Any], size: tuple[int, int], score: float | None) -> LabeledObject:
    mask = read_brush(value["rle"], height=size[0], width=size[1])
    box = mask_box(mask)
    if box is None:
        raise InputError("nothing is brushed", "Brush over the object, or delete the region.")
    return LabeledObject(label, box, score, encode_rle(mask))


READERS = {"rectanglelabels": _rectangle, "polygonlabels": _polygon, "brushlabels": _brushed}
