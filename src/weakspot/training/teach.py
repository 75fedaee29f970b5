"""Teach a run with boxes: a head that predicts objects, and thresholds, in seconds and without training the network."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from weakspot.data import Sample
from weakspot.errors import InputError
from weakspot.inference.localizer import Localizer
from weakspot.models.checkpoint import CheckpointMetadata, read_metadata, rewrite_heads
from weakspot.terminal import counted
from weakspot.training.box_areas import typical_areas
from weakspot.training.lesson import HALF, MANY, Lesson, Progress, learn
from weakspot.training.refit import Comparison, scores_at
from weakspot.training.run_folder import run_lock
from weakspot.training.taught_samples import join_taught, write_taught
from weakspot.training.teaching_pairs import TeachingPairs, draw_pairs, read_pairs, teaches
from weakspot.training.thresholds import thresholds_without_boxes
from weakspot.training.validation_images import read_validation

logger = logging.getLogger(__name__)

# Edges of validation images choose the thresholds of a head that 24 to 99 boxes have taught, if there are at least so
# many images; more than the second number are not needed. With fewer boxes the head has a small share, and thresholds
# hardly change; with more, they choose the thresholds themselves.
_MIN_VALIDATION, _MAX_VALIDATION = 20, 150


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
    teaching = [sample for sample in known if teaches(sample, untaught.info)]
    validation = read_validation(folder, without=[sample.path for sample in teaching])
    by_edges = edges_choose(pairs, validation)
    lesson = learn(pairs, untaught.info, by_edges=by_edges, seed=seed, on_progress=on_progress)
    if by_edges:
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


def edges_choose(pairs: TeachingPairs, validation: Sequence[Sample]) -> bool:
    """Return whether edges of validation images choose the thresholds of a head: of 20 or more, and 24 to 99 pairs."""
    return HALF <= len(pairs.scored) < MANY and len(validation) >= _MIN_VALIDATION


def with_edge_thresholds(
    lesson: Lesson, localizer: Localizer, validation: Sequence[Sample], pairs: TeachingPairs, seed: int
) -> Lesson:
    """Return a lesson whose head has thresholds by edges of validation images, with their score on the pairs.

    It stays as it is without a head, or if an image cannot be read.

    Args:
        lesson: The lesson.
        localizer: The localizer of the run; it gets the head of the lesson.
        validation: Images that have neither trained the network nor taught the head; at most 150 are drawn.
        pairs: What taught the head.
        seed: Seed of the draw.
    """
    head = localizer.torch_backend.classifier.foreground
    if head is None or lesson.head is None:
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
