"""Read and score predicted boxes of another tool: COCO results, CSV, or boxes.jsonl of weakspot localize."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakspot.data import Dataset
from weakspot.data.formats import coco
from weakspot.data.formats.walk import without_suffix
from weakspot.errors import InputError, WeakspotError
from weakspot.evaluation.map_scores import Regions, Scores, score_regions, unreadable_scores
from weakspot.evaluation.predictions import Prediction, failed_predictions, image_size
from weakspot.evaluation.samples import EvaluationSample, raise_if_any
from weakspot.evaluation.targets import SIDE, Target, make_target
from weakspot.io.folders import is_file
from weakspot.io.text import FileLine, parse_float, read_csv, read_text
from weakspot.metrics import box_iou, reference_boxes
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.ops import scale_boxes
from weakspot.ops.contours import THRESHOLDS

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_IMAGE_COLUMNS = ("image_id", "image", "path", "file")
_RECORD_ERRORS = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


class PredictedBox(NamedTuple):
    """A predicted box in pixels of the image, right and bottom excluded; the label may be unknown."""

    image: str
    box: tuple[float, float, float, float]
    label: str | None
    score: float


@dataclass(frozen=True)
class PredictedBoxes:
    """The boxes of a file by image id, the highest score first."""

    by_image: Mapping[str, Sequence[PredictedBox]]

    def of(self, sample: EvaluationSample, label: str | None = None) -> NDArray[np.float64]:
        """Return the boxes in an image, shape (n, 4); with a label, those of this class and those without a class."""
        rows = [
            prediction.box
            for prediction in self.by_image.get(sample.image.image_id, ())
            if label is None or prediction.label is None or prediction.label.casefold() == label.casefold()
        ]
        return np.array(rows, np.float64).reshape(-1, 4)


def read_boxes(
    file: Path, dataset: Dataset, ground_truth: Path | None = None, images: Path | None = None
) -> PredictedBoxes:
    """Read predicted boxes and match them with the images of a data set.

    Args:
        file: ``.json``: COCO results (``image_id``, ``bbox``, ``category_id``, ``score``); ``.csv`` with the columns
            ``image_id, xmin, ymin, xmax, ymax`` and optionally ``class`` and ``score``; ``.jsonl`` as localize writes.
        dataset: The data set of the images.
        ground_truth: COCO file that defines the ids in the results. Default: as defined by the layout of the data set.
        images: Folder of the images. Default: as defined by the layout of the data set.

    Raises:
        InputError: ``boxes-not-found``, ``unknown-format`` or ``boxes-invalid``; ``unknown-image`` if the data set
            lacks an image of the file.
    """
    if not is_file(file):
        raise InputError("boxes-not-found", f"The file of predicted boxes {file} does not exist.")
    readers = {".json": _coco_results, ".csv": _csv, ".jsonl": _json_lines}
    if file.suffix.lower() not in readers:
        raise InputError("unknown-format", f"{file} must be COCO results (.json), .csv or .jsonl.")
    ids, labels = coco.result_ids(dataset.root, images, ground_truth) if dataset.layout == "COCO" else ({}, {})
    names = _image_names(dataset) | {str(key): name for key, name in ids.items()}
    predictions = list(readers[file.suffix.lower()](file, {str(key): name for key, name in labels.items()}))
    unknown = dict.fromkeys(one.image for one in predictions if _match(one.image, names) is None)
    hint = "Name images by their ids in the data set, or by their paths."
    raise_if_any(list(unknown), "unknown-image", f"images of {file} are not in {dataset.root}", hint)
    by_image: dict[str, list[PredictedBox]] = {}
    for prediction in sorted(predictions, key=lambda one: -one.score):
        by_image.setdefault(_match(prediction.image, names) or "", []).append(prediction)
    return PredictedBoxes(by_image)


def predictions_of_boxes(
    boxes: PredictedBoxes, samples: Sequence[EvaluationSample], name: str, fixed_maps: Mapping[str, Regions]
) -> Iterator[Prediction]:
    """Score predicted boxes and the baselines (``fixed_maps``); an image without a box counts as wrong."""
    for sample in samples:
        try:
            height, width = image_size(sample)
        except WeakspotError as error:
            yield from failed_predictions(sample, [name, *fixed_maps], error)
            continue
        for i, annotation in enumerate(sample.annotations):
            target = make_target(annotation, height=height, width=width)
            image_boxes = boxes.of(sample, annotation.label)
            scores = {name: score_boxes(image_boxes, target, height=height, width=width)}
            scores |= {other: score_regions(regions, target) for other, regions in fixed_maps.items()}
            scaled = scale_boxes(image_boxes, from_size=(height, width), to_size=(SIDE, SIDE))
            yield Prediction(sample, i, target, (height, width), scores, boxes={name: scaled})


def score_boxes(boxes: NDArray[np.float64], target: Target, *, height: int, width: int) -> Scores:
    """Score boxes without a map, shape (n, 4) in pixels, highest score first: the scores are equal at all thresholds.

    ``largest`` and ``native`` score the first box, ``every`` scores all of them.
    """
    if not len(boxes) or not len(target.boxes):
        return unreadable_scores(target)
    truncated = np.minimum(reference_boxes(boxes, height=height, width=width, side=SIDE), SIDE - 1)
    best = box_iou(truncated, target.reference_boxes, inclusive=True).max(axis=1)
    scaled = boxes * SIDE / np.array([width, height, width, height])
    native = box_iou(scaled[:1], target.boxes).max()
    ones = np.ones(len(THRESHOLDS))
    masks = unreadable_scores(target)
    return Scores(ones * best[0], ones * best.max(), np.full(len(NATIVE_THRESHOLDS), native), masks.mask, masks.pixels)


def _image_names(dataset: Dataset) -> dict[str, str]:
    """Map all names of an image to its id: id, id without suffix, path as given, absolute path.

    For a link, as ``weakspot label`` writes them, also the path of its target.
    """
    names: dict[str, str] = {}
    for image in dataset.samples:
        for name in (without_suffix(image.image_id), str(image.path), str(image.path.absolute())):
            names.setdefault(name, image.image_id)
        if image.path.is_symlink():
            names.setdefault(str(image.path.resolve()), image.image_id)
    return names | {image.image_id: image.image_id for image in dataset.samples}


def _match(name: str, names: Mapping[str, str]) -> str | None:
    image_id = names.get(name) or names.get(str(Path(name).absolute())) or names.get(without_suffix(name))
    return image_id or names.get(os.path.realpath(name))


def _coco_results(file: Path, labels: Mapping[str, str]) -> Iterator[PredictedBox]:
    try:
        content = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise InputError("boxes-invalid", f"{file} is not JSON: {error}.") from error
    if not isinstance(content, list):
        raise InputError("boxes-invalid", f"{file} must contain a list of COCO results.")
    for i, record in enumerate(content):
        location = f"{file}: result {i}"
        try:
            left, top, width, height = (float(side) for side in record["bbox"])
            image, score = str(record["image_id"]), float(record.get("score", 1.0))
        except _RECORD_ERRORS as error:
            problem = f"{location} must have image_id and bbox, a list of four numbers."
            raise InputError("boxes-invalid", problem) from error
        category = record.get("category_id")
        if labels and category is not None and str(category) not in labels:
            raise InputError("unknown-category", f"{location} has the unknown category_id {category}.")
        box = (left, top, left + width, top + height)
        yield _checked(PredictedBox(image, box, labels.get(str(category)), score), location)


def _csv(file: Path, _labels: Mapping[str, str]) -> Iterator[PredictedBox]:
    for location, cells in read_csv(file, _SIDES):
        name = next((cells[column] for column in _IMAGE_COLUMNS if column in cells), None)
        if name is None:
            raise InputError("missing-column", f"{FileLine(file, 1)} must have a column image_id.")
        x1, y1, x2, y2 = (parse_float(cells[side], location) for side in _SIDES)
        score = parse_float(cells["score"], location) if cells.get("score") else 1.0
        yield _checked(PredictedBox(name, (x1, y1, x2, y2), cells.get("class") or None, score), location)


def _json_lines(file: Path, _labels: Mapping[str, str]) -> Iterator[PredictedBox]:
    """Read boxes.jsonl; the boxes of a row keep their order, the largest region first."""
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        location = f"{file}, line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            boxes = [
                (str(row["image"]), result["label"], tuple(map(float, box)), float(result["score"]) - i * 1e-9)
                for result in (row, *row.get("others", []))
                for i, box in enumerate(result["boxes"])
            ]
        except _RECORD_ERRORS as error:
            raise InputError("boxes-invalid", f"{location} is not a row of weakspot localize.") from error
        for image, _label, box, score in boxes:
            if len(box) != 4:
                problem = f"{location}: a box must have 4 numbers (x1, y1, x2, y2), got {len(box)}."
                raise InputError("box-invalid", problem)
            yield _checked(PredictedBox(image, (box[0], box[1], box[2], box[3]), None, score), location)


def _checked(prediction: PredictedBox, location: Any) -> PredictedBox:
    x1, y1, x2, y2 = prediction.box
    if np.isnan(prediction.score):
        raise InputError("score-invalid", f"{location}: the score must be a number, got nan.")
    if not (x1 < x2 and y1 < y2 and np.isfinite(prediction.box).all()):
        raise InputError("box-invalid", f"{location}: a box must have x1 < x2 and y1 < y2, got {list(prediction.box)}.")
    return prediction
