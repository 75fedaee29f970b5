"""Load the images of an evaluation, and evaluate predictions on them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from weakspot.data import Dataset, Sample, read_dataset
from weakspot.data.label_frames import resolve_frames
from weakspot.errors import InputError
from weakspot.evaluation.aggregate import EvaluationPlan, EvaluationResult, OnPrediction, PredictFn, run_plan
from weakspot.evaluation.class_mapping import class_indices
from weakspot.evaluation.config import EvaluationConfig
from weakspot.evaluation.detection import DETECTION_METRICS, OF_NORMALS
from weakspot.evaluation.external_maps import find_map, map_problem
from weakspot.evaluation.map_scores import FULL_IMAGE
from weakspot.evaluation.normal_images import NormalPrediction
from weakspot.evaluation.results import Evaluation
from weakspot.evaluation.samples import EvaluationSample, check_samples, find_normals, find_samples
from weakspot.evaluation.targets import SIZES
from weakspot.inference.localizer import Localizer
from weakspot.ops.checks import check_threshold


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """Images of an evaluation, and notes for readers of the metrics; without a validation split, no ``val_samples``.

    ``normals`` are the images of the test split without an object.
    """

    dataset: Dataset
    config: EvaluationConfig
    samples: Sequence[EvaluationSample]
    val_samples: Sequence[EvaluationSample]
    normals: Sequence[Sample]
    notes: tuple[str, ...]


def load_evaluation_set(
    data: str | Path | Dataset, config: EvaluationConfig, localizer: Localizer | None = None
) -> EvaluationSet:
    """Read a data set and check the images of both splits.

    Raises:
        InputError: If the data set or the split cannot be scored, or the localizer lacks a class.
    """
    if config.threshold is not None:
        check_threshold(config.threshold)
    dataset = data if isinstance(data, Dataset) else read_dataset(data, ground_truth=config.boxes, images=config.images)
    split = _test_split(dataset, config)
    used = list(dataset.splits) if split == "all" else [split, config.val_split]
    dataset = resolve_frames(dataset, Path(config.boxes or dataset.root), used)
    index_of = None if localizer is None else class_indices(dataset, localizer.class_names)
    samples = find_samples(dataset, split, index_of)
    has_val = config.val_split not in (split, "all") and split != "all" and config.val_split in dataset.splits
    try:
        val_samples = find_samples(dataset, config.val_split, index_of) if has_val else []
    except InputError:  # a validation split without boxes
        val_samples = []
    check_samples([*samples, *val_samples])
    normals = find_normals(dataset, split, *background_names(localizer))
    skipped = len(dataset.of_split(split)) - len(samples) - len(normals)
    notes = _notes(dataset, config, skipped, has_val=bool(val_samples))
    return EvaluationSet(dataset, config, samples, val_samples, normals, notes)


def evaluate_set(
    eval_set: EvaluationSet,
    predict: PredictFn,
    names: Sequence[str],
    defaults: Mapping[str, float],
    on_prediction: OnPrediction | None = None,
    *,
    groups: bool = False,
    normals: Iterable[NormalPrediction] = (),
    image_score: str = "",
) -> Evaluation:
    """Select thresholds on the validation images and compute the metrics of the others.

    ``names`` are those of the maps for which predictions have scores, the most important first; ``defaults`` their
    thresholds without a validation split. With ``groups``, metrics per class and object size are reported. ``normals``
    are predictions for images without an object, and ``image_score`` says what their score is.
    """
    config, classes = eval_set.config, eval_set.dataset.class_names
    full_image = {FULL_IMAGE: 0.5} if FULL_IMAGE in names else {}  # its box is the same at every threshold
    plan = EvaluationPlan(
        names=tuple(names),
        samples=eval_set.samples,
        val_samples=eval_set.val_samples,
        thresholds=full_image | {name: config.threshold or default for name, default in defaults.items()},
        override_val=config.threshold is not None,
        classes=len(classes) if groups else 0,
        bootstrap_samples=config.samples,
        seed=config.seed,
        tolerance=config.tolerance,
    )
    result = run_plan(plan, predict, on_prediction, normals)
    note = f"{result.unreadable} images could not be read and count as wrong."
    notes = (*eval_set.notes, note) if result.unreadable else eval_set.notes
    return Evaluation(
        data=str(eval_set.dataset.root),
        split=_test_split(eval_set.dataset, config),
        val_split=config.val_split if eval_set.val_samples else None,
        rows=result.rows,
        group_names=(*classes, *SIZES) if groups else (),
        group_counts=result.group_counts,
        notes=(*notes, *_normal_notes(eval_set, result)),
        image_score=image_score,
        tolerance=config.tolerance,
    )


def without_unmapped_normals(eval_set: EvaluationSet, folder: Path) -> EvaluationSet:
    """Leave out the normal images if one of them has no map, or an invalid one, in a folder of maps, and note it."""
    maps = [find_map(folder, image.image_id) for image in eval_set.normals]
    if all(path is not None and not map_problem(path) for path in maps):
        return eval_set
    note = f"{len(maps)} images of the split hold no object and were skipped: {folder} has no map of some of them."
    return replace(eval_set, normals=[], notes=(*eval_set.notes, note))


def background_names(localizer: Localizer | None) -> tuple[str, ...]:
    """Return the name of the background class of a classifier, if it has one."""
    info = None if localizer is None else localizer.config.info
    return () if info is None or info.background_index is None else (info.class_names[info.background_index],)


def _normal_notes(eval_set: EvaluationSet, result: EvaluationResult) -> list[str]:
    """Say for which metrics normal images count, and how many could not be read."""
    first = next(iter(result.rows.values())).detection
    counted = [name for name in DETECTION_METRICS if name in OF_NORMALS and name in first]
    notes = [f"{len(eval_set.normals)} images of the split hold no object: they count for {', '.join(counted)}."]
    unreadable = f"{result.unreadable_normals} images without an object could not be read and were left out."
    return [*(notes if eval_set.normals and counted else []), *([unreadable] if result.unreadable_normals else [])]


def _test_split(dataset: Dataset, config: EvaluationConfig) -> str:
    """Return the name of the split to score; ``"all"`` if the data set has no splits."""
    return "all" if list(dataset.splits) == [""] else config.test_split


def _notes(
    dataset: Dataset,
    config: EvaluationConfig,
    skipped: int,
    *,
    has_val: bool,
) -> tuple[str, ...]:
    split = _test_split(dataset, config)
    no_val = not has_val and (config.val_split not in dataset.splits or split not in ("all", config.val_split))
    return (
        *([f"{skipped} images of the split have neither boxes nor masks and were skipped."] if skipped else []),
        *([f"No threshold was selected: the data set has no split {config.val_split!r} with boxes."] if no_val else []),
        *(f"Data set: {len(issue.where)} x {issue.kind}." for issue in dataset.issues),
    )
