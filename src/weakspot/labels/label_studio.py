"""Label Studio: tasks with predictions to be corrected, the most doubtful first.

::

    tasks.json       a list of tasks: data (image, name, split, doubt) and predictions (result, score)
    config.xml       the labelling configuration: the classes as choices
    images/<path>

Sides are percentages of the upright image. A task's score is the least of its objects'. For tasks that point to local
files, Label Studio is started with ``LOCAL_FILES_SERVING_ENABLED=true`` and ``LOCAL_FILES_DOCUMENT_ROOT`` set to this
folder, and the folder ``images`` is added as a local storage.
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


def image_path(image: LabeledImage) -> str:
    """Say where an image belongs."""
    return f"images/{image.path}"


def write(labels: LabelSet, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:
    """Write tasks and the labelling configuration, and check the one against the other.

    Args:
        labels: What to write.
        folder: Folder to write to.
        options: The URL before an image's path, and whether masks are polygons.

    Returns:
        No problems.

    Raises:
        InputError: If a task does not fit the configuration.
    """
    config = labeling_config(labels.classes)
    images = enumerate(most_uncertain_first(labels.images), start=1)
    tasks = [_task(number, image, options) for number, image in images]
    wrong = check_tasks(tasks, config)
    if wrong:
        raise InputError(f"{len(wrong)} regions do not fit the labelling configuration: {wrong[0]}.", "Mend the boxes.")
    write_json(folder / "tasks.json", tasks)
    write_text(folder / "config.xml", config)
    return []


def _task(number: int, image: LabeledImage, options: WriteOptions) -> Record:
    data: Record = {"image": options.url + quote(image.path), "name": image.path, "split": image.split}
    data |= {"doubt": image.doubt, "width": image.width, "height": image.height}
    results = [_result(i, one, image, options.polygons) for i, one in enumerate(image.objects)]
    prediction: Record = {"model_version": "weakspot", "result": results}
    if image.score is not None:
        prediction["score"] = image.score
    return {"id": number, "data": data, "predictions": [prediction]}


def _result(number: int, one: LabeledObject, image: LabeledImage, polygons: bool) -> Record:
    kind, source, value = _polygon(one, image) if polygons and one.mask is not None else _rectangle(one, image)
    region: Record = {"id": f"object{number}", "from_name": source, "to_name": TO, "type": kind}
    region |= {"original_width": image.width, "original_height": image.height, "image_rotation": 0}
    region["value"] = value | {kind: [one.label]}
    return region if one.score is None else region | {"score": one.score}


def _rectangle(one: LabeledObject, image: LabeledImage) -> tuple[str, str, Record]:
    x1, y1, x2, y2 = one.box
    across, down = 100 / image.width, 100 / image.height
    value = {"x": x1 * across, "y": y1 * down, "width": (x2 - x1) * across, "height": (y2 - y1) * down, "rotation": 0}
    return "rectanglelabels", FROM, value


def _polygon(one: LabeledObject, image: LabeledImage) -> tuple[str, str, Record]:
    assert one.mask is not None
    corners = mask_to_polygon(decode_rle(one.mask)) * [100 / image.width, 100 / image.height]
    return "polygonlabels", POLYGONS_FROM, {"points": corners.tolist(), "closed": True}


def image_names(task: Record) -> Iterator[str]:
    """Give what a task's image may be called, the surest first."""
    data = task["data"]
    if isinstance(data.get("name"), str):
        yield data["name"]
    link = next((value for key, value in data.items() if key != "name" and isinstance(value, str) and "/" in value), "")
    for told in dict.fromkeys((link.partition("?d=")[2] or link, link.partition("?")[0])):  # a signature goes last
        path = unquote(told).replace("\\", "/")
        yield from _endings(path)
        # Files that were uploaded have eight characters and a hyphen before their names.
        yield path.rpartition("/")[2].partition("-")[2]


def _endings(path: str) -> Iterator[str]:
    """A path, and then without its first folder, and so on."""
    while path:
        yield path
        path = path.partition("/")[2]
