"""What is scored and what thresholds are fixed on: a data set's cases, looked over before anything is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from weakspot.data import Dataset, read_dataset
from weakspot.errors import InputError
from weakspot.evaluation.aggregate import EvaluationPlan, OnOutcome, OutcomesOf, measure
from weakspot.evaluation.class_mapping import class_indices
from weakspot.evaluation.config import EvaluationConfig
from weakspot.evaluation.map_scores import FULL_IMAGE
from weakspot.evaluation.results import Evaluation
from weakspot.evaluation.samples import EvaluationSample, find_samples, refuse_unusable
from weakspot.evaluation.targets import SIZES
from weakspot.inference.localizer import Localizer
from weakspot.ops.checks import check_threshold


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """The cases of an evaluation.

    Attributes:
        dataset: Where they come from.
        setting: How to evaluate.
        cases: What is scored.
        validation: What thresholds are fixed on; empty where there is no such split.
        notes: What a reader of the figures should know.
    """

    dataset: Dataset
    setting: EvaluationConfig
    cases: Sequence[EvaluationSample]
    validation: Sequence[EvaluationSample]
    notes: tuple[str, ...]


def load_evaluation_set(
    data: str | Path | Dataset, setting: EvaluationConfig, localizer: Localizer | None = None
) -> EvaluationSet:
    """Read a data set and list its cases.

    Raises:
        InputError: If the data set or the split cannot be scored, or a class is not the localizer's.
    """
    if setting.threshold is not None:
        check_threshold(setting.threshold)
    dataset = data if isinstance(data, Dataset) else read_dataset(data, truth=setting.boxes, images=setting.images)
    split = _split(dataset, setting.split)
    index_of = None if localizer is None else class_indices(dataset, localizer.class_names)
    cases = find_samples(dataset, split, index_of)
    fixable = setting.validation not in (split, "all") and split != "all" and setting.validation in dataset.splits
    try:
        validation = find_samples(dataset, setting.validation, index_of) if fixable else []
    except InputError:  # a validation split without boxes
        validation = []
    refuse_unusable([*cases, *validation])
    return EvaluationSet(dataset, setting, cases, validation, _notes(dataset, setting, cases, validation))


def measure_on(
    ground: EvaluationSet,
    outcomes_of: OutcomesOf,
    names: Sequence[str],
    defaults: Mapping[str, float],
    on_outcome: OnOutcome | None = None,
    *,
    groups: bool = False,
) -> Evaluation:
    """Fix thresholds on the validation cases, score the others, and put the figures together.

    Args:
        ground: The cases.
        outcomes_of: Gives the outcomes of cases.
        names: Names of the maps that outcomes have scores of, the most important first.
        defaults: Thresholds for maps where there is no validation split, by name.
        on_outcome: Called with each scored outcome and the fixed thresholds.
        groups: Whether figures of classes and sizes are wanted.
    """
    setting, classes = ground.setting, ground.dataset.class_names
    given = setting.threshold is not None
    same_at_all = {FULL_IMAGE: 0.5} if FULL_IMAGE in names else {}
    question = EvaluationPlan(
        names=tuple(names),
        cases=ground.cases,
        validation=ground.validation,
        thresholds=same_at_all | {name: setting.threshold or default for name, default in defaults.items()},
        given=given,
        classes=len(classes) if groups else 0,
        samples=setting.samples,
        seed=setting.seed,
    )
    found = measure(question, outcomes_of, on_outcome)
    unread = (f"{found.unread} images could not be read and count as wrong.",) if found.unread else ()
    return Evaluation(
        data=str(ground.dataset.root),
        split=_split(ground.dataset, setting.split),
        validation=setting.validation if ground.validation else None,
        rows=found.rows,
        group_names=(*classes, *SIZES) if groups else (),
        group_counts=found.group_counts,
        notes=(*ground.notes, *unread),
    )


def _split(dataset: Dataset, wanted: str) -> str:
    """A data set without splits is scored whole."""
    return "all" if list(dataset.splits) == [""] else wanted


def _notes(
    dataset: Dataset,
    setting: EvaluationConfig,
    cases: Sequence[EvaluationSample],
    validation: Sequence[EvaluationSample],
) -> tuple[str, ...]:
    split = _split(dataset, setting.split)
    unplaced = len(dataset.of_split(split)) - len(cases)
    missing = not validation and (setting.validation not in dataset.splits or split not in ("all", setting.validation))
    return (
        *([f"{unplaced} images of the split have neither box nor mask and are left out."] if unplaced else []),
        *([f"There is no split {setting.validation!r} with boxes: no threshold was fixed on it."] if missing else []),
        *(f"The data set: {len(one.where)} x {one.kind}." for one in dataset.issues),
    )
