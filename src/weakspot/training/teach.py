"""Teach a run with boxes: a head that predicts objects, and thresholds, in seconds and without training the network."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weakspot.concurrency import batched
from weakspot.data import Sample, read_as_annotated
from weakspot.errors import InputError
from weakspot.inference.localizer import Localizer
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.models.checkpoint import CheckpointMetadata, read_metadata, rewrite_heads
from weakspot.models.foreground_head import ForegroundHead
from weakspot.models.object_head import ObjectHead, fit_object_head
from weakspot.ops import component_tree, evidence_per_pixel, heatmap_from_class_map
from weakspot.ops.iou import box_iou
from weakspot.training.box_areas import typical_areas
from weakspot.training.refit import Comparison, compare_thresholds
from weakspot.training.run_folder import run_lock

_FOLDS = 3
_BATCH_SIZE = 8
_MAX_PAIRS = 600
_MIN_IMAGES = 2
# Shares of the head in the final map: they are compared if there are enough boxes to tell them apart.
_SHARE, _SHARES, _MANY = 0.3, (0.3, 0.5, 0.7), 100
_MIN_IOU = 0.5  # of a correct box (GT-known Loc)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TaughtResult:
    """What taught a run, and what it gained.

    Attributes:
        boxes: Number of boxes.
        pairs: Number of pairs of image and class with boxes.
        classes: Number of their classes.
        before: GT-known Loc without the head, at the thresholds that the run had, in percent.
        thresholds: The same at thresholds that the boxes chose; cross-validated.
        after: The same with the head; cross-validated. Equal to ``thresholds`` if the head is left out.
        share: Share of the head in the final map; 0 if it is left out.
        is_kept: Whether the run was left as it was, because what the boxes teach is not better.
    """

    boxes: int
    pairs: int
    classes: int
    before: float
    thresholds: float
    after: float
    share: float
    is_kept: bool


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pairs of image and class.

    Features (N, K, h, w), maps (N, 3, h, w), boxes as fractions, class indices (N,), and numbers of the images (N,).
    """

    features: Tensor
    maps: Tensor
    boxes: list[NDArray[np.float64]]
    classes: NDArray[np.intp]
    images: NDArray[np.intp]

    def fit(self, chosen: NDArray[np.intp], *, seed: int, on_step: Progress) -> ObjectHead:
        """Fit a head to some of the pairs."""
        boxes = [torch.from_numpy(self.boxes[i]) for i in chosen]
        return fit_object_head(self.features[chosen], self.maps[chosen], boxes, seed=seed, on_step=on_step)


def teach(
    run: str | Path, samples: Sequence[Sample], *, seed: int = 0, on_progress: Progress = lambda _done, _all: None
) -> TaughtResult:
    """Fit an object head and thresholds to boxes, and write them into a run; the network stays as it is.

    Whether the head helps, its share and the thresholds are decided on images that did not teach it (three folds); the
    head that is written is taught by all of them. It replaces what boxes taught the run before. A run stays as it is if
    thresholds without a head are not better than its own, or a head is worse by more than a standard error.

    Args:
        run: Folder of a run with a foreground head: any quality but plain.
        samples: Images in which all objects of an annotated class have a box; images without boxes are ignored. At most
            600 pairs of image and class are drawn at random.
        seed: Random seed.
        on_progress: Called with the number of steps that are done, and of all.

    Raises:
        InputError: ``missing-annotations`` with fewer than two images with boxes of classes of the run, and
            ``method-unsupported`` for a run without a foreground head.
        ModelError: If the run cannot be read.
    """
    with run_lock(run):
        return _teach(run, samples, seed, on_progress)


def _teach(run: str | Path, samples: Sequence[Sample], seed: int, on_progress: Progress) -> TaughtResult:
    metadata, localizer = read_metadata(run), Localizer(run, backend="torch")
    head = localizer.torch_backend.classifier.foreground
    if head is None:
        problem = f"{run} has no foreground head, which boxes could teach."
        raise InputError("method-unsupported", problem, "Train with --quality fast and --method cam.")
    head.objects = None
    localizer.set_foreground_head(head)  # removes the thresholds of the classes
    pairs = _read_pairs(localizer, _draw_pairs(samples, localizer.class_names, seed))
    found = _compare_shares(localizer, pairs, metadata, seed, on_progress)
    share = _choose_share(found, len(pairs.boxes))
    chosen, count = found[share], sum(map(len, pairs.boxes))
    is_kept = not (_is_as_good(chosen.after, found[0.0].before, len(pairs.boxes)) if share else chosen.improves)
    if not is_kept:
        if share:
            everything = np.arange(len(pairs.boxes))
            head.objects = pairs.fit(everything, seed=seed, on_step=_part_of(on_progress, _FOLDS))
            head.objects.share.fill_(share)
        _write(run, metadata, head, chosen, count, samples)
    return TaughtResult(
        boxes=count,
        pairs=len(pairs.boxes),
        classes=len(np.unique(pairs.classes)),
        before=found[0.0].before,
        thresholds=found[0.0].after,
        after=chosen.after,
        share=share,
        is_kept=is_kept,
    )


def _draw_pairs(samples: Sequence[Sample], class_names: Sequence[str], seed: int) -> list[tuple[Sample, str]]:
    """Return the pairs of image and class with boxes, at most 600 of them, in random order."""
    pairs = [
        (sample, annotation.label)
        for sample in samples
        for annotation in sample.annotations
        if len(annotation.boxes) and annotation.label in class_names
    ]
    images = len({sample.path for sample, _ in pairs})
    if images < _MIN_IMAGES:
        problem = f"At least {_MIN_IMAGES} images must have a box of a class of the run, got {images}."
        raise InputError("missing-annotations", problem, "Draw more boxes.")
    return [pairs[i] for i in np.random.default_rng(seed).permutation(len(pairs))[:_MAX_PAIRS]]


def _read_pairs(localizer: Localizer, drawn: Sequence[tuple[Sample, str]]) -> _Pairs:
    """Compute features and maps of pairs of image and class."""
    features, maps, boxes = [], [], []
    classes = np.array([localizer.class_names.index(label) for _, label in drawn])
    for numbers in batched(range(len(drawn)), _BATCH_SIZE):
        pixels = []
        for sample, label in (drawn[i] for i in numbers):
            image = read_as_annotated(sample.path, sample.size, max_pixels=localizer.max_pixels)
            pixels.append(localizer.resize(image))
            of_class = next(item.boxes for item in sample.annotations if item.label == label)
            boxes.append(of_class / np.array([image.width, image.height] * 2))
        rows = torch.from_numpy(classes[numbers, None])
        inputs = localizer.torch_backend.object_targets(pixels, localizer.method, rows)
        if inputs is None:
            raise InputError("method-unsupported", "The backbone has no intermediate features that boxes could teach.")
        features.append(inputs[0])
        maps.append(inputs[1][:, 0])
    images = np.unique([str(sample.path) for sample, _ in drawn], return_inverse=True)[1]
    return _Pairs(torch.cat(features), torch.cat(maps), boxes, classes, images)


def _compare_shares(
    localizer: Localizer, pairs: _Pairs, metadata: CheckpointMetadata, seed: int, on_progress: Progress
) -> dict[float, Comparison]:
    """Compare thresholds for each share of the head, 0 first, on maps by heads that other images taught."""
    info = metadata.info
    current = info.class_thresholds or (float(info.threshold or 0),) * len(info.class_names)
    probabilities = _held_out_probabilities(pairs, seed, on_progress)
    own = pairs.maps[:, 0].float()
    found = {}
    for share in (0.0, *(_SHARES if len(pairs.boxes) >= _MANY else (_SHARE,))):
        maps = ((1 - share) * own + share * probabilities).numpy()
        scores = np.stack(list(_right_boxes(localizer, pairs, maps)))
        found[share] = compare_thresholds(scores, pairs.classes, current, per_class=True)
    return found


def _choose_share(found: dict[float, Comparison], count: int) -> float:
    """Return the share with the highest score; 0 only if all others are worse by more than a standard error.

    The few boxes that a person has drawn tell little: on other images the head helps more often than not.
    """
    share = max((share for share in found if share), key=lambda share: found[share].after)
    return share if _is_as_good(found[share].after, found[0.0].after, count) else 0.0


def _is_as_good(score: float, other: float, count: int) -> bool:
    """Return whether a score of ``count`` boxes, in percent, is at most a standard error below another one."""
    return bool(score >= other - np.sqrt(other * (100 - other) / count))


def _held_out_probabilities(pairs: _Pairs, seed: int, on_progress: Progress) -> Tensor:
    """Return the probability of an object at each position, (N, h, w), by heads that other images taught."""
    # All classes of an image are in the same fold: they share its features.
    folds = (np.random.default_rng(seed).permutation(pairs.images.max() + 1) % _FOLDS)[pairs.images]
    probabilities = torch.zeros(pairs.maps[:, 0].shape)
    for fold in range(_FOLDS):
        held_out = np.flatnonzero(folds == fold)
        others = np.flatnonzero(folds != fold)
        if not len(held_out):
            continue
        head = pairs.fit(others, seed=seed, on_step=_part_of(on_progress, fold))
        for part in np.array_split(held_out, -(-len(held_out) // _BATCH_SIZE)):
            logits = head(pairs.features[part].float(), pairs.maps[part].float()[:, None])
            probabilities[part] = torch.sigmoid(logits[:, 0])
    return probabilities


def _right_boxes(localizer: Localizer, pairs: _Pairs, maps: NDArray[np.floating]) -> Iterator[NDArray[np.float64]]:
    """Yield for each pair whether the box of its map is right at each of ``NATIVE_THRESHOLDS``, shape (T,)."""
    height, width = localizer.preprocessing.height, localizer.preprocessing.width
    for class_map, evidence, boxes in zip(maps, pairs.maps[:, 1].float().numpy(), pairs.boxes, strict=True):
        heatmap = heatmap_from_class_map(class_map, height=height, width=width)
        per_pixel = evidence_per_pixel(evidence, height=height, width=width)
        found = component_tree(heatmap, NATIVE_THRESHOLDS, evidence=per_pixel).best_boxes()
        yield (box_iou(found / np.array([width, height] * 2), boxes).max(axis=1) >= _MIN_IOU).astype(np.float64)


def _part_of(on_progress: Progress, part: int) -> Progress:
    """Return the progress of one of the heads as that of all."""
    return lambda done, steps: on_progress(part * steps + done, (_FOLDS + 1) * steps)


def _write(
    run: str | Path,
    metadata: CheckpointMetadata,
    head: ForegroundHead,
    found: Comparison,
    boxes: int,
    samples: Sequence[Sample],
) -> None:
    info = replace(
        metadata.info,
        threshold=found.threshold,
        class_thresholds=found.class_thresholds,
        typical_areas=typical_areas(samples, metadata.info.class_names) or metadata.info.typical_areas,
        calibration=(),  # it was for other maps
    )
    source = f"best GT-known Loc on {boxes} boxes ({found.after:.1f} % in cross-validation)"
    rewrite_heads(run, replace(metadata, info=info, threshold_from=source), head)
