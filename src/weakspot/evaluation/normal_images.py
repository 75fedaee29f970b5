"""Predictions for normal images: those that hold no object."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weakspot.concurrency import batched, ordered_map
from weakspot.data import Sample, read_as_annotated
from weakspot.data.image_files import errors_of_image
from weakspot.errors import WeakspotError
from weakspot.evaluation.external_maps import read_map
from weakspot.evaluation.image_scores import image_scores
from weakspot.evaluation.map_scores import MIN_AREA, Regions, regions_of_class_map, regions_of_heatmap
from weakspot.evaluation.predictions import find_refinement, region_evidence
from weakspot.inference.backends import ClassifierOutput
from weakspot.inference.backends.base import Pixels
from weakspot.inference.localizer import Localizer
from weakspot.inference.probabilities import object_probability
from weakspot.metrics import region_counts
from weakspot.ops import ComponentTree
from weakspot.ops.evidence import competition_margins


@dataclass(frozen=True, eq=False)
class NormalResult:
    """What a map says of an image without an object.

    Attributes:
        overlap_counts: Histograms for AUPRO, as in :class:`weakspot.evaluation.map_scores.Scores`; None without a map.
        image_score: Score of the image, the higher the more likely an object; None if it has none.
        trees: Regions of the class that the model finds, or of several classes; empty if it finds no object.
        boxes: Number of boxes from a file.
    """

    overlap_counts: NDArray[np.float64] | None = None
    image_score: float | None = None
    trees: Sequence[ComponentTree] = ()
    boxes: int = 0

    def count_boxes(self, threshold: float) -> int:
        """Count the boxes of all regions at a threshold, and those from a file."""
        return self.boxes + sum(len(tree.boxes_at(threshold, min_area=MIN_AREA)) for tree in self.trees)


@dataclass(frozen=True)
class NormalPrediction:
    """Results of a normal image by the name of the map; empty if the image could not be processed."""

    results: Mapping[str, NormalResult] = field(default_factory=dict)


def normals_of_model(
    localizer: Localizer,
    normals: Sequence[Sample],
    methods: Mapping[str, str],
    fixed_maps: Mapping[str, Regions],
    *,
    batch_size: int = 16,
    workers: int = 2,
) -> Iterator[NormalPrediction]:
    """Compute the maps of normal images, all methods in one forward pass.

    As for a localizer, an image of which the background is most probable has no boxes, and no class of a multi-label
    model below a probability of 0.5 has any. The arguments are those of
    :func:`weakspot.evaluation.predictions.predictions_of_model`.
    """
    baselines = {name: _of_regions(regions, 0.0) for name, regions in fixed_maps.items()}

    def decode(sample: Sample) -> Pixels | None:
        try:
            image = read_as_annotated(sample.path, sample.size, max_pixels=localizer.max_pixels)
            with errors_of_image(str(sample.path)):
                return localizer.resize(image)
        except WeakspotError:
            return None

    with ThreadPoolExecutor(max(1, workers)) as threads:
        decoded = ordered_map(decode, normals, threads, max_pending=2 * batch_size)
        for batch in batched(decoded, batch_size):
            images = [pixels for pixels in batch if pixels is not None]
            yield from (NormalPrediction() for pixels in batch if pixels is None)
            outputs = localizer.top_class_maps(images, 2, list(methods.values())) if images else []
            jobs = [(i, pixels, localizer, methods, outputs) for i, pixels in enumerate(images)]
            for results in threads.map(lambda job: _results(*job), jobs):
                yield NormalPrediction({**results, **baselines} if results else {})


def _results(
    position: int, pixels: Pixels, localizer: Localizer, methods: Mapping[str, str], outputs: list[ClassifierOutput]
) -> dict[str, NormalResult]:
    """Return the results of one image for each method; none if the output of the model is not finite."""
    info, logits, classes = localizer.config.info, outputs[0].logits[position], outputs[0].classes[position]
    if not np.isfinite(logits).all():
        return {}
    probability = object_probability(logits, info)
    top = [output.evidence[position, 0] for output in outputs]
    scores = image_scores(methods, probability, top)
    is_object = classes != (-1 if info.background_index is None else info.background_index)
    present = np.flatnonzero(is_object & _may_be_present(logits[classes], multi_label=info.multi_label)).tolist()
    wanted = present or np.flatnonzero(is_object)[:1].tolist()
    results = {}
    for (name, method), output in zip(methods.items(), outputs, strict=True):
        regions = _regions(output, position, wanted, pixels, localizer, method)
        weighted = (1.0 if probability is None else probability) * regions[0].score_map if regions else None
        counts = None if weighted is None else region_counts(weighted, np.zeros(weighted.shape, np.uint8))
        trees = tuple(one.tree for one in regions[: len(present)])
        results[name] = NormalResult(counts, scores[name], trees)
    return results


def _may_be_present(logits: NDArray[np.floating], *, multi_label: bool) -> NDArray[np.bool_]:
    """Return which of the most probable classes a localizer would find: the first, or all of a multi-label model."""
    is_first: NDArray[np.bool_] = np.arange(len(logits)) == 0
    return np.where(is_first, logits >= 0, logits > 0) if multi_label else is_first


def _regions(
    output: ClassifierOutput,
    position: int,
    wanted: Sequence[int],
    pixels: Pixels,
    localizer: Localizer,
    method: str,
) -> list[Regions]:
    """Find the regions of some classes of an image, which share it if there are several."""
    size, shares_image = localizer.preprocessing, len(wanted) > 1
    margins = list(competition_margins(output.evidence[position, wanted])) if shares_image else [None] * len(wanted)
    return [
        regions_of_class_map(
            output.maps[position, i],
            region_evidence(output, position, i, shares_image=shares_image),
            height=size.height,
            width=size.width,
            margin=margin,
            refine=find_refinement(localizer, method, pixels),
        )
        for i, margin in zip(wanted, margins, strict=True)
    ]


def normals_of_maps(
    folder: Path, normals: Sequence[Sample], name: str, fixed_maps: Mapping[str, Regions]
) -> Iterator[NormalPrediction]:
    """Read the maps of normal images from files; the score of an image is the peak of its map."""
    baselines = {other: _of_regions(regions, 0.0) for other, regions in fixed_maps.items()}
    for sample in normals:
        score_map = read_map(folder, sample.image_id)
        result = _of_regions(regions_of_heatmap(score_map, score_map), float(score_map.max()))
        yield NormalPrediction({name: result, **baselines})


def normals_of_boxes(counts: Sequence[int], name: str, fixed_maps: Mapping[str, Regions]) -> Iterator[NormalPrediction]:
    """Count the boxes of a file on normal images, from their number in each."""
    baselines = {other: _of_regions(regions, 0.0) for other, regions in fixed_maps.items()}
    for count in counts:
        yield NormalPrediction({name: NormalResult(boxes=count), **baselines})


def _of_regions(regions: Regions, image_score: float) -> NormalResult:
    counts = region_counts(regions.score_map, np.zeros(regions.score_map.shape, np.uint8))
    return NormalResult(counts, image_score, (regions.tree,))
