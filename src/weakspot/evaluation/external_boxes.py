"""Match predicted boxes of another tool with the images of a data set, and score them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weakspot.data import Dataset, Sample
from weakspot.data.formats import coco
from weakspot.data.formats.walk import without_suffix
from weakspot.data.image_index import known_images
from weakspot.errors import InputError, WeakspotError
from weakspot.evaluation.box_files import PredictedBox, read_box_file
from weakspot.evaluation.box_frames import BoxFrames
from weakspot.evaluation.map_scores import Regions, Scores, score_regions, unreadable_scores
from weakspot.evaluation.predictions import Prediction, failed_predictions, image_size
from weakspot.evaluation.samples import EvaluationSample, raise_if_any
from weakspot.evaluation.targets import SIDE, Target, make_target
from weakspot.io.folders import check_unpacked, is_file
from weakspot.metrics import box_iou, reference_boxes
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.ops import scale_boxes
from weakspot.ops.contours import THRESHOLDS


@dataclass(frozen=True)
class PredictedBoxes:
    """The boxes of a file by image id, the highest score first, and notes for readers of the metrics."""

    by_image: Mapping[str, Sequence[PredictedBox]]
    notes: tuple[str, ...] = ()

    def of(self, sample: EvaluationSample, label: str | None = None) -> NDArray[np.float64]:
        """Return the boxes in an image, shape (n, 4); with a label, those of this class and those without a class."""
        rows = [
            prediction.box
            for prediction in self.by_image.get(sample.image.image_id, ())
            if label is None or prediction.label is None or prediction.label.casefold() == label.casefold()
        ]
        return np.array(rows, np.float64).reshape(-1, 4)

    def count(self, images: Sequence[Sample]) -> int:
        """Count the boxes in some images."""
        return sum(len(self.by_image.get(image.image_id, ())) for image in images)

    def of_absent_classes(self, sample: EvaluationSample) -> NDArray[np.float64]:
        """Return the boxes in an image of classes that it does not have, with or without a box, shape (n, 4)."""
        present = {annotation.label.casefold() for annotation in sample.image.annotations}
        rows = [
            prediction.box
            for prediction in self.by_image.get(sample.image.image_id, ())
            if prediction.label is not None and prediction.label.casefold() not in present
        ]
        return np.array(rows, np.float64).reshape(-1, 4)


def read_boxes(
    file: Path, dataset: Dataset, ground_truth: Path | None = None, images: Path | None = None
) -> PredictedBoxes:
    """Read predicted boxes and match them with the images of a data set.

    A COCO result with a ``file_name`` belongs to the image of this name, whatever its ``image_id`` is: some tools make
    one up. A name without a folder may be that of an image in any folder, if only one has it. Rows of ``weakspot
    localize`` have boxes in upright images, which are converted if the data set annotates stored pixels.

    Args:
        file: ``.json``: COCO results (``image_id`` or ``file_name``, ``bbox``, ``category_id``, ``score``); ``.csv``
            with the columns ``image_id, xmin, ymin, xmax, ymax`` and optionally ``class``, ``score``, ``width`` and
            ``height``; ``.jsonl`` as localize writes.
        dataset: The data set of the images.
        ground_truth: COCO file that defines the ids in the results. Default: as defined by the layout of the data set.
        images: Folder of the images. Default: as defined by the layout of the data set.

    Raises:
        InputError: ``boxes-not-found``, ``unknown-format`` or ``boxes-invalid``; ``unknown-image`` if the data set
            lacks an image of the file; ``shape-mismatch`` if boxes are those of an image of another size.
    """
    if not is_file(file):
        raise InputError("boxes-not-found", f"The file of predicted boxes {file} does not exist.")
    check_unpacked(file)
    result_ids = coco.result_ids(dataset.root, images, ground_truth) if dataset.layout == "COCO" else ({}, {})
    ids, labels = ({str(key): name for key, name in by_id.items()} for by_id in result_ids)
    predictions = read_box_file(file, labels)
    names = _ImageNames(dataset, ids)
    image_ids = [names.find(prediction) for prediction in predictions]
    pairs = list(zip(predictions, image_ids, strict=True))
    unknown = dict.fromkeys(one.file_name or one.image for one, image_id in pairs if image_id is None)
    hint = "Name images by their ids in the data set, or by their paths."
    raise_if_any(list(unknown), "unknown-image", f"images of {file} are not in {dataset.root}", hint)
    frames = BoxFrames(dataset)
    by_image: dict[str, list[PredictedBox]] = {}
    for prediction, image_id in sorted(pairs, key=lambda pair: -pair[0].score):
        by_image.setdefault(image_id or "", []).append(frames.convert(prediction, image_id or ""))
    other_ids = sum(ids.get(one.image, image_id) != image_id for one, image_id in pairs)
    assumed = sum(frames.is_assumed(prediction, image_id or "") for prediction, image_id in pairs)
    return PredictedBoxes(by_image, tuple(_notes(file.name, other_ids, assumed)))


def _notes(file: str, other_ids: int, assumed: int) -> Iterator[str]:
    if other_ids:
        yield f"{other_ids} boxes of {file} have the image_id of another image than their file_name, which is used."
    if assumed:
        problem = f"{assumed} boxes of {file} are of images that EXIF turns and do not prove to which pixels they refer"
        yield f"{problem}: taken as boxes of the annotated pixels."


def predictions_of_boxes(
    boxes: PredictedBoxes, samples: Sequence[EvaluationSample], name: str, fixed_maps: Mapping[str, Regions]
) -> Iterator[Prediction]:
    """Score predicted boxes and the baselines (``fixed_maps``); an image without a box counts as wrong.

    Boxes of classes that an image does not have are false positives, which its first class with boxes has.
    """
    for sample in samples:
        try:
            height, width = image_size(sample)
        except WeakspotError as error:
            yield from failed_predictions(sample, [name, *fixed_maps], error)
            continue
        with_boxes = (i for i, annotation in enumerate(sample.annotations) if len(annotation.boxes))
        first = next(with_boxes, None)
        for i, annotation in enumerate(sample.annotations):
            target = make_target(annotation, height=height, width=width)
            image_boxes = boxes.of(sample, annotation.label)
            scores = {name: score_boxes(image_boxes, target, height=height, width=width)}
            scores |= {other: score_regions(regions, target) for other, regions in fixed_maps.items()}
            scaled = scale_boxes(image_boxes, from_size=(height, width), to_size=(SIDE, SIDE))
            absent = {name: boxes.of_absent_classes(sample)} if i == first else {}
            yield Prediction(sample, i, target, (height, width), scores, boxes={name: scaled}, absent=absent)


def score_boxes(boxes: NDArray[np.float64], target: Target, *, height: int, width: int) -> Scores:
    """Score boxes without a map, shape (n, 4) in pixels, highest score first: the scores are equal at all thresholds.

    ``largest`` and ``native`` score the first box, ``every`` scores all of them.
    """
    if not len(boxes) or not len(target.boxes):
        return replace(unreadable_scores(target), peak_distance=None, overlap_counts=None)
    truncated = np.minimum(reference_boxes(boxes, height=height, width=width, side=SIDE), SIDE - 1)
    best = box_iou(truncated, target.reference_boxes, inclusive=True).max(axis=1)
    scaled = boxes * SIDE / np.array([width, height, width, height])
    native = box_iou(scaled[:1], target.boxes).max()
    ones = np.ones(len(THRESHOLDS))
    masks = unreadable_scores(target)
    return Scores(ones * best[0], ones * best.max(), np.full(len(NATIVE_THRESHOLDS), native), masks.mask, masks.pixels)


class _ImageNames:
    """The ids of images by their names in files of predicted boxes."""

    def __init__(self, dataset: Dataset, ids: Mapping[str, str]) -> None:
        self._ids = ids
        self._names = _image_names(dataset)
        self._files = {f"{without_suffix(one.image_id)}{one.path.suffix}": one.image_id for one in dataset.samples}
        self._index = known_images(dict.fromkeys(self._files, (0, 0)))

    def find(self, prediction: PredictedBox) -> str | None:
        """Return the id of the image of a box; None if it is unknown."""
        if prediction.file_name is not None:
            return self._by_name(prediction.file_name)
        return self._ids.get(prediction.image) or self._by_name(prediction.image)

    def _by_name(self, name: str) -> str | None:
        image_id = self._names.get(name) or self._names.get(str(Path(name).absolute()))
        image_id = image_id or self._names.get(without_suffix(name)) or self._names.get(os.path.realpath(name))
        if image_id is not None or "/" in name or "\\" in name:
            return image_id
        return self._files.get(self._index.match(name) or "")


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
