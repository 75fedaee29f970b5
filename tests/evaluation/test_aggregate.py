from pathlib import Path

import numpy as np
import pytest

from weakspot.data import Annotation, Sample
from weakspot.errors import InputError
from weakspot.evaluation.aggregate import BINS, EvaluationPlan, fixed_iou, instance_boxes, run_plan
from weakspot.evaluation.map_scores import Scores, regions_of_heatmap, score_regions, unreadable_scores
from weakspot.evaluation.predictions import Prediction
from weakspot.evaluation.samples import EvaluationSample
from weakspot.evaluation.targets import make_target

T = np.arange(1, 1001) / 1000


def sample(name, *labels, group=0):
    truths = tuple(Annotation(label, boxes=np.array([[0.0, 0.0, 40.0, 40.0]])) for label in labels or ("cat",))
    return EvaluationSample(Sample(name, Path(f"{name}.jpg")), truths, (), tuple(group + i for i in range(len(truths))))


def right_between(low, high, overlap=0.9):
    """A map whose box is right from one threshold to another."""
    curve = np.where((low <= T) & (high >= T), overlap, 0.1)
    return Scores(curve, curve, curve, None, None)


def predictions(scores, *, side=224, error=None):
    """A function from samples to predictions; scores by image id, or by image id and map."""

    def predict(samples):
        for one in samples:
            for which, truth in enumerate(one.annotations):
                own = scores[one.image.image_id]
                own = own if isinstance(own, dict) else {"cam": own}
                place = make_target(truth, height=side, width=side)
                yield Prediction(one, which, place, (side, side), own, error=error)

    return predict


def plan(samples, validation=(), names=("cam",), thresholds=None, **options):
    given = {"cam": 0.2} if thresholds is None else thresholds
    return EvaluationPlan(names, samples, validation, given, bootstrap_samples=0, **options)


VALIDATION = [sample("v1"), sample("v2")]
TEST = [sample("t1"), sample("t2"), sample("t3"), sample("t4")]
SCORES = {
    "v1": right_between(0.1, 0.6),
    "v2": right_between(0.3, 0.5),
    "t1": right_between(0.1, 0.2),
    "t2": right_between(0.1, 0.2),
    "t3": right_between(0.1, 0.2),
    "t4": right_between(0.4, 0.5),  # both of the validation samples are right from 0.3 to 0.5
}


def test_thresholds_are_fixed_on_the_validation_cases_and_never_on_the_scored_ones():
    found = run_plan(plan(TEST, VALIDATION), predictions(SCORES))
    row = found.rows["cam"]
    assert row.fixed_by == "best on the validation split"
    figure = row.metrics["GT-known Loc"]
    assert figure.fixed_thresholds == (0.4,)
    assert (figure.fixed, figure.oracle) == (25, 75)
    assert figure.oracle_thresholds == (0.1,)


def test_without_validation_cases_the_default_is_taken_and_named():
    row = run_plan(plan(TEST), predictions(SCORES)).rows["cam"]
    assert row.fixed_by == "the default, 0.2"
    assert row.metrics["GT-known Loc"].fixed_thresholds == (0.2,)
    assert row.metrics["GT-known Loc"].fixed == 75
    assert row.metrics["MaxBoxAcc"].fixed_thresholds == (0.2,)
    assert row.metrics["MaxBoxAccV2"].fixed_thresholds == (0.2, 0.2, 0.2)


def test_a_threshold_that_is_given_comes_before_the_validation_cases():
    evaluation = plan(TEST, VALIDATION, thresholds={"cam": 0.45}, override_val=True)
    row = run_plan(evaluation, predictions(SCORES)).rows["cam"]
    assert row.fixed_by == "set to 0.45"
    assert row.metrics["GT-known Loc"].fixed_thresholds == (0.45,)
    assert row.metrics["GT-known Loc"].fixed == 25


def test_validation_cases_are_not_scored_where_every_threshold_is_given():
    evaluation = plan(TEST, VALIDATION, thresholds={"cam": 0.45}, override_val=True)
    seen = []

    def predict(samples):
        seen.append([one.image.image_id for one in samples])
        yield from predictions(SCORES)(samples)

    run_plan(evaluation, predict)
    assert seen == [["t1", "t2", "t3", "t4"]]


def test_a_map_without_a_threshold_has_no_fixed_figure_where_there_is_no_validation():
    both = {name: {"cam": one, "base": one} for name, one in SCORES.items()}
    found = run_plan(plan(TEST, names=("cam", "base")), predictions(both))
    base = found.rows["base"]
    assert base.fixed_by == "none"
    assert np.isnan(base.metrics["GT-known Loc"].fixed)
    assert base.metrics["GT-known Loc"].oracle == 75


def test_each_map_has_the_validation_threshold_of_its_own():
    both = {
        name: {"cam": one, "base": right_between(0.7, 0.8) if name[0] == "v" else right_between(0.75, 0.75)}
        for name, one in SCORES.items()
    }
    found = run_plan(plan(TEST, VALIDATION, names=("cam", "base")), predictions(both))
    assert found.rows["cam"].metrics["GT-known Loc"].fixed_thresholds == (0.4,)
    assert found.rows["base"].metrics["GT-known Loc"].fixed_thresholds == (0.75,)
    assert found.rows["base"].metrics["GT-known Loc"].fixed == 100


def test_every_scored_outcome_is_handed_on_once_with_the_thresholds():
    seen = []
    run_plan(
        plan(TEST, VALIDATION),
        predictions(SCORES),
        lambda prediction, chosen: seen.append((prediction.sample.image.image_id, chosen["cam"]["GT-known Loc"])),
    )
    assert seen == [(f"t{i}", (399,)) for i in (1, 2, 3, 4)]


def test_the_histogram_is_of_overlaps_at_the_fixed_threshold():
    scores = dict(
        zip(("t1", "t2", "t3", "t4"), (right_between(0.1, 0.3, v) for v in (0.0, 0.5, 0.999, 1.0)), strict=True)
    )
    found = run_plan(plan(TEST), predictions(scores))
    expected = [0] * BINS
    for place in (0, 10, 19, 19):
        expected[place] += 1
    assert list(found.rows["cam"].iou_histogram) == expected


def test_without_a_threshold_there_is_no_histogram():
    assert sum(run_plan(plan(TEST, thresholds={}), predictions(SCORES)).rows["cam"].iou_histogram) == 0


def test_groups_are_counted_by_class_and_by_size():
    samples = [sample("t1"), sample("t2", group=1), sample("t3", "cat", "dog")]
    found = run_plan(plan(samples, classes=2), predictions(SCORES, side=224))
    assert found.group_counts == (2, 2, 0, 4, 0)
    assert found.rows["cam"].group_metrics["GT-known Loc"].tolist()[:2] == [100, 100]
    assert np.isnan(found.rows["cam"].group_metrics["GT-known Loc"][2])
    assert run_plan(plan(samples), predictions(SCORES)).group_counts == ()


def test_images_that_could_not_be_read_are_counted_once_however_many_classes_they_have():
    error = InputError("damaged-file", "a.jpg is damaged.")
    samples = [sample("t1", "cat", "dog"), sample("t2")]
    found = run_plan(plan(samples), predictions(SCORES, error=error))
    assert found.unreadable == 2
    assert found.rows["cam"].metrics["GT-known Loc"].images == 3


def test_the_order_of_batches_is_no_matter():
    many = [sample(f"m{i}") for i in range(75)]
    scores = {f"m{i}": right_between(0.1, 0.1 + i / 100) for i in range(75)}
    found = run_plan(plan(many), predictions(scores)).rows["cam"].metrics["GT-known Loc"]
    assert found.images == 75
    assert found.fixed == pytest.approx(100 * 65 / 75)


def test_a_missed_outcome_counts_as_wrong_in_every_box_metric():
    nothing = unreadable_scores(make_target(TEST[0].annotations[0], height=224, width=224))
    evaluation = plan(TEST[:2], thresholds={"cam": 0.15})
    figures = run_plan(evaluation, predictions(SCORES | {"t2": nothing})).rows["cam"].metrics
    expected = dict.fromkeys(("MaxBoxAcc", "MaxBoxAccV2", "GT-known Loc"), (2, 50))
    assert {name: (one.images, one.fixed) for name, one in figures.items()} == expected


def test_the_fixed_overlap_is_that_of_the_plain_box():
    (prediction,) = predictions({"t1": right_between(0.3, 0.5)})([TEST[0]])
    assert fixed_iou(prediction, "cam", {"cam": {"GT-known Loc": (399,)}}) == 0.9
    assert fixed_iou(prediction, "cam", {"cam": {"GT-known Loc": (0,)}}) == 0.1
    assert fixed_iou(prediction, "cam", {"cam": {}}) is None


TWO_SQUARES = np.zeros((224, 224), np.float32)
TWO_SQUARES[0:40, 0:40] = 1.0
TWO_SQUARES[100:150, 100:150] = 0.6
TWO_SQUARES[200:202, 200:202] = 0.6  # less than 1 % of the image


def prediction_of(heatmap, **changed):
    one = sample("two")
    place = make_target(one.annotations[0], height=224, width=224)
    found = regions_of_heatmap(heatmap, heatmap)
    fields = {"size": (224, 224), "scores": {"cam": score_regions(found, place)}, "regions": {"cam": found}}
    return Prediction(one, 0, place, **(fields | changed))


def test_instances_are_the_regions_at_the_fixed_threshold():
    one = prediction_of(TWO_SQUARES)
    assert instance_boxes(one, "cam", {"cam": {"GT-known Loc": (499,)}}).tolist() == [
        [100, 100, 150, 150],
        [0, 0, 40, 40],
    ]
    assert instance_boxes(one, "cam", {"cam": {"GT-known Loc": (699,)}}).tolist() == [[0, 0, 40, 40]]
    assert instance_boxes(one, "cam", {"cam": {}}) is None


def test_instances_of_a_file_are_its_boxes_and_of_an_unread_image_none():
    boxes = np.array([[1.0, 2, 3, 4]])
    chosen = {"cam": {"GT-known Loc": (499,)}}
    assert instance_boxes(prediction_of(TWO_SQUARES, boxes={"cam": boxes}), "cam", chosen) is boxes
    assert instance_boxes(prediction_of(TWO_SQUARES, size=None, regions={}), "cam", chosen).shape == (0, 4)


def test_precision_and_recall_count_every_region():
    """One of two regions is right, and the one object is found."""
    evaluation = EvaluationPlan(("cam",), [sample("two")], [], {"cam": 0.5}, override_val=True, bootstrap_samples=0)
    row = run_plan(evaluation, lambda _cases: iter([prediction_of(TWO_SQUARES)])).rows["cam"]
    assert row.instance_metrics() == pytest.approx({"precision": 50, "recall": 100, "F1": 200 / 3})
    none = run_plan(plan(TEST), predictions(SCORES)).rows["cam"]
    assert none.instance_metrics() == {}
