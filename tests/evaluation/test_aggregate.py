from pathlib import Path

import numpy as np
import pytest

from weakspot.data import Annotation, Sample
from weakspot.errors import InputError
from weakspot.evaluation.aggregate import BINS, EvaluationPlan, fixed_overlap, instance_boxes, measure
from weakspot.evaluation.map_scores import Scores, regions, score, unreadable_scores
from weakspot.evaluation.predictions import Prediction
from weakspot.evaluation.samples import EvaluationSample
from weakspot.evaluation.targets import target

T = np.arange(1, 1001) / 1000


def case(name, *labels, group=0):
    truths = tuple(Annotation(label, boxes=np.array([[0.0, 0.0, 40.0, 40.0]])) for label in labels or ("cat",))
    return EvaluationSample(Sample(name, Path(f"{name}.jpg")), truths, (), tuple(group + i for i in range(len(truths))))


def right_between(low, high, overlap=0.9):
    """A map whose box is right from one threshold to another."""
    curve = np.where((low <= T) & (high >= T), overlap, 0.1)
    return Scores(curve, curve, curve, None, None)


def outcomes(scores, *, side=224, error=None):
    """A function from cases to outcomes; scores by image id, or by image id and map."""

    def outcomes_of(cases):
        for one in cases:
            for which, truth in enumerate(one.truths):
                own = scores[one.example.image_id]
                own = own if isinstance(own, dict) else {"cam": own}
                place = target(truth, height=side, width=side)
                yield Prediction(one, which, place, (side, side), own, error=error)

    return outcomes_of


def question(cases, validation=(), names=("cam",), thresholds=None, **options):
    given = {"cam": 0.2} if thresholds is None else thresholds
    return EvaluationPlan(names, cases, validation, given, samples=0, **options)


VALIDATION = [case("v1"), case("v2")]
TEST = [case("t1"), case("t2"), case("t3"), case("t4")]
SCORES = {
    "v1": right_between(0.1, 0.6),
    "v2": right_between(0.3, 0.5),
    "t1": right_between(0.1, 0.2),
    "t2": right_between(0.1, 0.2),
    "t3": right_between(0.1, 0.2),
    "t4": right_between(0.4, 0.5),  # both of the validation cases are right from 0.3 to 0.5
}


def test_thresholds_are_fixed_on_the_validation_cases_and_never_on_the_scored_ones():
    found = measure(question(TEST, VALIDATION), outcomes(SCORES))
    row = found.rows["cam"]
    assert row.fixed_by == "best on the validation split"
    figure = row.figures["GT-known Loc"]
    assert figure.fixed_thresholds == (0.4,)
    assert (figure.fixed, figure.oracle) == (25, 75)
    assert figure.oracle_thresholds == (0.1,)


def test_without_validation_cases_the_default_is_taken_and_named():
    row = measure(question(TEST), outcomes(SCORES)).rows["cam"]
    assert row.fixed_by == "the default, 0.2"
    assert row.figures["GT-known Loc"].fixed_thresholds == (0.2,)
    assert row.figures["GT-known Loc"].fixed == 75
    assert row.figures["MaxBoxAcc"].fixed_thresholds == (0.2,)
    assert row.figures["MaxBoxAccV2"].fixed_thresholds == (0.2, 0.2, 0.2)


def test_a_threshold_that_is_given_comes_before_the_validation_cases():
    asked = question(TEST, VALIDATION, thresholds={"cam": 0.45}, given=True)
    row = measure(asked, outcomes(SCORES)).rows["cam"]
    assert row.fixed_by == "given: 0.45"
    assert row.figures["GT-known Loc"].fixed_thresholds == (0.45,)
    assert row.figures["GT-known Loc"].fixed == 25


def test_validation_cases_are_not_scored_where_every_threshold_is_given():
    asked = question(TEST, VALIDATION, thresholds={"cam": 0.45}, given=True)
    seen = []

    def outcomes_of(cases):
        seen.append([one.example.image_id for one in cases])
        yield from outcomes(SCORES)(cases)

    measure(asked, outcomes_of)
    assert seen == [["t1", "t2", "t3", "t4"]]


def test_a_map_without_a_threshold_has_no_fixed_figure_where_there_is_no_validation():
    both = {name: {"cam": one, "base": one} for name, one in SCORES.items()}
    found = measure(question(TEST, names=("cam", "base")), outcomes(both))
    base = found.rows["base"]
    assert base.fixed_by == "none"
    assert np.isnan(base.figures["GT-known Loc"].fixed)
    assert base.figures["GT-known Loc"].oracle == 75


def test_each_map_has_the_validation_threshold_of_its_own():
    both = {
        name: {"cam": one, "base": right_between(0.7, 0.8) if name[0] == "v" else right_between(0.75, 0.75)}
        for name, one in SCORES.items()
    }
    found = measure(question(TEST, VALIDATION, names=("cam", "base")), outcomes(both))
    assert found.rows["cam"].figures["GT-known Loc"].fixed_thresholds == (0.4,)
    assert found.rows["base"].figures["GT-known Loc"].fixed_thresholds == (0.75,)
    assert found.rows["base"].figures["GT-known Loc"].fixed == 100


def test_every_scored_outcome_is_handed_on_once_with_the_thresholds():
    seen = []
    measure(
        question(TEST, VALIDATION),
        outcomes(SCORES),
        lambda outcome, chosen: seen.append((outcome.case.example.image_id, chosen["cam"]["GT-known Loc"])),
    )
    assert seen == [(f"t{i}", (399,)) for i in (1, 2, 3, 4)]


def test_the_histogram_is_of_overlaps_at_the_fixed_threshold():
    scores = dict(
        zip(("t1", "t2", "t3", "t4"), (right_between(0.1, 0.3, v) for v in (0.0, 0.5, 0.999, 1.0)), strict=True)
    )
    found = measure(question(TEST), outcomes(scores))
    expected = [0] * BINS
    for place in (0, 10, 19, 19):
        expected[place] += 1
    assert list(found.rows["cam"].overlaps) == expected


def test_without_a_threshold_there_is_no_histogram():
    assert sum(measure(question(TEST, thresholds={}), outcomes(SCORES)).rows["cam"].overlaps) == 0


def test_groups_are_counted_by_class_and_by_size():
    cases = [case("t1"), case("t2", group=1), case("t3", "cat", "dog")]
    found = measure(question(cases, classes=2), outcomes(SCORES, side=224))
    assert found.group_counts == (2, 2, 0, 4, 0)
    assert found.rows["cam"].groups["GT-known Loc"].tolist()[:2] == [100, 100]
    assert np.isnan(found.rows["cam"].groups["GT-known Loc"][2])
    assert measure(question(cases), outcomes(SCORES)).group_counts == ()


def test_images_that_could_not_be_read_are_counted_once_however_many_classes_they_have():
    error = InputError("a.jpg is damaged.", "Copy it again.")
    cases = [case("t1", "cat", "dog"), case("t2")]
    found = measure(question(cases), outcomes(SCORES, error=error))
    assert found.unread == 2
    assert found.rows["cam"].figures["GT-known Loc"].images == 3


def test_the_order_of_batches_is_no_matter():
    many = [case(f"m{i}") for i in range(75)]
    scores = {f"m{i}": right_between(0.1, 0.1 + i / 100) for i in range(75)}
    found = measure(question(many), outcomes(scores)).rows["cam"].figures["GT-known Loc"]
    assert found.images == 75
    assert found.fixed == pytest.approx(100 * 65 / 75)


def test_a_missed_outcome_counts_as_wrong_in_every_box_metric():
    nothing = unreadable_scores(target(TEST[0].truths[0], height=224, width=224))
    asked = question(TEST[:2], thresholds={"cam": 0.15})
    figures = measure(asked, outcomes(SCORES | {"t2": nothing})).rows["cam"].figures
    expected = dict.fromkeys(("MaxBoxAcc", "MaxBoxAccV2", "GT-known Loc"), (2, 50))
    assert {name: (one.images, one.fixed) for name, one in figures.items()} == expected


def test_the_fixed_overlap_is_that_of_the_plain_box():
    (outcome,) = outcomes({"t1": right_between(0.3, 0.5)})([TEST[0]])
    assert fixed_overlap(outcome, "cam", {"cam": {"GT-known Loc": (399,)}}) == 0.9
    assert fixed_overlap(outcome, "cam", {"cam": {"GT-known Loc": (0,)}}) == 0.1
    assert fixed_overlap(outcome, "cam", {"cam": {}}) is None


TWO_SQUARES = np.zeros((224, 224), np.float32)
TWO_SQUARES[0:40, 0:40] = 1.0
TWO_SQUARES[100:150, 100:150] = 0.6
TWO_SQUARES[200:202, 200:202] = 0.6  # less than 1 % of the image


def outcome_of(heatmap, **changed):
    one = case("two")
    place = target(one.truths[0], height=224, width=224)
    found = regions(heatmap, heatmap)
    fields = {"size": (224, 224), "scores": {"cam": score(found, place)}, "regions": {"cam": found}}
    return Prediction(one, 0, place, **(fields | changed))


def test_instances_are_the_regions_at_the_fixed_threshold():
    one = outcome_of(TWO_SQUARES)
    assert instance_boxes(one, "cam", {"cam": {"GT-known Loc": (499,)}}).tolist() == [
        [100, 100, 150, 150],
        [0, 0, 40, 40],
    ]
    assert instance_boxes(one, "cam", {"cam": {"GT-known Loc": (699,)}}).tolist() == [[0, 0, 40, 40]]
    assert instance_boxes(one, "cam", {"cam": {}}) is None


def test_instances_of_a_file_are_its_boxes_and_of_an_unread_image_none():
    boxes = np.array([[1.0, 2, 3, 4]])
    chosen = {"cam": {"GT-known Loc": (499,)}}
    assert instance_boxes(outcome_of(TWO_SQUARES, found={"cam": boxes}), "cam", chosen) is boxes
    assert instance_boxes(outcome_of(TWO_SQUARES, size=None, regions={}), "cam", chosen).shape == (0, 4)


def test_precision_and_recall_count_every_region():
    """One of two regions is right, and the one object is found."""
    asked = EvaluationPlan(("cam",), [case("two")], [], {"cam": 0.5}, given=True, samples=0)
    row = measure(asked, lambda _cases: iter([outcome_of(TWO_SQUARES)])).rows["cam"]
    assert row.of_instances() == pytest.approx({"precision": 50, "recall": 100, "F1": 200 / 3})
    none = measure(question(TEST), outcomes(SCORES)).rows["cam"]
    assert none.of_instances() == {}
