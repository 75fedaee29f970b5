from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from refusals import refused

from weakspot.metrics import InstanceF1, box_iou, matched

CORNERS = st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(1, 6), st.integers(1, 6))
BOXES = st.lists(CORNERS, max_size=4).map(
    lambda rows: np.array([(x, y, x + w, y + h) for x, y, w, h in rows], float).reshape(-1, 4)
)
TWO = np.array([[0.0, 0, 4, 4], [4, 0, 8, 4]])


def test_each_object_counts_once():
    found = np.array([[0.0, 0, 4, 3], [0, 0, 4, 4], [4, 0, 8, 4]])
    assert matched(found, TWO).tolist() == [0, -1, 1]
    assert matched(found, TWO, scores=np.array([0.1, 0.9, 0.5])).tolist() == [-1, 0, 1]


def test_the_minimum_overlap_is_inclusive():
    assert matched(np.array([[0.0, 0, 4, 2]]), TWO, 0.5).tolist() == [0]
    assert matched(np.array([[0.0, 0, 4, 2]]), TWO, 0.51).tolist() == [-1]


def test_of_many_equal_scores_the_first_chooses_first():
    scores = np.random.default_rng(0).integers(0, 2, 400)
    pairs = matched(np.tile(TWO[:1], (400, 1)), TWO[:1], scores=scores)
    assert np.flatnonzero(pairs == 0).tolist() == [scores.argmax()]


def test_without_boxes_there_are_no_pairs():
    assert matched(np.zeros((0, 4)), TWO).tolist() == []
    assert matched(TWO, np.zeros((0, 4))).tolist() == [-1, -1]


def test_precision_recall_and_f1_of_two_images():
    metric = InstanceF1((0.5, 0.75))
    metric.update([TWO, [[0, 0, 4, 2]]], [TWO[:1], TWO])  # pairs at .5: 1 and 1; at .75: 1 and 0
    details = {name: values.tolist() for name, values in metric.details().items()}
    assert details["precision"] == pytest.approx([200 / 3, 100 / 3])
    assert details["recall"] == pytest.approx([200 / 3, 100 / 3])
    assert float(metric.compute()) == pytest.approx(50)


def test_the_surest_box_chooses_first():
    # The larger shares 2 / 3 with the first true box, and 1 / 2 with the second.
    both, one = [0.0, 0.0, 4.0, 6.0], [0.0, 0.0, 4.0, 4.0]
    true = [one, [0.0, 3.0, 4.0, 6.0]]
    for scores, pairs in ((None, 1), ([0.9, 0.1], 1), ([0.1, 0.9], 2)):
        metric = InstanceF1()
        metric.update([[both, one]], [true], scores=None if scores is None else [scores])
        assert metric.compute().item() == pytest.approx(100 * pairs / 2)


def test_groups_samples_and_seed_are_passed_on():
    metric, other = (InstanceF1((1.0,), groups=1, samples=50, seed=seed) for seed in (1, 2))
    for one in (metric, other):
        one.update([TWO] * 9 + [[]] * 9, [TWO] * 18, np.zeros(18, int))
    assert len(metric.per_group()) == 1
    assert metric.interval() != other.interval()


def test_without_boxes_f1_is_nan_and_a_missed_object_counts():
    metric = InstanceF1()
    metric.update([[]], [[]])
    assert np.isnan(float(metric.compute()))
    metric.update([[]], [TWO])
    assert float(metric.compute()) == 0
    assert np.isnan(metric.details()["precision"]).all()


def test_merged_metrics_equal_the_metric_of_all():
    one, other, both = InstanceF1(groups=2), InstanceF1(groups=2), InstanceF1(groups=2)
    one.update([TWO], [TWO], np.array([0]))
    other.update([TWO], [TWO[:1]], np.array([1]))
    both.update([TWO, TWO], [TWO, TWO[:1]], np.array([0, 1]))
    one.merge_state(other)
    assert one.compute() == both.compute() == pytest.approx(2 * 3 / 7 * 100)
    assert one.per_group().tolist() == both.per_group().tolist() == pytest.approx([100, 200 / 3])


@pytest.mark.parametrize(
    ("build", "code", "value"),
    [
        (lambda: InstanceF1(()), "out-of-range", ()),
        (lambda: InstanceF1((0.0,)), "out-of-range", (0.0,)),
        (lambda: InstanceF1((0.5, 1.5)), "out-of-range", (0.5, 1.5)),
        (lambda: InstanceF1().update([TWO], []), "length-mismatch", (1, 0, 1)),
        (lambda: InstanceF1().update([[1.0, 2.0]], [TWO]), "shape-mismatch", (2,)),
    ],
)
def test_unusable_arguments_are_refused(build, code, value):
    with refused(code, value):
        build()


@given(BOXES, BOXES)
def test_pairs_are_one_to_one_and_half_of_the_most_at_least(found, true):
    """A pairing that no free pair can be added to has half as many pairs as the best, by brute force."""
    pairs = matched(found, true, 0.3)
    partners = pairs[pairs >= 0]
    assert len(set(partners.tolist())) == len(partners)
    fits = box_iou(found, true) >= 0.3
    assert all(fits[i, partner] for i, partner in enumerate(pairs) if partner >= 0)
    free = [j for j in range(len(true)) if j not in partners]
    assert not fits[pairs < 0][:, free].any()
    assert most_pairs(fits) / 2 <= len(partners) <= most_pairs(fits)


def most_pairs(fits):
    if fits.shape[0] > fits.shape[1]:
        fits = fits.T
    orders = permutations(range(fits.shape[1]), fits.shape[0])
    return max(sum(fits[i, j] for i, j in enumerate(order)) for order in orders)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(BOXES, BOXES), min_size=1, max_size=4))
def test_the_order_of_images_does_not_matter(images):
    one, other = InstanceF1((0.3, 0.5)), InstanceF1((0.3, 0.5))
    one.update([found for found, _ in images], [true for _, true in images])
    for found, true in reversed(images):
        other.update([found], [true])
    assert one.compute().item() == pytest.approx(other.compute().item(), nan_ok=True)


@settings(max_examples=25, deadline=None)
@given(BOXES, BOXES, st.permutations(range(4)), st.sampled_from([0.3, 0.5, 0.75]))
def test_coco_pairs_the_same_boxes(found, true, ranks, least):
    scores = np.array(ranks[: len(found)], np.float64)
    pairs = matched(found, true, least, scores=scores)
    assert pairs.tolist() == coco_pairs(found, true, scores, least)


def coco_pairs(found, true, scores, least):
    if not len(found) or not len(true):
        return [-1] * len(found)
    sides = [(rows[:, 2:] - rows[:, :2]) for rows in (found, true)]
    truth = COCO()
    truth.dataset = {
        "images": [{"id": 1}],
        "categories": [{"id": 1}],
        "annotations": [
            {"id": i + 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [*box[:2], *side], "area": side.prod()}
            for i, (box, side) in enumerate(zip(true.tolist(), sides[1], strict=True))
        ],
    }
    truth.createIndex()
    rows = [[1, *box[:2], *side, score, 1] for box, side, score in zip(found, sides[0], scores, strict=True)]
    judge = COCOeval(truth, truth.loadRes(np.array(rows, np.float64)), "bbox")
    judge.params.iouThrs = np.array([least])
    judge.evaluate()
    (image,) = [one for one in judge.evalImgs if one is not None and one["aRng"] == judge.params.areaRng[0]]
    by_id = dict(zip(image["dtIds"], image["dtMatches"][0], strict=True))
    return [int(by_id[i + 1]) - 1 for i in range(len(found))]
