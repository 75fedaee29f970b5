"""Outcomes -> figures: thresholds are fixed on one split, then another is scored."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from weakspot.concurrency import batched
from weakspot.evaluation.map_scores import FULL_IMAGE
from weakspot.evaluation.metric_collection import Chosen, MetricCollection
from weakspot.evaluation.predictions import Prediction
from weakspot.evaluation.results import MethodResult
from weakspot.evaluation.samples import EvaluationSample
from weakspot.evaluation.targets import SIDE, SIZES
from weakspot.metrics import InstanceF1
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.ops import scale_boxes
from weakspot.ops.contours import THRESHOLDS

OutcomesOf = Callable[[Sequence[EvaluationSample]], Iterator[Prediction]]
OnOutcome = Callable[[Prediction, Mapping[str, Chosen]], None]

BINS = 20
MIN_AREA = 0.01  # least area of a region that counts as an instance, as localize has it by default
_BATCH = 64


@dataclass(frozen=True)
class EvaluationPlan:
    """What is to be measured.

    Attributes:
        names: Names of the maps that outcomes have scores of.
        cases: What is scored.
        validation: What thresholds are fixed on; empty where there is no such split.
        thresholds: Thresholds given by hand or by the method, by name; a map without one has no fixed figure where
            there is no validation split.
        given: Whether those thresholds come before what a validation split says.
        classes: Number of the data set's classes, each a group; 0 for no groups.
        samples: Number of bootstrap samples.
        seed: Of the bootstrap.
    """

    names: tuple[str, ...]
    cases: Sequence[EvaluationSample]
    validation: Sequence[EvaluationSample]
    thresholds: Mapping[str, float]
    given: bool = False
    classes: int = 0
    samples: int = 1000
    seed: int = 0


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """What was measured.

    Attributes:
        rows: The figures, by the name of the map.
        group_counts: Number of outcomes in each group.
        unread: Number of images that could not be read, validation split included.
    """

    rows: dict[str, MethodResult]
    group_counts: tuple[int, ...]
    unread: int


def measure(question: EvaluationPlan, outcomes_of: OutcomesOf, on_outcome: OnOutcome | None = None) -> EvaluationResult:
    """Fix thresholds on the validation split, then score the other.

    Args:
        question: What is to be measured.
        outcomes_of: Gives the outcomes of cases.
        on_outcome: Called with each scored outcome and the thresholds fixed for each map.

    Returns:
        The figures by name, and what was counted beside them.
    """
    unread = 0

    def noting(cases: Sequence[EvaluationSample]) -> Iterator[Prediction]:
        nonlocal unread
        for outcome in outcomes_of(cases):
            unread += outcome.error is not None and outcome.which == 0
            yield outcome

    chosen = _chosen(question, noting)
    groups = question.classes + len(SIZES) if question.classes else 0
    # Only the first map's groups are reported; with a thousand classes they take the most memory.
    tallies = {
        name: MetricCollection(groups=0 if i else groups, samples=question.samples, seed=question.seed)
        for i, name in enumerate(question.names)
    }
    counts = _Counts(chosen, np.zeros(groups, np.int64))

    def watched() -> Iterator[Prediction]:
        for outcome in noting(question.cases):
            counts.add(outcome, question.classes)
            if on_outcome is not None:
                on_outcome(outcome, chosen)
            yield replace(outcome, regions={})  # the scores are all that is needed from here on, and small

    _fill(tallies, watched(), question.classes)
    rows = {name: _measured(question, name, tally, counts) for name, tally in tallies.items()}
    return EvaluationResult(rows, tuple(counts.groups.tolist()), unread)


def _measured(question: EvaluationPlan, name: str, tally: MetricCollection, counts: "_Counts") -> MethodResult:
    chosen = counts.chosen[name]
    grouped = name == question.names[0] and len(counts.groups) > 0 and bool(chosen)
    return MethodResult(
        tally.figures(chosen),
        _fixed_by(question, name),
        tally,
        tuple(counts.overlaps[name].tolist()),
        tally.of_groups(chosen) if grouped else {},
        counts.instances[name],
    )


@dataclass
class _Counts:
    """Counts beside the metrics: of box overlaps, of groups, and of every region's box."""

    chosen: Mapping[str, Chosen]
    groups: NDArray[np.int64]

    def __post_init__(self) -> None:
        self.overlaps = {name: np.zeros(BINS, np.int64) for name in self.chosen}
        self.instances = {name: InstanceF1() for name in self.chosen}

    def add(self, outcome: Prediction, classes: int) -> None:
        for name, histogram in self.overlaps.items():
            overlap = fixed_overlap(outcome, name, self.chosen)
            if overlap is not None:
                histogram[min(int(overlap * BINS), BINS - 1)] += 1
            boxes = instance_boxes(outcome, name, self.chosen)
            if boxes is not None:
                self.instances[name].update([boxes], [outcome.target.boxes])
        if len(self.groups):
            self.groups[list(_groups(outcome, classes))] += 1


def _chosen(question: EvaluationPlan, outcomes_of: OutcomesOf) -> dict[str, Chosen]:
    """The fixed thresholds of each map, as indices; none where nothing says which."""
    chosen: dict[str, Chosen] = {}
    if question.validation and not set(question.names) <= set(_given(question)):
        tallies = {name: MetricCollection() for name in question.names}
        _fill(tallies, outcomes_of(question.validation), 0)
        chosen = {name: tally.best_thresholds() for name, tally in tallies.items()}
    by_hand = _given(question) if question.validation else question.thresholds
    own = {name: _indices(threshold) for name, threshold in by_hand.items()}
    return {name: {} for name in question.names} | chosen | own


def _given(question: EvaluationPlan) -> Mapping[str, float]:
    return question.thresholds if question.given else {}


def _indices(threshold: float) -> Chosen:
    """The thresholds nearest to one, for every metric."""
    plain, reference = (int(np.abs(known - threshold).argmin()) for known in (NATIVE_THRESHOLDS, THRESHOLDS))
    loc = dict.fromkeys(("GT-known Loc", "Top-1 Loc", "Top-5 Loc", "mask IoU"), (plain,))
    return {"MaxBoxAcc": (reference,), "MaxBoxAccV2": (reference,) * 3, **loc}


def _fill(tallies: Mapping[str, MetricCollection], outcomes: Iterable[Prediction], classes: int) -> None:
    for batch in batched(outcomes, _BATCH):
        groups = np.array([_groups(one, classes) for one in batch])
        for name, tally in tallies.items():
            tally.add([one.scores[name] for one in batch], [one.rank for one in batch], groups)


def _groups(outcome: Prediction, classes: int) -> tuple[int, int]:
    """The groups of an outcome: its class, and behind the classes its size."""
    return outcome.case.groups[outcome.which], classes + outcome.target.size


def fixed_overlap(outcome: Prediction, name: str, chosen: Mapping[str, Chosen]) -> float | None:
    """Overlap of the box that localizing gives at the fixed threshold; None without true boxes or a threshold."""
    plain, index = outcome.scores[name].plain, chosen[name].get("GT-known Loc")
    return None if plain is None or index is None else float(plain[index[0]])


def instance_boxes(outcome: Prediction, name: str, chosen: Mapping[str, Chosen]) -> NDArray[np.float64] | None:
    """The boxes of all regions at the fixed threshold, or those of a file, in the 224 frame, the best first.

    None without true boxes, a threshold or regions; of an image that could not be read, no box.
    """
    index = chosen[name].get("GT-known Loc")
    if not len(outcome.target.boxes) or index is None:
        return None
    if name in outcome.found or outcome.size is None:
        return outcome.found.get(name, np.zeros((0, 4)))
    if name not in outcome.regions:
        return None
    tree = outcome.regions[name].tree
    boxes = tree.boxes_at(float(NATIVE_THRESHOLDS[index[0]]), min_area=MIN_AREA)
    return scale_boxes(boxes, from_size=tree.shape, to_size=(SIDE, SIDE))


def _fixed_by(question: EvaluationPlan, name: str) -> str:
    if name == FULL_IMAGE:
        return "any: the box is the same at all"
    if name in _given(question):
        (nearest,) = _indices(question.thresholds[name])["GT-known Loc"]
        return f"given: {NATIVE_THRESHOLDS[nearest]:g}"
    if question.validation:
        return "best on the validation split"
    return f"the default, {question.thresholds[name]:g}" if name in question.thresholds else "none"
