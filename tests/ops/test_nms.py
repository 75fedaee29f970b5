import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused
from torchvision.ops import batched_nms
from torchvision.ops import nms as torchvision_nms

from weakspot.ops import nms

CORNERS = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 8), st.integers(1, 8))
BOXES = st.lists(CORNERS, max_size=8).map(
    lambda rows: np.array([(x, y, x + w, y + h) for x, y, w, h in rows], float).reshape(-1, 4)
)


def test_the_surest_of_those_that_bound_the_same_stays():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [0, 0, 9, 9]])
    assert nms(boxes, np.array([0.5, 0.9, 0.7, 0.6]), 0.5).tolist() == [1, 2]


def test_overlap_itself_is_allowed():
    boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 1]])
    assert nms(boxes, np.ones(2), 0.5).tolist() == [0, 1]
    assert nms(boxes, np.ones(2), 0.49).tolist() == [0]


def test_classes_do_not_suppress_one_another():
    same = np.array([[0, 0, 2, 2]] * 3)
    assert nms(same, np.array([0.1, 0.3, 0.2]), classes=np.array([0, 1, 0])).tolist() == [1, 2]


def test_no_boxes_yield_no_indices():
    assert nms(np.zeros((0, 4)), np.zeros(0)).tolist() == []


def test_indices_of_no_boxes_are_valid_indices():
    assert nms(np.zeros((0, 4)), np.zeros(0)).dtype == np.intp


def test_an_overlap_of_1_drops_none():
    assert nms(np.array([[0, 0, 2, 2]] * 2), np.ones(2), 1.0).tolist() == [0, 1]


def test_of_many_equal_scores_the_first_counts_as_greater():
    apart = np.array([[3 * i, 0, 3 * i + 2, 2] for i in range(400)])
    scores = np.random.default_rng(0).integers(0, 2, 400)
    expected = [*np.flatnonzero(scores == 1), *np.flatnonzero(scores == 0)]
    assert nms(apart, scores).tolist() == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_])
def test_scores_without_a_sign_are_scores(dtype):
    assert nms(np.array([[0, 0, 2, 2]] * 2), np.array([0, 1], dtype)).tolist() == [1]


@pytest.mark.parametrize("overlap", [1.5, -0.1, np.nan])
def test_overlap_out_of_range_is_refused(overlap):
    with refused("out-of-range", "max_overlap", overlap):
        nms(np.zeros((0, 4)), np.zeros(0), overlap)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_disjoint_boxes_are_all_kept(scores):
    boxes = np.array([[3 * i, 0, 3 * i + 3, 2] for i in range(len(scores))])
    assert sorted(nms(boxes, np.array(scores), 0.0).tolist()) == list(range(len(scores)))


@given(BOXES, st.randoms(use_true_random=False), st.sampled_from([0.1, 0.3, 0.77]))
def test_torchvision_keeps_the_same(boxes, random, at_most):
    scores = np.array(random.sample(range(100), len(boxes)), np.float64)
    classes = np.array([random.randrange(2) for _ in boxes], np.int64)
    given_ = torch.from_numpy(boxes), torch.from_numpy(scores)
    assert nms(boxes, scores, at_most).tolist() == torchvision_nms(*given_, at_most).tolist()
    if len(boxes):
        theirs = batched_nms(*given_, torch.from_numpy(classes), at_most)
        assert nms(boxes, scores, at_most, classes=classes).tolist() == theirs.tolist()
