import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from refusals import refused

from weakspot.metrics.check_inputs import array, box_lists, maps_array, ranks_of

LOGITS = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(-2, 2))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([[1.0, 2.0]], id="list"),
        pytest.param(np.array([[1.0, 2.0]]), id="array"),
        pytest.param(torch.tensor([[1.0, 2.0]]), id="tensor"),
        pytest.param(torch.tensor([[1.0, 2.0]], requires_grad=True), id="tensor with gradient"),
        pytest.param(torch.tensor([[1.0, 2.0]], dtype=torch.bfloat16), id="bfloat16, which numpy has not"),
    ],
)
def test_array_accepts_tensors_and_array_likes(values):
    taken = array(values)
    assert isinstance(taken, np.ndarray)
    assert taken.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_maps_keep_their_precision(dtype):
    tenth = np.full((1, 1, 1), 0.1, dtype)
    maps = maps_array(tenth)
    assert maps.dtype == dtype
    assert maps.item() == dtype(0.1)


@pytest.mark.parametrize(
    ("maps", "code", "value"),
    [
        pytest.param(np.zeros((4, 4)), "shape-mismatch", (4, 4), id="one map"),
        pytest.param(np.zeros((1, 1, 4, 4)), "shape-mismatch", (1, 1, 4, 4), id="with channels"),
        pytest.param(np.zeros((1, 4, 4), np.uint8), "dtype-mismatch", "uint8", id="8 bits"),
        pytest.param(torch.zeros(2, 3, dtype=torch.int64), "shape-mismatch", (2, 3), id="tensor"),
    ],
)
def test_unusable_maps_are_refused(maps, code, value):
    with refused(code, value):
        maps_array(maps)


def test_boxes_of_images_may_be_as_many_as_they_like():
    first, second = box_lists([[[0, 0, 1, 1]], torch.tensor([[0, 0, 2, 2], [1, 1, 3, 3]])], 2)
    assert (first.tolist(), second.tolist()) == ([[0, 0, 1, 1]], [[0, 0, 2, 2], [1, 1, 3, 3]])


def test_each_map_needs_a_list_of_boxes():
    with refused("length-mismatch", 1, 2):
        box_lists([[[0, 0, 1, 1]]], 2)


def test_ranks_of_the_true_classes():
    logits = torch.tensor([[0.1, 0.9, 0.5], [0.1, 0.9, 0.5], [0.1, 0.9, 0.5]])
    assert ranks_of(logits, torch.tensor([1, 2, 0])).tolist() == [0, 1, 2]


def test_convention_of_equal_logits_the_lower_index_is_first():
    assert ranks_of([[5.0, 5.0, 5.0]] * 3, [0, 1, 2]).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("logits", "labels", "code", "value"),
    [
        pytest.param([0.1, 0.9], [1], "shape-mismatch", (1,), id="one row"),
        pytest.param([[0.1, 0.9]], [1, 0], "shape-mismatch", (2,), id="too many"),
        pytest.param([[0.1, 0.9]], [[1]], "shape-mismatch", (1, 1), id="2-D labels"),
        pytest.param([[0.1, 0.9]] * 2, [0, 2], "unknown-class", 2, id="too high"),
        pytest.param([[0.1, 0.9]] * 2, [-1, 1], "unknown-class", -1, id="negative"),
        pytest.param([[0.1, np.nan]], [0], "not-finite", "NaN", id="NaN"),
    ],
)
def test_labels_that_do_not_fit_the_logits_are_refused(logits, labels, code, value):
    with refused(code, value):
        ranks_of(logits, labels)


def test_no_images_have_no_ranks():
    assert ranks_of(np.zeros((0, 3)), np.zeros(0, np.int64)).tolist() == []


@given(LOGITS, st.randoms(use_true_random=False))
def test_ranks_equal_a_stable_sort(logits, random):
    labels = [random.randrange(logits.shape[1]) for _ in logits]
    ranked = np.argsort(-logits, axis=1, kind="stable").tolist()
    assert ranks_of(logits, labels).tolist() == [row.index(label) for row, label in zip(ranked, labels, strict=True)]
