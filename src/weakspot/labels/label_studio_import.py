"""Read exports of Label Studio: annotations of a person, else predictions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from weakspot.data.dataset import Dataset, ObjectAnnotation, Sample, group_issues
from weakspot.data.formats.coco_json import read_json
from weakspot.data.formats.records import LabelProblem, LoadedLabels, sorted_classes, uncertainty_of
from weakspot.data.image_index import ImageIndex
from weakspot.data.polygons import mask_box, polygon_box, polygon_to_mask, scale_polygon
from weakspot.data.predictions import deleted_issue, same_objects
from weakspot.data.rle import encode_rle
from weakspot.errors import InputError
from weakspot.io.text import read_text
from weakspot.labels.label_studio import image_names
from weakspot.labels.label_studio_brush import read_brush
from weakspot.labels.label_studio_config import parse_config
from weakspot.labels.label_studio_regions import CHOICES, joined_regions, labels_of

Record = dict[str, Any]
RELATION = "relation"  # between regions
SEVERAL = "task with several annotations: the one that was updated last is used"
SKIPPED, NOT_LABELED = "the task was skipped", "the task has neither annotations nor predictions"


def read(source: Path, index: ImageIndex) -> LoadedLabels:
    """Read an export of Label Studio in the format JSON, or the folder with ``tasks.json`` and ``config.xml``.

    The annotation of a task that was updated last is used, without scores; tasks with several are an issue. It confirms
    the prediction of the task if it is the same, and corrects it otherwise. Tasks whose predicted objects were all
    deleted are an issue. A task without annotations has its predictions, with scores, and is untouched. A task whose
    annotations were all cancelled, that has neither, or without an image, is a problem.
    Rectangles, polygons and brush masks are read. A rotated rectangle is read as its bounding box, and reported, as are
    regions of other types; relations are ignored. A region without a label has those of the other results with its id.
    Choices of an image are labels without a box, unless other labels are drawn. Classes are those of ``config.xml``
    next to the file if it exists and has any, else sorted by name.
    """
    file = source / "tasks.json" if source.is_dir() else source
    tasks = read_json(file)
    if not isinstance(tasks, list) or not all(
        isinstance(task, dict) and isinstance(task.get("data"), dict) for task in tasks
    ):
        hint = "Export from Label Studio in the format JSON, not JSON-MIN."
        raise InputError("tasks-invalid", f"{file} is not a list of tasks with data.", hint)
    problems: list[LabelProblem] = []
    optional = [_sample(position, task, index, problems) for position, task in enumerate(tasks)]
    samples = _without_attributes([sample for sample in optional if sample is not None], problems)
    pairs = zip(tasks, optional, strict=True)
    deleted = deleted_issue(one.image_id for task, one in pairs if one and one.status == "empty" and _had_objects(task))
    classes = _classes(file.with_name("config.xml")) or sorted_classes(samples)
    issues = group_issues((SEVERAL, name) for name in map(_several_annotations, tasks) if name)
    return LoadedLabels(Dataset(source, "Label Studio", classes, samples, (*issues, *deleted)), tuple(problems))


def _several_annotations(task: Record) -> str:
    """The name of a task that several annotations label; empty for others."""
    annotations = task.get("annotations")
    records = [one for one in annotations if isinstance(one, dict)] if isinstance(annotations, list) else []
    return next(image_names(task), str(task.get("id"))) if len(list(_submitted(records))) > 1 else ""


def _submitted(annotations: Iterable[Record]) -> Iterator[Record]:
    return (annotation for annotation in annotations if not annotation.get("was_cancelled"))


def _classes(config: Path) -> tuple[str, ...]:
    controls = parse_config(read_text(config)) if config.is_file() else {}
    return tuple(dict.fromkeys(label for _, _, labels in controls.values() for label in labels))


def _without_attributes(samples: list[Sample], problems: list[LabelProblem]) -> tuple[Sample, ...]:
    """Remove choices of images of which a box has the same label, and all of them if no box has any of their labels.

    The latter describe the image, such as "blurry".
    """
    drawn = {item.label for sample in samples for item in sample.objects if item.box is not None}
    chosen = {item.label for sample in samples for item in sample.objects if item.box is None}
    is_attribute = bool(drawn and chosen) and not drawn & chosen
    if is_attribute:
        names = ", ".join(sorted(chosen))
        problems.append(LabelProblem("", f"choices of images are not read, as no region has such a label: {names}"))
    return tuple(replace(sample, objects=_without_choices(sample, all_of_them=is_attribute)) for sample in samples)


def _without_choices(sample: Sample, *, all_of_them: bool) -> tuple[ObjectAnnotation, ...]:
    drawn = {item.label for item in sample.objects if item.box is not None}
    return tuple(item for item in sample.objects if item.box is not None or not (all_of_them or item.label in drawn))


def _sample(position: int, task: Record, index: ImageIndex, problems: list[LabelProblem]) -> Sample | None:
    candidates = list(image_names(task))
    name = _find(candidates, index)
    size = None if name is None else index.size(name)
    if name is None or size is None:
        problem = f"the image of task {task.get('id', position)} does not exist"
        problems.append(LabelProblem(candidates[0], problem))
        return None
    try:
        result = _result(task)
    except InputError as error:
        problems.append(LabelProblem(name, error.problem))
        return None
    if result is None:
        annotated = task.get("annotations") or task.get("cancelled_annotations")
        problems.append(LabelProblem(name, SKIPPED if annotated else NOT_LABELED))
        return None
    is_corrected, results = result
    objects: list[ObjectAnnotation] = []
    for region in joined_regions(results):
        try:
            objects += _objects(region, size, scored=not is_corrected)
            if _rotation(region["value"]):
                problems.append(LabelProblem(name, "a region is rotated: its bounding box is used"))
        except (InputError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            reason = error.problem if isinstance(error, InputError) else f"it is malformed ({error})"
            problems.append(LabelProblem(name, f"a region is invalid: {reason}"))
    split = str(task["data"].get("split") or "")
    uncertainty = uncertainty_of(task["data"])
    return Sample(
        name,
        Path(name),
        split,
        tuple(objects),
        size,
        uncertainty=uncertainty,
        predicted=not is_corrected,
        status=_status(task, results, objects, size) if is_corrected else "untouched",
    )


def _status(task: Record, results: Sequence[Record], objects: Sequence[ObjectAnnotation], size: tuple[int, int]) -> str:
    """What a person has done with the prediction of a task."""
    if not results:
        return "empty"
    predicted: list[ObjectAnnotation] = []
    with suppress(InputError, KeyError, TypeError, ValueError, AttributeError, OverflowError):
        for record in _records(task, "predictions")[-1:]:
            for region in joined_regions(_regions(record)):
                predicted += _objects(region, size, scored=True)
    return "confirmed" if same_objects(objects, predicted) else "corrected"


def _had_objects(task: Record) -> bool:
    """Whether the prediction of a task has objects; true if the export does not tell."""
    predictions = task.get("predictions")
    if not isinstance(predictions, list):
        return True
    return any(not isinstance(record, dict) or record.get("result") for record in predictions[-1:])


def _find(candidates: list[str], index: ImageIndex) -> str | None:
    """The image of the first candidate that exists; of an upload, whose folder is unknown, also in any folder."""
    is_upload = any("upload/" in candidate for candidate in candidates)
    found = (path for candidate in candidates if (path := index.find(candidate)))
    matches = (path for candidate in candidates[: None if is_upload else 1] if (path := index.match(candidate)))
    return next(found, None) or next(matches, None)


def _result(task: Record) -> tuple[bool, list[Record]] | None:
    """Whether a person has annotated the task, and its regions; None if the task was skipped or has nothing."""
    annotations = _records(task, "annotations")
    submitted = list(_submitted(annotations))
    if submitted:
        # The last in the list wins a tie.
        latest = max(enumerate(submitted), key=lambda item: (str(item[1].get("updated_at") or ""), item[0]))[1]
        return True, _regions(latest)
    if annotations or task.get("cancelled_annotations"):
        return None
    predictions = _records(task, "predictions")
    return (False, _regions(predictions[-1])) if predictions else None


def _records(task: Record, key: str) -> list[Record]:
    """The annotations or predictions of a task; exports without details have numbers instead."""
    records = task.get(key) or []
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError("tasks-invalid", f"the task's {key} have no details: export in the format JSON")
    return records


def _regions(record: Record) -> list[Record]:
    regions = record.get("result") or []
    if not isinstance(regions, list) or not all(isinstance(region, dict) for region in regions):
        raise InputError("tasks-invalid", "the task's result is not a list of regions: export in the format JSON")
    return [region for region in regions if region.get("type") != RELATION]


def _objects(region: Mapping[str, Any], size: tuple[int, int], *, scored: bool) -> Iterator[ObjectAnnotation]:
    kind, value = str(region.get("type")), region["value"]
    if kind not in (*READERS, CHOICES):
        raise InputError("unknown-region-type", f"it is of the type {kind}")
    labels = labels_of(region)
    if not labels:
        raise InputError("region-invalid", "it has no label")
    score = region.get("score") if scored else None
    number = None if score is None else float(score)
    if kind == CHOICES:  # of the image
        yield from (ObjectAnnotation(label, score=number) for label in labels)
        return
    if region.get("image_rotation"):
        raise InputError("region-invalid", "its image was rotated")
    _check_shape(region, size)
    for label in labels:
        yield READERS[kind](label, value, size, number)


def _check_shape(region: Mapping[str, Any], size: tuple[int, int]) -> None:
    """Check the aspect ratio of the image of a region, as percentages do not depend on the image."""
    width, height = (float(region.get(f"original_{side}") or 0) for side in ("width", "height"))
    if width > 0 and height > 0 and abs(width * size[0] - height * size[1]) > max(width, height, *size):
        problem = f"it was drawn in an image of {width:g} x {height:g} pixels, not {size[1]} x {size[0]}"
        raise InputError("shape-mismatch", problem)


def _rotation(value: Mapping[str, Any]) -> float:
    """Rotation of a rectangle in degrees, clockwise about its first corner."""
    return float(value.get("rotation") or 0) % 360


def _rectangle(label: str, value: Mapping[str, Any], size: tuple[int, int], score: float | None) -> ObjectAnnotation:
    rows, columns = size
    x, width = (float(value[side]) / 100 * columns for side in ("x", "width"))
    y, height = (float(value[side]) / 100 * rows for side in ("y", "height"))
    if not _rotation(value):  # a rectangle that was drawn to the left or up has negative sides
        return ObjectAnnotation(label, polygon_box([[x, y], [x + width, y + height]]), score=score)
    cosine, sine = np.cos(np.radians(_rotation(value))), np.sin(np.radians(_rotation(value)))
    right, down = np.array([width * cosine, width * sine]), np.array([-height * sine, height * cosine])
    first = np.array([x, y])
    corners = np.array([first, first + right, first + right + down, first + down])
    return ObjectAnnotation(label, polygon_box(corners), score=score)


def _polygon(label: str, value: Mapping[str, Any], size: tuple[int, int], score: float | None) -> ObjectAnnotation:
    fractions = np.array(value["points"], np.float64) / 100
    corners = scale_polygon(fractions, height=size[0], width=size[1])
    mask = polygon_to_mask(corners, height=size[0], width=size[1])
    return ObjectAnnotation(label, polygon_box(corners), score=score, mask=encode_rle(mask))


def _brush(label: str, value: Mapping[str, Any], size: tuple[int, int], score: float | None) -> ObjectAnnotation:
    mask = read_brush(value["rle"], height=size[0], width=size[1])
    box = mask_box(mask)
    if box is None:
        raise InputError("mask-empty", "its brush mask is empty")
    return ObjectAnnotation(label, box, score=score, mask=encode_rle(mask))


READERS = {
    f"{shape}{suffix}": reader
    for shape, reader in (("rectangle", _rectangle), ("polygon", _polygon), ("brush", _brush))
    for suffix in ("labels", "")
}
