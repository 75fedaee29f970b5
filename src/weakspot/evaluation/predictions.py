"""Images in, scores out: a classifier's maps or somebody else's, scored while the next images are read."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from weakspot.concurrency import batched, ordered_map
from weakspot.data import read_as_annotated
from weakspot.data.decoding import read_sizes
from weakspot.errors import ModelError, WeakspotError
from weakspot.evaluation.external_maps import read_map
from weakspot.evaluation.map_scores import (
    Refine,
    Regions,
    Scores,
    regions,
    regions_of_class_map,
    score,
    unreadable_scores,
)
from weakspot.evaluation.samples import EvaluationSample
from weakspot.evaluation.targets import Target, target
from weakspot.inference.backends import ClassifierOutput
from weakspot.inference.backends.base import Pixels
from weakspot.inference.localizer import Localizer
from weakspot.metrics.check_inputs import ranks_of
from weakspot.ops.refinement import refine

UNRANKED = 1_000_000_000  # a rank behind all classes


@dataclass(frozen=True, eq=False)
class Prediction:
    """What became of one class in one image.

    Attributes:
        case: The image.
        which: Index of the class among the image's truths.
        target: Where it is.
        size: ``(height, width)`` of the image; None where it could not be read.
        scores: What each map is worth, by its name.
        regions: The maps' regions, by name; empty where the image could not be read.
        rank: Place of the class among the predictions, 0 the first; None where no classifier was asked. Of an image
            that could not be localized it is behind all.
        predicted: The most probable class; None where there is none.
        error: Why the image could not be localized, or None.
        found: Boxes that come from a file, by its name, in the 224 frame, the surest first.
    """

    case: EvaluationSample
    which: int
    target: Target
    size: tuple[int, int] | None
    scores: dict[str, Scores]
    regions: dict[str, Regions] = field(default_factory=dict)
    rank: int | None = None
    predicted: int | None = None
    error: WeakspotError | None = None
    found: dict[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Photo:
    """An image on its way to the classifier, and where its classes are."""

    case: EvaluationSample
    size: tuple[int, int]
    targets: list[Target]
    pixels: Pixels


_Waiting = _Photo | list[Prediction]


def predictions_of_model(
    localizer: Localizer,
    cases: Sequence[EvaluationSample],
    methods: Mapping[str, str],
    fixed: Mapping[str, Regions],
    *,
    batch_size: int = 16,
    workers: int = 2,
) -> Iterator[Prediction]:
    """Read the maps of the true classes out of a classifier, all methods in one forward pass, and score them.

    Args:
        localizer: The classifier.
        cases: The images.
        methods: The methods by the names that their scores shall have.
        fixed: Maps that are the same for each image, by name: the baselines.
        batch_size: Images in one forward pass.
        workers: Threads that decode and score.

    Yields:
        One outcome for each class in each image, in order. What cannot be read counts as wrong.
    """

    def decode(case: EvaluationSample) -> _Waiting:
        try:
            return _decoded(case, localizer)
        except WeakspotError as error:
            return failed_predictions(case, [*methods, *fixed], error)

    def read(batch: list[_Waiting]) -> Iterator[tuple[_Waiting, int, list[ClassifierOutput]]]:
        photos = [one for one in batch if isinstance(one, _Photo)]
        maps = _read(localizer, photos, methods) if photos else []
        place = iter(range(len(photos)))
        return ((one, next(place) if isinstance(one, _Photo) else 0, maps) for one in batch)

    def finish(found: tuple[_Waiting, int, list[ClassifierOutput]]) -> list[Prediction]:
        one, place, maps = found
        return _scored(one, place, localizer, methods, maps, fixed) if isinstance(one, _Photo) else one

    with ThreadPoolExecutor(max(1, workers)) as threads:
        waiting = ordered_map(decode, cases, threads, max_pending=2 * batch_size)
        found = (one for batch in batched(waiting, batch_size) for one in read(batch))
        for outcomes in ordered_map(finish, found, threads, max_pending=_ahead(localizer, batch_size, workers)):
            yield from outcomes


def _ahead(localizer: Localizer, batch_size: int, workers: int) -> int:
    """How many images may be waiting for their scores while the classifier goes on.

    Where it runs on all cores, its threads wait for one another, and scoring beside it would cost twice its time: then
    no more than are scored at once. Else, two batches.
    """
    on_cpu = localizer.backend == "onnx" or localizer.device.type == "cpu"
    crowded = on_cpu and torch.get_num_threads() >= (os.cpu_count() or 1)
    return max(1, workers) if crowded else 2 * batch_size


def predictions_of_maps(
    folder: Path, cases: Sequence[EvaluationSample], name: str, fixed: Mapping[str, Regions], *, workers: int = 2
) -> Iterator[Prediction]:
    """Score maps that lie in files, one of each image; see :func:`~weakspot.evaluation.external_maps.read_map`."""

    def finish(case: EvaluationSample) -> list[Prediction]:
        score_map = read_map(folder, case.example.image_id)
        own = {name: regions(score_map, score_map)}
        try:
            height, width = image_size(case)
        except WeakspotError as error:
            return failed_predictions(case, [name, *fixed], error)
        targets = [target(truth, height=height, width=width) for truth in case.truths]
        return [
            Prediction(case, which, one, (height, width), _scores(own | dict(fixed), one), own)
            for which, one in enumerate(targets)
        ]

    with ThreadPoolExecutor(max(1, workers)) as threads:
        for outcomes in ordered_map(finish, cases, threads, max_pending=2 * max(1, workers)):
            yield from outcomes


def image_size(case: EvaluationSample) -> tuple[int, int]:
    """``(height, width)`` of the frame that an image's boxes are in: as annotated, else as stored."""
    return case.example.size or read_sizes(case.example.path)[0]


def _decoded(case: EvaluationSample, localizer: Localizer) -> _Photo:
    image = read_as_annotated(case.example.path, case.example.size, max_pixels=localizer.max_pixels)
    targets = [target(truth, height=image.height, width=image.width) for truth in case.truths]
    return _Photo(case, (image.height, image.width), targets, localizer.resize(image))


def failed_predictions(case: EvaluationSample, names: Sequence[str], error: WeakspotError) -> list[Prediction]:
    """Count an image that cannot be read as wrong, for the baselines as well: all are over the same images."""
    height, width = case.example.size or (1, 1)
    targets = [target(truth, height=height, width=width) for truth in case.truths]
    plain = error.with_traceback(None)
    rank = UNRANKED if case.classes else None
    return [
        Prediction(case, which, one, None, dict.fromkeys(names, unreadable_scores(one)), rank=rank, error=plain)
        for which, one in enumerate(targets)
    ]


def _read(localizer: Localizer, photos: list[_Photo], methods: Mapping[str, str]) -> list[ClassifierOutput]:
    """Class maps of every image's classes; where an image has fewer than another, its first is read again."""
    most = max(len(photo.case.classes) for photo in photos)
    rows = [[*photo.case.classes, *photo.case.classes[:1] * (most - len(photo.case.classes))] for photo in photos]
    return localizer.read([photo.pixels for photo in photos], np.array(rows), list(methods.values()))


def _scored(
    photo: _Photo,
    i: int,
    localizer: Localizer,
    methods: Mapping[str, str],
    maps: list[ClassifierOutput],
    fixed: Mapping[str, Regions],
) -> list[Prediction]:
    logits = maps[0].logits[i]
    if not np.isfinite(logits).all():
        problem = f"The model's output for {photo.case.example.path} is not finite."
        error = ModelError(problem, "Check its weights, its normalisation and its precision.")
        return failed_predictions(photo.case, [*methods, *fixed], error)
    ranks = ranks_of(np.broadcast_to(logits, (len(photo.targets), len(logits))), np.array(photo.case.classes))
    frame = localizer.preprocessing
    outcomes = []
    for which, one in enumerate(photo.targets):
        own = {
            name: regions_of_class_map(
                found.maps[i, which],
                height=frame.height,
                width=frame.width,
                refine=_refinement(localizer, method, photo),
            )
            for (name, method), found in zip(methods.items(), maps, strict=True)
        }
        scores, best = _scores(own | dict(fixed), one), int(logits.argmax())
        outcomes.append(Prediction(photo.case, which, one, photo.size, scores, own, int(ranks[which]), best))
    return outcomes


def _refinement(localizer: Localizer, method: str, photo: _Photo) -> Refine | None:
    """What is done to a photo's heatmaps; None where nothing is."""
    name, level = localizer.readout.refine, localizer.threshold_of(method)
    return None if name is None else lambda heatmap: refine(name, photo.pixels, heatmap, level)


def _scores(maps: dict[str, Regions], one: Target) -> dict[str, Scores]:
    return {name: score(found, one) for name, found in maps.items()}
