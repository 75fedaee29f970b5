"""Label Studio: tasks with predictions to correct, the most uncertain first.

::

    tasks.json       a list of tasks: data (image, name, split, uncertainty) and predictions (result, score)
    config.xml       the labeling configuration: the classes as choices
    images/<path>

Coordinates are percentages of the upright image. A task's score is the minimum of its objects. For tasks with local
files, start Label Studio with ``LOCAL_FILES_SERVING_ENABLED=true`` and ``LOCAL_FILES_DOCUMENT_ROOT`` set to this
folder, and add the folder ``images`` as a local storage.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from weakspot.errors import InputError
from weakspot.labels.label_studio_config import FROM, POLYGONS_FROM, TO, check_tasks, labeling_config
from weakspot.labels.polygons import mask_to_polygon
from weakspot.labels.records import LabeledImage, LabeledObject, LabelProblem, LabelSet, WriteOptions
from weakspot.labels.review_order import most_uncertain_first
from weakspot.labels.rle import decode_rle
from weakspot.labels.text_files import write_json, write_text

Record = dict[str, Any]


def write(labels: LabelSet, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:
    """Write tasks and the labeling configuration, and check that they match."""
    config = labeling_config(labels.classes)
    images = enumerate(most_uncertain_first(labels.images), start=1)
    tasks = [_task(number, image, options) for number, image in images]
    problems = check_tasks(tasks, config)
    if problems:
        problem = f"{len(problems)} regions do not match the labeling configuration: {problems[0]}."
        raise InputError("config-mismatch", problem)
    write_json(folder / "tasks.json", tasks)
    write_text(folder / "config.xml", config)
    return []


def _task(number: int, image: LabeledImage, options: WriteOptions) -> Record:
    data: Record = {"image": options.url + quote(image.path), "name": image.path, "split": image.split}
    data |= {"uncertainty": image.uncertainty, "width": image.width, "height": image.height}
    results = [_result(i, item, image, options.polygons) for i, item in enumerate(image.objects)]
    prediction: Record = {"model_version": "weakspot", "result": results}
    if image.score is not None:
        prediction["score"] = image.score
    return {"id": number, "data": data, "predictions": [prediction]}


def _result(number: int, item: LabeledObject, image: LabeledImage, polygons: bool) -> Record:
    kind, source, value = _polygon(item, image) if polygons and item.mask is not None else _rectangle(item, image)
    region: Record = {"id": f"object{number}", "from_name": source, "to_name": TO, "type": kind}
    region |= {"original_width": image.width, "original_height": image.height, "image_rotation": 0}
    region["value"] = value | {kind: [item.label]}
    return region if item.score is None else region | {"score": item.score}


def _rectangle(item: LabeledObject, image: LabeledImage) -> tuple[str, str, Record]:
    x1, y1, x2, y2 = item.box
    across, down = 100 / image.width, 100 / image.height
    value = {"x": x1 * across, "y": y1 * down, "width": (x2 - x1) * across, "height": (y2 - y1) * down, "rotation": 0}
    return "rectanglelabels", FROM, value


def _polygon(item: LabeledObject, image: LabeledImage) -> tuple[str, str, Record]:
    assert item.mask is not None
    corners = mask_to_polygon(decode_rle(item.mask)) * [100 / image.width, 100 / image.height]
    return "polygonlabels", POLYGONS_FROM, {"points": corners.tolist(), "closed": True}


def image_names(task: Record) -> Iterator[str]:
    """Yield candidates for the name of a task's image, the most likely first."""
    data = task["data"]
    if isinstance(data.get("name"), str):
        yield data["name"]
    link = next((value for key, value in data.items() if key != "name" and isinstance(value, str) and "/" in value), "")
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
