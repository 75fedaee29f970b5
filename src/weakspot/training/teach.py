"""Teach a run with boxes: a head that predicts objects, and thresholds, in seconds and without training the network."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weakspot.data import Sample
from weakspot.errors import InputError
from weakspot.inference.localizer import Localizer
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.models.checkpoint import CheckpointMetadata, read_metadata, rewrite_heads
from weakspot.models.class_directions import Contrasts, find_contrasts
from weakspot.models.model_info import ModelInfo
from weakspot.models.object_head import ObjectHead
from weakspot.ops import component_tree, evidence_per_pixel, heatmap_from_class_map
from weakspot.ops.iou import box_iou
from weakspot.terminal import counted
from weakspot.training.box_areas import typical_areas
from weakspot.training.refit import Comparison, compare_thresholds, scores_at
from weakspot.training.run_folder import run_lock
from weakspot.training.taught_samples import join_taught, write_taught
from weakspot.training.teaching_pairs import TeachingPairs, draw_pairs, read_pairs, teaches
from weakspot.training.thresholds import thresholds_without_boxes
from weakspot.training.validation_images import read_validation

logger = logging.getLogger(__name__)

# Heads of more folds see more of few boxes, so they are more like the final head, whose thresholds they choose.
_FEW_FOLDS, _MANY_FOLDS = 6, 3
_BATCH_SIZE = 8
# Shares of the head in the final map are compared if there are enough boxes to tell them apart.
_SHARES, _MANY = (0.3, 0.5, 0.7), 100
_MIN_IOU = 0.5  # of a correct box (GT-known Loc)
# From so many boxes on, and up to _MANY, edges of validation images choose the thresholds of a head: of at least 20
# images, and more than 150 are not needed. With fewer boxes the head has a small share, and thresholds hardly change.
_HALF, _MIN_VALIDATION, _MAX_VALIDATION = 24, 20, 150

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TaughtResult:
    """What taught a run, and what it gained.

    Attributes:
        boxes: Number of boxes.
        pairs: Number of pairs of image and class with boxes.
        classes: Number of their classes.
        remembered: Number of images that taught the run before.
        before: GT-known Loc of the run as labels alone made it, in percent.
        thresholds: The same at thresholds that the boxes choose; cross-validated, if they are new.
        after: The same with the head; cross-validated. Equal to ``thresholds`` if the head is left out.
        share: Share of the head in the final map; 0 if it is left out.
        has_thresholds: Whether the boxes chose other thresholds.
        by_edges: Whether edges of the validation images chose the thresholds of the head.
        is_better: Whether what the boxes teach is used; otherwise the run is as labels alone made it.
        finds_nothing: Whether no box is right, as if those of other images were given; the run was left as it was.
    """

    boxes: int
    pairs: int
    classes: int
    remembered: int
    before: float
    thresholds: float
    after: float
    share: float
    has_thresholds: bool
    is_better: bool
    finds_nothing: bool = False
    by_edges: bool = False


def teach(
    run: str | Path,
    samples: Sequence[Sample],
    *,
    forget: Iterable[Path] = (),
    seed: int = 0,
    on_progress: Progress = lambda _done, _all: None,
) -> TaughtResult:
    """Fit an object head and thresholds to boxes, and write them into a run; the network stays as it is.

    The boxes, together with those that taught the run before, teach the run as labels alone had made it. Whether the
    head helps, its share and the thresholds are decided on images that did not teach it (in folds); the head that is
    written is taught by all of them. If thresholds without a head are not better than those of the labels, or a head is
    worse by more than a standard error, the run is again as labels alone had made it; what was said of the images is
    kept, and teaches with what comes later. If no box is right, nothing is changed.

    The maps of images that trained the network are not like those of new images, and neither are their best thresholds.
    With 24 to 99 boxes, outlines that follow the edges of validation images choose the thresholds of a head, if the run
    has at least 20 such images that teach nothing.

    Args:
        run: Folder of a run with a foreground head: any quality but plain.
        samples: Images with boxes, masks or points of all or some objects of a class, and images without objects; those
            with labels alone are ignored. At most 600 pairs of image and class are drawn at random, up to a third of
            them images without objects.
        forget: Images that taught the run before, and do not any more.
        seed: Random seed.
        on_progress: Called with the number of steps that are done, and of all.

    Raises:
        InputError: ``missing-annotations`` with fewer than two images in which all objects of a class have a box or
            mask; ``method-unsupported`` for a run without a foreground head; or as
            :func:`weakspot.training.taught_samples.join_taught`.
        ModelError: If the run cannot be read.
    """
    with run_lock(run):
        return teach_held_run(run, samples, forget=forget, seed=seed, on_progress=on_progress)


def describe_taught(result: TaughtResult) -> str:
    """Return what boxes taught a run, in a sentence."""
    what = f"{counted(result.boxes, 'box')} of {counted(result.classes, 'class')}"
    if not result.is_better:
        return f"{what}: what they teach is not better than labels alone."
    head = f"a head (share {result.share:.1f})" if result.share else "thresholds, without a head"
    head += " and thresholds" if result.share and result.has_thresholds else ""
    head += ", with thresholds by edges of validation images" if result.by_edges else ""
    return f"{what} taught {head}: GT-known Loc {result.before:.1f} to {result.after:.1f} % in cross-validation."


def teach_held_run(
    run: str | Path,
    samples: Sequence[Sample],
    *,
    forget: Iterable[Path] = (),
    seed: int,
    on_progress: Progress = lambda _done, _all: None,
) -> TaughtResult:
    """Teach a run that this process holds already; see :func:`teach`."""
    folder = Path(run)
    known = join_taught(folder, samples, forget=forget)
    metadata, localizer = read_metadata(run), Localizer(run)
    untaught = metadata.untaught or metadata
    head = localizer.torch_backend.classifier.foreground
    if head is None:
        problem = f"{run} has no foreground head, which boxes could teach."
        raise InputError("method-unsupported", problem, "Train with --quality fast and --method cam.")
    if head.positions is not None:
        problem = f"{run} has maps of mil, which boxes teach only in training."
        hint = f"Choose thresholds by them (weakspot threshold {run} DATA), or train again with --boxes."
        raise InputError("method-unsupported", problem, hint)
    head.objects = None
    localizer.set_foreground_head(head)  # removes the thresholds of the classes
    pairs = read_pairs(localizer, draw_pairs(known, untaught.info, seed))
    lesson = learn(pairs, untaught.info, seed=seed, on_progress=on_progress)
    teaching = [sample for sample in known if teaches(sample, untaught.info)]
    validation = read_validation(folder, without=[sample.path for sample in teaching])
    lesson = with_edge_thresholds(lesson, localizer, validation, pairs, seed)
    if not lesson.finds_nothing:
        head.objects = lesson.head
        if folder.is_dir():
            write_taught(folder, teaching)
        taught = _taught(untaught, lesson, pairs.count_boxes(), known)
        rewrite_heads(run, taught if lesson.is_better else untaught, head)
    return TaughtResult(
        boxes=pairs.count_boxes(),
        pairs=len(pairs.with_boxes),
        classes=len(np.unique(pairs.classes[pairs.with_boxes])),
        remembered=len(known) - len(samples),
        before=lesson.labels.before,
        thresholds=lesson.labels.after,
        after=lesson.chosen.after,
        share=lesson.share,
        has_thresholds=lesson.chosen.improves,
        is_better=lesson.is_better,
        finds_nothing=lesson.finds_nothing,
        by_edges=bool(lesson.edges),
    )


@dataclass(frozen=True, eq=False)
class Lesson:
    """What pairs of image and class teach.

    Attributes:
        labels: Thresholds without a head.
        chosen: Thresholds with the head; the same if it is left out.
        share: Share of the head in the final map; 0 if it is left out.
        right: Whether the box of each scored pair is right with the head at each of ``NATIVE_THRESHOLDS``, (N, T).
        head: The head; None if it is left out.
        is_better: Whether the thresholds and the head should be used.
        finds_nothing: Whether no box is right: the boxes are probably those of other images.
        edges: Images whose edges chose the thresholds of the head, in words; empty if they did not.
    """

    labels: Comparison
    chosen: Comparison
    share: float
    right: NDArray[np.float64]
    head: ObjectHead | None
    is_better: bool
    finds_nothing: bool
    edges: str = ""


def learn(pairs: TeachingPairs, info: ModelInfo, *, seed: int, on_progress: Progress) -> Lesson:
    """Fit a head and thresholds to pairs of image and class.

    Args:
        pairs: The pairs.
        info: Metadata of the run.
        seed: Random seed.
        on_progress: Called with the number of steps that are done, and of all.
    """
    contrasts = find_contrasts(pairs.features, pairs.targets, torch.from_numpy(pairs.classes))
    folds = _MANY_FOLDS if len(pairs.with_boxes) >= _MANY else _FEW_FOLDS
    probabilities = held_out_probabilities(pairs, contrasts, folds, seed=seed, on_progress=on_progress)
    right, found = _compare_shares(pairs, probabilities, info)
    count = len(pairs.scored)
    share = _choose_share(found, count)
    labels, chosen = found[0.0], found[share]
    finds_nothing = chosen.after == 0
    is_better = (_is_as_good(chosen.after, labels.before, count) if share else chosen.improves) and not finds_nothing
    head = None
    if share and is_better:
        everything = np.arange(len(pairs.boxes))
        head = pairs.fit(everything, contrasts, seed=seed, on_step=_part_of(on_progress, folds, folds))
        head.share.fill_(share)
    return Lesson(labels, chosen, share, right[share], head, is_better, finds_nothing)


def with_edge_thresholds(
    lesson: Lesson, localizer: Localizer, validation: Sequence[Sample], pairs: TeachingPairs, seed: int
) -> Lesson:
    """Return a lesson whose head has thresholds by edges of validation images, with their score on the pairs.

    It stays as it is without a head, unless 24 to 99 pairs chose its thresholds, or with fewer than 20 images.

    Args:
        lesson: The lesson.
        localizer: The localizer of the run; it gets the head of the lesson.
        validation: Images that have neither trained the network nor taught the head; at most 150 are drawn.
        pairs: What taught the head.
        seed: Seed of the draw.
    """
    head = localizer.torch_backend.classifier.foreground
    if head is None or lesson.head is None or len(validation) < _MIN_VALIDATION:
        return lesson
    if not _HALF <= len(pairs.scored) < _MANY:
        return lesson
    head.objects = lesson.head
    localizer.set_foreground_head(head)
    drawn = np.random.default_rng(seed).permutation(len(validation))[:_MAX_VALIDATION]
    try:
        found = thresholds_without_boxes(localizer, [validation[i] for i in drawn])
    except InputError as error:  # an image was damaged after the training
        logger.warning("%s Edges of validation images choose no thresholds.", error.problem)
        return lesson
    per_class = found.per_class or (found.value,) * pairs.num_classes
    score = 100 * float(scores_at(lesson.right, pairs.classes[pairs.scored], per_class).mean())
    chosen = Comparison(score, score, score, found.value, found.per_class, improves=False)
    return replace(lesson, chosen=chosen, edges=found.source)


def _compare_shares(
    pairs: TeachingPairs, probabilities: Tensor, info: ModelInfo
) -> tuple[dict[float, NDArray[np.float64]], dict[float, Comparison]]:
    """Score the scored pairs at each threshold, and compare thresholds, for each share of the head, 0 first.

    ``probabilities`` are those of heads of other images.
    """
    scored, count = pairs.scored, len(pairs.with_boxes)
    current = info.class_thresholds or (float(info.threshold or 0),) * len(info.class_names)
    fine = pairs.maps[:, 0].float()
    right, found = {}, {}
    for share in (0.0, *(_SHARES if count >= _MANY else [_share_of_few(count)])):
        maps = ((1 - share) * fine + share * probabilities if share else pairs.propagated).numpy()
        right[share] = np.stack([right_boxes(pairs, maps[i], i) for i in scored])
        found[share] = compare_thresholds(right[share], pairs.classes[scored], current, per_class=True)
    return right, found


def _share_of_few(count: int) -> float:
    """Return the share of a head that few boxes have taught: the fewer, the less; a half from 24 on."""
    return min(0.5, 0.1 + 0.4 * count / _HALF)


def _choose_share(found: dict[float, Comparison], count: int) -> float:
    """Return the share with the highest score; 0 only if all others are worse by more than a standard error.

    The few boxes that a person has drawn tell little: on other images the head helps more often than not.
    """
    share = max((share for share in found if share), key=lambda share: found[share].after)
    return share if _is_as_good(found[share].after, found[0.0].after, count) else 0.0


def _is_as_good(score: float, other: float, count: int) -> bool:
    """Return whether a score of ``count`` boxes, in percent, is at most a standard error below another one.

    Two right and two wrong boxes are added for the standard error, which would otherwise be 0 if all are right.

    Source:
        Agresti and Coull, "Approximate is better than 'exact' for interval estimation of binomial proportions", The
        American Statistician 52, 1998.
    """
    share = (other / 100 * count + 2) / (count + 4)
    return bool(score >= other - 100 * np.sqrt(share * (1 - share) / (count + 4)))


def held_out_probabilities(
    pairs: TeachingPairs, contrasts: Contrasts, folds: int, *, seed: int, on_progress: Progress
) -> Tensor:
    """Return the probability of an object at each position, (N, h, w), by heads that other images taught."""
    # All classes of an image are in the same fold: they share its features.
    fold_of = (np.random.default_rng(seed).permutation(pairs.images.max() + 1) % folds)[pairs.images]
    probabilities = torch.zeros(pairs.maps[:, 0].shape)
    for fold in range(folds):
        held_out = np.flatnonzero(fold_of == fold)
        others = np.flatnonzero(fold_of != fold)
        if not len(held_out):
            continue
        head = pairs.fit(others, contrasts, seed=seed, on_step=_part_of(on_progress, fold, folds))
        for part in np.array_split(held_out, -(-len(held_out) // _BATCH_SIZE)):
            classes = torch.from_numpy(pairs.classes[part, None])
            logits = head(pairs.features[part].float(), pairs.maps[part].float()[:, None], classes)
            probabilities[part] = torch.sigmoid(logits[:, 0])
    return probabilities


def right_boxes(pairs: TeachingPairs, class_map: NDArray[np.floating], i: int) -> NDArray[np.float64]:
    """Return whether the box of a map of pair ``i`` is right at each of ``NATIVE_THRESHOLDS``, shape (T,)."""
    height, width = pairs.input_size
    heatmap = heatmap_from_class_map(class_map, height=height, width=width)
    per_pixel = evidence_per_pixel(pairs.evidence[i].numpy(), height=height, width=width)
    found = component_tree(heatmap, NATIVE_THRESHOLDS, evidence=per_pixel).best_boxes()
    overlaps = box_iou(found / np.array([width, height] * 2), pairs.boxes[i]).max(axis=1)
    return np.asarray(overlaps >= _MIN_IOU, np.float64)


def _part_of(on_progress: Progress, part: int, folds: int) -> Progress:
    """Return the progress of one of the heads as that of all."""
    return lambda done, steps: on_progress(part * steps + done, (folds + 1) * steps)


def _taught(untaught: CheckpointMetadata, lesson: Lesson, boxes: int, samples: Sequence[Sample]) -> CheckpointMetadata:
    """Return the metadata of a taught run, with those of before."""
    found, info = lesson.chosen, untaught.info
    info = replace(
        info,
        threshold=found.threshold,
        class_thresholds=found.class_thresholds,
        typical_areas=typical_areas(samples, info.class_names) or info.typical_areas,
        calibration=(),  # it was for other maps
    )
    source = f"{untaught.threshold_from}, before {boxes} boxes taught a head"
    if found.improves:
        source = f"best GT-known Loc on {boxes} boxes ({found.after:.1f} % in cross-validation)"
    elif lesson.edges:
        source = f"{lesson.edges}, after {boxes} boxes taught a head"
    return replace(untaught, info=info, threshold_from=source, untaught=untaught)
