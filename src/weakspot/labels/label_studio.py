"""Label Studio: tasks with predictions to correct, the most uncertain first.

::

    tasks.json       a list of tasks: data (image, name, split, uncertainty), predictions (result, score), annotations
    config.xml       the labeling configuration: the classes as choices
    images/<path>

Coordinates are percentages of the upright image. A task's score is the minimum of its objects. What a person has said
in a review is an annotation, without the prediction unless the person confirmed it. For tasks with local files, start
Label Studio with ``LOCAL_FILES_SERVING_ENABLED=true`` and ``LOCAL_FILES_DOCUMENT_ROOT`` set to this folder, and add the
folder ``images`` as a local storage.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from weakspot.data.dataset import Dataset, ObjectAnnotation, Sample
from weakspot.data.formats.records import LabelProblem, WriteOptions
from weakspot.data.formats.text_files import write_json, write_text
from weakspot.data.formats.walk import is_image
from weakspot.data.polygons import mask_to_polygon
from weakspot.data.rle import decode_rle
from weakspot.errors import InputError
from weakspot.labels.label_studio_config import FROM, POLYGONS_FROM, TO, check_tasks, labeling_config
from weakspot.labels.review_order import most_uncertain_first

Record = dict[str, Any]


def write(labels: Dataset, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:
    """Write tasks and the labeling configuration, and check that they match."""
    config = labeling_config(labels.class_names)
    samples = enumerate(most_uncertain_first(labels.samples), start=1)
    tasks = [_task(number, sample, options) for number, sample in samples]
    problems = check_tasks(tasks, config)
    if problems:
        problem = f"{len(problems)} regions do not match the labeling configuration: {problems[0]}."
        raise InputError("config-mismatch", problem)
    write_json(folder / "tasks.json", tasks)
    write_text(folder / "config.xml", config)
    return []


def _task(number: int, sample: Sample, options: WriteOptions) -> Record:
    data: Record = {"image": options.url + quote(sample.image_id), "name": sample.image_id, "split": sample.split}
    data |= {"uncertainty": sample.uncertainty, "width": sample.width, "height": sample.height}
    results = [_result(i, item, sample, options.polygons) for i, item in enumerate(sample.objects)]
    prediction: Record = {"model_version": "weakspot", "result": results}
    if sample.score is not None:
        prediction["score"] = sample.score
    if not sample.is_decided:
        return {"id": number, "data": data, "predictions": [prediction]}
    predictions = [prediction] if sample.status == "confirmed" else []
    return {"id": number, "data": data, "predictions": predictions, "annotations": [{"result": results}]}


def _result(number: int, item: ObjectAnnotation, sample: Sample, polygons: bool) -> Record:
    kind, source, value = _polygon(item, sample) if polygons and item.mask is not None else _rectangle(item, sample)
    region: Record = {"id": f"object{number}", "from_name": source, "to_name": TO, "type": kind}
    region |= {"original_width": sample.width, "original_height": sample.height, "image_rotation": 0}
    region["value"] = value | {kind: [item.label]}
    return region if item.score is None else region | {"score": item.score}


def _rectangle(item: ObjectAnnotation, sample: Sample) -> tuple[str, str, Record]:
    x1, y1, x2, y2 = item.xyxy
    across, down = 100 / sample.width, 100 / sample.height
    value = {"x": x1 * across, "y": y1 * down, "width": (x2 - x1) * across, "height": (y2 - y1) * down, "rotation": 0}
    return "rectanglelabels", FROM, value


def _polygon(item: ObjectAnnotation, sample: Sample) -> tuple[str, str, Record]:
    assert item.mask is not None
    corners = mask_to_polygon(decode_rle(item.mask)) * [100 / sample.width, 100 / sample.height]
    return "polygonlabels", POLYGONS_FROM, {"points": corners.tolist(), "closed": True}


def image_names(task: Record) -> Iterator[str]:
    """Yield candidates for the name of a task's image, the most likely first."""
    data = task["data"]
    if isinstance(data.get("name"), str):
        yield data["name"]
    texts = [value for key, value in data.items() if key != "name" and isinstance(value, str)]
    link = next((text for text in texts if "/" in text or is_image(text)), "")
    # The path of a local file, and a URL without its signature.
    for text in dict.fromkeys((link.partition("?d=")[2] or link, link.partition("?")[0])):
        path = unquote(text).replace("\\", "/")
        yield from _endings(path)
        # The names of uploaded files are prefixed with eight characters and a hyphen.
        yield path.rpartition("/")[2].partition("-")[2]


def _endings(path: str) -> Iterator[str]:
    """Yield a path, then the path without its first folder, and so on."""
    while path:
        yield path
        path = path.partition("/")[2]
