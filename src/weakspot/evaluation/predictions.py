"""Predict and score images: class maps of a classifier, or maps from files."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from weakspot.concurrency import batched, ordered_map
from weakspot.data import read_as_annotated
from weakspot.data.decoding import read_sizes
from weakspot.data.image_files import errors_of_image
from weakspot.errors import ModelError, WeakspotError
from weakspot.evaluation.external_maps import read_map
from weakspot.evaluation.image_scores import image_scores
from weakspot.evaluation.map_scores import (
    Refine,
    Regions,
    Scores,
    regions_of_class_map,
    regions_of_heatmap,
    score_regions,
    unreadable_scores,
)
from weakspot.evaluation.samples import EvaluationSample
from weakspot.evaluation.targets import Target, make_target
from weakspot.inference.backends import ClassifierOutput
from weakspot.inference.backends.base import Pixels
from weakspot.inference.localizer import Localizer
from weakspot.inference.presence import decided_logits
from weakspot.inference.probabilities import object_probability
from weakspot.metrics.check_inputs import ranks_of
from weakspot.models.model_info import ModelInfo
from weakspot.ops.evidence import competition_margins
from weakspot.ops.preprocessing import whole_array
from weakspot.ops.refinement import refine

UNRANKED = 1_000_000_000  # a rank after those of all classes


@dataclass(frozen=True, eq=False)
class Prediction:
    """Scored prediction of one class in one image.

    Attributes:
        sample: The image.
        target_index: Index of the class among the annotations of the image.
        target: Ground truth of the class.
        size: ``(height, width)`` of the image; None if it could not be read.
        scores: Scores of each map, by its name.
        regions: Regions of each map, by its name; empty if the image could not be read.
        rank: Rank of the class from 0; None without a classifier, ``UNRANKED`` if the image could not be processed.
        predicted: Index of the most probable class; None without a classifier.
        error: Why the image could not be processed, or None.
        boxes: Boxes from a file, by the name of the file, in the 224 frame, the most confident first.
        absent: Boxes from a file of classes that the image does not have, once for each image.
        image_scores: Score of the image, the higher the more likely an object, by the name of the map; without the maps
            that do not depend on the image.
    """

    sample: EvaluationSample
    target_index: int
    target: Target
    size: tuple[int, int] | None
    scores: dict[str, Scores]
    regions: dict[str, Regions] = field(default_factory=dict)
    rank: int | None = None
    predicted: int | None = None
    error: WeakspotError | None = None
    boxes: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    absent: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    image_scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _DecodedImage:
    """A decoded image with the ground truth of its classes."""

    sample: EvaluationSample
    size: tuple[int, int]
    targets: list[Target]
    pixels: Pixels


_Decoded = _DecodedImage | list[Prediction]  # the predictions of an image that could not be decoded
_Job = tuple[_Decoded, int, list[ClassifierOutput], list[ClassifierOutput]]


def predictions_of_model(
    localizer: Localizer,
    samples: Sequence[EvaluationSample],
    methods: Mapping[str, str],
    fixed_maps: Mapping[str, Regions],
    *,
    batch_size: int = 16,
    workers: int = 2,
    with_peaks: bool = False,
) -> Iterator[Prediction]:
    """Compute and score the class maps of the true classes, all methods in one forward pass.

    ``methods`` are given by the names of their rows; ``fixed_maps``, the baselines, are the same for every image. With
    ``with_peaks``, the peaks of the most probable class are the image scores of a classifier without a background
    class, for which a second pass is needed.

    Yields:
        A prediction for each class of each image, in order. Images that cannot be read count as wrong.
    """

    def decode(sample: EvaluationSample) -> _Decoded:
        try:
            return _decode(sample, localizer)
        except WeakspotError as error:
            return failed_predictions(sample, [*methods, *fixed_maps], error)

    def predict(batch: list[_Decoded]) -> Iterator[_Job]:
        images = [item for item in batch if isinstance(item, _DecodedImage)]
        outputs = _class_maps(localizer, images, methods) if images else []
        pixels = [image.pixels for image in images]
        tops = localizer.top_class_maps(pixels, 1, list(methods.values())) if images and with_peaks else []
        position = iter(range(len(images)))
        return ((item, next(position) if isinstance(item, _DecodedImage) else 0, outputs, tops) for item in batch)

    def score(job: _Job) -> list[Prediction]:
        item, position, outputs, tops = job
        if not isinstance(item, _DecodedImage):
            return item
        peaks = [output.evidence[position, 0] for output in tops]
        return _score(item, position, localizer, methods, outputs, fixed_maps, peaks)

    with ThreadPoolExecutor(max(1, workers)) as threads:
        decoded = ordered_map(decode, samples, threads, max_pending=2 * batch_size)
        jobs = (job for batch in batched(decoded, batch_size) for job in predict(batch))
        for predictions in ordered_map(score, jobs, threads, max_pending=_max_pending(localizer, batch_size, workers)):
            yield from predictions


def _max_pending(localizer: Localizer, batch_size: int, workers: int) -> int:
    """Return the maximum number of images that wait for their scores during a forward pass.

    If the classifier runs on all CPU cores, its threads wait for each other, and concurrent scoring would double its
    time: then as many images as there are workers, otherwise two batches.
    """
    on_cpu = localizer.backend == "onnx" or localizer.device.type == "cpu"
    uses_all_cores = on_cpu and torch.get_num_threads() >= (os.cpu_count() or 1)
    return max(1, workers) if uses_all_cores else 2 * batch_size


def predictions_of_maps(
    folder: Path, samples: Sequence[EvaluationSample], name: str, fixed_maps: Mapping[str, Regions], *, workers: int = 2
) -> Iterator[Prediction]:
    """Score maps from files, one per image; see :func:`~weakspot.evaluation.external_maps.read_map`."""

    def score(sample: EvaluationSample) -> list[Prediction]:
        score_map = read_map(folder, sample.image.image_id)
        regions = {name: regions_of_heatmap(score_map, score_map)}
        try:
            height, width = image_size(sample)
        except WeakspotError as error:
            return failed_predictions(sample, [name, *fixed_maps], error)
        targets = [make_target(annotation, height=height, width=width) for annotation in sample.annotations]
        return [
            Prediction(
                sample,
                i,
                target,
                (height, width),
                _scores(regions | dict(fixed_maps), target),
                regions,
                image_scores={name: float(score_map.max())},
            )
            for i, target in enumerate(targets)
        ]

    with ThreadPoolExecutor(max(1, workers)) as threads:
        for predictions in ordered_map(score, samples, threads, max_pending=2 * max(1, workers)):
            yield from predictions


def image_size(sample: EvaluationSample) -> tuple[int, int]:
    """Return ``(height, width)`` of the frame of an image's boxes: as annotated, otherwise as stored."""
    return sample.image.size or read_sizes(sample.image.path)[0]


def _decode(sample: EvaluationSample, localizer: Localizer) -> _DecodedImage:
    image = read_as_annotated(sample.image.path, sample.image.size, max_pixels=localizer.max_pixels)
    targets = [make_target(annotation, height=image.height, width=image.width) for annotation in sample.annotations]
    with errors_of_image(str(sample.image.path)):
        return _DecodedImage(sample, (image.height, image.width), targets, localizer.resize(image))


def failed_predictions(sample: EvaluationSample, names: Sequence[str], error: WeakspotError) -> list[Prediction]:
    """Return the predictions of an image that could not be processed.

    It counts as wrong, for the baselines as well, so that all rows are computed on the same images.
    """
    height, width = sample.image.size or (1, 1)
    targets = [make_target(annotation, height=height, width=width) for annotation in sample.annotations]
    error = error.with_traceback(None)
    rank = UNRANKED if sample.class_indices else None
    return [
        Prediction(sample, i, target, None, dict.fromkeys(names, unreadable_scores(target)), rank=rank, error=error)
        for i, target in enumerate(targets)
    ]


def _class_maps(
    localizer: Localizer, images: list[_DecodedImage], methods: Mapping[str, str]
) -> list[ClassifierOutput]:
    """Compute the maps of the classes of every image; rows with fewer classes repeat their first class."""
    most = max(len(image.sample.class_indices) for image in images)
    rows = [
        [*image.sample.class_indices, *image.sample.class_indices[:1] * (most - len(image.sample.class_indices))]
        for image in images
    ]
    originals = [(image.size, partial(_read_whole, image.sample, localizer)) for image in images]
    pixels = [image.pixels for image in images]
    return localizer.class_maps_of(pixels, np.array(rows), list(methods.values()), originals)


def _read_whole(sample: EvaluationSample, localizer: Localizer) -> Pixels:
    """Read an image at its own size."""
    image = read_as_annotated(sample.image.path, sample.image.size, max_pixels=localizer.max_pixels)
    return whole_array(image, channels=len(localizer.preprocessing.mean))


def _score(
    image: _DecodedImage,
    position: int,
    localizer: Localizer,
    methods: Mapping[str, str],
    outputs: list[ClassifierOutput],
    fixed_maps: Mapping[str, Regions],
    top_maps: Sequence[NDArray[np.floating]],
) -> list[Prediction]:
    sample, logits = image.sample, outputs[0].logits[position]
    if not np.isfinite(logits).all():
        problem = f"The model's output for {sample.image.path} is not finite."
        error = ModelError("output-not-finite", problem, "Check its weights, its normalization and its precision.")
        return failed_predictions(sample, [*methods, *fixed_maps], error)
    info, preprocessing = localizer.config.info, localizer.preprocessing
    decided = decided_logits(logits, info)
    ranks = ranks_of(np.broadcast_to(decided, (len(image.targets), len(logits))), np.array(sample.class_indices))
    probability = object_probability(logits, info)
    of_image = image_scores(methods, probability, top_maps)
    margins = [_margins(output.evidence[position], len(image.targets)) for output in outputs]
    predictions = []
    for i, target in enumerate(image.targets):
        regions = {
            name: regions_of_class_map(
                output.maps[position, i],
                region_evidence(output, position, i, shares_image=margin[i] is not None),
                height=preprocessing.height,
                width=preprocessing.width,
                margin=margin[i],
                refine=find_refinement(localizer, method, image.pixels),
            )
            for (name, method), output, margin in zip(methods.items(), outputs, margins, strict=True)
        }
        scores = _scores(regions, target, probability, info) | _scores(fixed_maps, target)
        rank, best = int(ranks[i]), int(decided.argmax())
        predictions.append(
            Prediction(sample, i, target, image.size, scores, regions, rank, best, image_scores=of_image)
        )
    return predictions


def region_evidence(output: ClassifierOutput, position: int, i: int, *, shares_image: bool) -> NDArray[np.floating]:
    """Return the evidence by which the region of a class is chosen, as for a localizer."""
    found = output.evidence if shares_image or output.uncontested is None else output.uncontested
    evidence: NDArray[np.floating] = found[position, i]
    return evidence


def _margins(evidence: NDArray[np.floating], count: int) -> Sequence[NDArray[np.floating] | None]:
    """Return the margin of each of the first classes over the others; the only class of an image has none."""
    return [None] if count == 1 else list(competition_margins(evidence[:count]))


def find_refinement(localizer: Localizer, method: str, pixels: Pixels) -> Refine | None:
    """Return the refinement of an image's heatmaps; None if they are not refined."""
    name, threshold = localizer.config.refine, localizer.threshold_of(method)
    return None if name is None else lambda heatmap: refine(name, pixels, heatmap, threshold)


def _scores(
    maps: Mapping[str, Regions], target: Target, probability: float | None = None, info: ModelInfo | None = None
) -> dict[str, Scores]:
    """Score maps of an image that holds an object with a probability, which is calibrated for some models."""
    weight, is_calibrated = 1.0 if probability is None else probability, info is not None and info.presence is not None
    return {name: score_regions(regions, target, weight, is_calibrated=is_calibrated) for name, regions in maps.items()}
