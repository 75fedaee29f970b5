"""Boxes that somebody else's code has found: COCO results, CSV, or the rows that weakspot localize writes."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakspot.data import Dataset
from weakspot.data.readers import coco
from weakspot.data.readers.walk import is_file, without_suffix
from weakspot.errors import InputError, WeakspotError
from weakspot.evaluation.map_scores import Regions, Scores, score, unreadable_scores
from weakspot.evaluation.predictions import Prediction, failed_predictions, image_size
from weakspot.evaluation.samples import EvaluationSample, refuse
from weakspot.evaluation.targets import SIDE, Target, target
from weakspot.io.text import FileLine, parse_float, read_csv, read_text
from weakspot.metrics import box_iou, reference_boxes
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.ops import scale_boxes
from weakspot.ops.contours import THRESHOLDS

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_NAMES = ("image_id", "image", "path", "file")


class FoundBox(NamedTuple):
    """A box that was found: in pixels of the image, right and bottom excluded; label and score where they are known."""

    image: str
    box: tuple[float, float, float, float]
    label: str | None
    score: float


@dataclass(frozen=True)
class FoundBoxes:
    """The boxes of a file, by image id, the highest score first."""

    by_image: Mapping[str, Sequence[FoundBox]]

    def of(self, case: EvaluationSample, label: str | None = None) -> NDArray[np.float64]:
        """The boxes in an image, shape (n, 4); with a label those of that class, and those that name no class."""
        found = self.by_image.get(case.example.image_id, ())
        wanted = None if label is None else label.casefold()
        rows = [one.box for one in found if wanted is None or one.label is None or one.label.casefold() == wanted]
        return np.array(rows, np.float64).reshape(-1, 4)


def read_boxes(file: Path, dataset: Dataset, truth: Path | None = None, images: Path | None = None) -> FoundBoxes:
    """Read found boxes and pair them with a data set's images.

    Args:
        file: ``.json``: COCO results (``image_id``, ``bbox``, ``category_id``, ``score``); ``.csv`` with the columns
            ``image_id, xmin, ymin, xmax, ymax`` and perhaps ``class`` and ``score``; ``.jsonl`` as localize writes it.
        dataset: Whose images they were found in.
        truth: The COCO file that the ids of results refer to, if it is not where the layout has it.
        images: The folder of the images, likewise.

    Raises:
        InputError: If the file is none of these, or names images that the data set has not.
    """
    if not is_file(file):
        raise InputError(f"The file of found boxes {file} does not exist.", "Check the path.")
    readers = {".json": _coco_results, ".csv": _csv, ".jsonl": _json_lines}
    if file.suffix.lower() not in readers:
        raise InputError(f"{file} is no file of found boxes.", "Give COCO results (.json), .csv, or boxes.jsonl.")
    ids, labels = coco.result_ids(dataset.root, images, truth) if dataset.layout == "COCO" else ({}, {})
    known = _known_names(dataset) | {str(key): name for key, name in ids.items()}
    found = list(readers[file.suffix.lower()](file, {str(key): name for key, name in labels.items()}))
    strangers = dict.fromkeys(one.image for one in found if _match(one.image, known) is None)
    hint = "Name images by their ids in the data set, or by their paths."
    refuse(list(strangers), f"images of {file} are not in {dataset.root}", hint)
    by_image: dict[str, list[FoundBox]] = {}
    for one in sorted(found, key=lambda box: -box.score):
        by_image.setdefault(_match(one.image, known) or "", []).append(one)
    return FoundBoxes(by_image)


def outcomes_of_boxes(
    boxes: FoundBoxes, cases: Sequence[EvaluationSample], name: str, fixed: Mapping[str, Regions]
) -> Iterator[Prediction]:
    """Score found boxes; an image without one counts as wrong."""
    for case in cases:
        try:
            height, width = image_size(case)
        except WeakspotError as error:
            yield from failed_predictions(case, [name, *fixed], error)
            continue
        for which, truth in enumerate(case.truths):
            one = target(truth, height=height, width=width)
            found = boxes.of(case, truth.label)
            own = score_boxes(found, one, height=height, width=width)
            scores = {name: own} | {other: score(regions, one) for other, regions in fixed.items()}
            squared = scale_boxes(found, from_size=(height, width), to_size=(SIDE, SIDE))
            yield Prediction(case, which, one, (height, width), scores, found={name: squared})


def score_boxes(found: NDArray[np.float64], one: Target, *, height: int, width: int) -> Scores:
    """Score boxes that have no map: the same at every threshold.

    Args:
        found: Shape (n, 4) in pixels of the image, the highest score first: ``largest`` and ``plain`` are about the
            first one, ``every`` about all.
        one: The truth.
        height: Rows of the image.
        width: Columns of the image.
    """
    if not len(found) or not len(one.boxes):
        return unreadable_scores(one)
    squared = np.minimum(reference_boxes(found, height=height, width=width, side=SIDE), SIDE - 1)
    best = box_iou(squared, one.reference_boxes, inclusive=True).max(axis=1)
    scaled = found * SIDE / np.array([width, height, width, height])
    plain = box_iou(scaled[:1], one.boxes).max()
    repeated = np.ones(len(THRESHOLDS))
    masks = unreadable_scores(one)
    return Scores(
        repeated * best[0], repeated * best.max(), np.full(len(NATIVE_THRESHOLDS), plain), masks.mask, masks.pixels
    )


def _known_names(dataset: Dataset) -> dict[str, str]:
    """Image id by all the names that an image may be called: id, id without suffix, path as given and absolute.

    Of a link, as ``weakspot label`` lays them beside labels, also the path that it leads to.
    """
    names: dict[str, str] = {}
    for example in dataset.samples:
        absolute = str(example.path.absolute())
        for name in (without_suffix(example.image_id), str(example.path), absolute):
            names.setdefault(name, example.image_id)
        if example.path.is_symlink():
            names.setdefault(str(example.path.resolve()), example.image_id)
    return names | {example.image_id: example.image_id for example in dataset.samples}


def _match(name: str, known: Mapping[str, str]) -> str | None:
    by_name = known.get(name) or known.get(str(Path(name).absolute())) or known.get(without_suffix(name))
    return by_name or known.get(os.path.realpath(name))


def _coco_results(file: Path, labels: Mapping[str, str]) -> Iterator[FoundBox]:
    try:
        content = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not JSON: {error}.", "Write the results as a JSON list.") from error
    if not isinstance(content, list):
        raise InputError(f"{file} is not a list of results.", "COCO results are a list of image_id, bbox, score.")
    for position, record in enumerate(content):
        place = f"{file}: result {position}"
        try:
            left, top, width, height = (float(side) for side in record["bbox"])
            image, score_ = str(record["image_id"]), float(record.get("score", 1.0))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise InputError(f"{place} has no image_id and bbox of four numbers.", "Write both for each.") from error
        category = record.get("category_id")
        if labels and category is not None and str(category) not in labels:
            raise InputError(f"{place} has the unknown category_id {category}.", "Use the ids of the data set's file.")
        yield _checked(
            FoundBox(image, (left, top, left + width, top + height), labels.get(str(category)), score_), place
        )


def _csv(file: Path, _labels: Mapping[str, str]) -> Iterator[FoundBox]:
    for place, cells in read_csv(file, _SIDES):
        name = next((cells[column] for column in _NAMES if column in cells), None)
        if name is None:
            raise InputError(f"{FileLine(file, 1)}, has no column image_id.", "Name the image of each box.")
        x1, y1, x2, y2 = (parse_float(cells[side], place) for side in _SIDES)
        score_ = parse_float(cells["score"], place) if cells.get("score") else 1.0
        yield _checked(FoundBox(name, (x1, y1, x2, y2), cells.get("class") or None, score_), place)


def _json_lines(file: Path, _labels: Mapping[str, str]) -> Iterator[FoundBox]:
    """The rows of boxes.jsonl: the boxes of a row are sorted, its largest region first."""
    for line, text in enumerate(read_text(file).split("\n"), start=1):
        place = f"{file}, line {line}"
        if not text.strip():
            continue
        try:
            row = json.loads(text)
            rows = [row, *row.get("others", [])]
            found = [
                (
                    str(row["image"]),
                    tuple(float(side) for side in box),
                    str(one["label"]),
                    float(one["score"]) - i * 1e-9,
                )
                for one in rows
                for i, box in enumerate(one["boxes"])
            ]
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise InputError(
                f"{place}, is not a row of found boxes.", "Give boxes.jsonl of weakspot localize."
            ) from error
        for image, box, _label, score_ in found:
            yield _checked(FoundBox(image, _four(box, place), None, score_), place)


def _four(box: tuple[float, ...], place: str) -> tuple[float, float, float, float]:
    if len(box) != 4:
        raise InputError(f"{place}, has a box of {len(box)} numbers.", "A box is x1, y1, x2, y2.")
    return box[0], box[1], box[2], box[3]


def _checked(found: FoundBox, place: Any) -> FoundBox:
    x1, y1, x2, y2 = found.box
    if np.isnan(found.score):
        raise InputError(f"{place}, has a score that is not a number.", "Write a number, or leave the score out.")
    if not (x1 < x2 and y1 < y2 and np.isfinite(found.box).all()):
        raise InputError(f"{place}, has a box that bounds nothing: {list(found.box)}.", "Write x1 < x2 and y1 < y2.")
    return found
