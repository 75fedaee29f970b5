import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from weakspot.errors import InputError
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
def test_array_takes_tensors_and_whatever_numpy_takes(values):
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
    ("maps", "kind"),
    [
        pytest.param(np.zeros((4, 4)), "float64 of (4, 4)", id="one map"),
        pytest.param(np.zeros((1, 1, 4, 4)), "float64 of (1, 1, 4, 4)", id="with channels"),
        pytest.param(np.zeros((1, 4, 4), np.uint8), "uint8 of (1, 4, 4)", id="8 bits"),
        pytest.param(torch.zeros(2, 3, dtype=torch.int64), "int64 of (2, 3)", id="tensor"),
    ],
)
def test_what_are_no_maps_is_refused_in_two_lines(maps, kind):
    with pytest.raises(InputError) as refusal:
        maps_array(maps)
    assert str(refusal.value).splitlines() == [
        f"Score maps must be floats of shape (images, height, width); these are {kind}.",
        "Give a batch of maps, each min-max normalised to [0, 1].",
    ]


def test_boxes_of_images_may_be_as_many_as_they_like():
    first, second = box_lists([[[0, 0, 1, 1]], torch.tensor([[0, 0, 2, 2], [1, 1, 3, 3]])], 2)
    assert (first.tolist(), second.tolist()) == ([[0, 0, 1, 1]], [[0, 0, 2, 2], [1, 1, 3, 3]])


def test_a_list_of_boxes_for_each_map_is_wanted():
    with pytest.raises(InputError) as refusal:
        box_lists([[[0, 0, 1, 1]]], 2)
    assert str(refusal.value).splitlines() == ["1 lists of boxes were given for 2 maps.", "Give one for each map."]


def test_places_of_the_true_classes_among_the_predictions():
    logits = torch.tensor([[0.1, 0.9, 0.5], [0.1, 0.9, 0.5], [0.1, 0.9, 0.5]])
    assert ranks_of(logits, torch.tensor([1, 2, 0])).tolist() == [0, 1, 2]


def test_convention_of_equal_logits_the_lower_index_is_first():
    assert ranks_of([[5.0, 5.0, 5.0]] * 3, [0, 1, 2]).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("logits", "labels", "problem"),
    [
        pytest.param([0.1, 0.9], [1], "Labels of shape (1,) do not belong to logits of (2,).", id="one row"),
        pytest.param([[0.1, 0.9]], [1, 0], "Labels of shape (2,) do not belong to logits of (1, 2).", id="too many"),
        pytest.param([[0.1, 0.9]], [[1]], "Labels of shape (1, 1) do not belong to logits of (1, 2).", id="2-D labels"),
        pytest.param([[0.1, 0.9]] * 2, [0, 2], "Labels from 0 to 2 or logits of 2 classes with NaN.", id="too high"),
        pytest.param([[0.1, 0.9]] * 2, [-1, 1], "Labels from -1 to 1 or logits of 2 classes with NaN.", id="negative"),
        pytest.param([[0.1, np.nan]], [0], "Labels from 0 to 0 or logits of 2 classes with NaN.", id="NaN"),
    ],
)
def test_labels_that_do_not_fit_the_logits_are_refused(logits, labels, problem):
    with pytest.raises(InputError) as refusal:
        ranks_of(logits, labels)
    assert refusal.value.problem == problem


def test_no_images_have_no_places():
    assert ranks_of(np.zeros((0, 3)), np.zeros(0, np.int64)).tolist() == []


@given(LOGITS, st.randoms(use_true_random=False))
def test_places_equal_a_stable_sort(logits, random):
    labels = [random.randrange(logits.shape[1]) for _ in logits]
    ranked = np.argsort(-logits, axis=1, kind="stable").tolist()
    assert ranks_of(logits, labels).tolist() == [row.index(label) for row, label in zip(ranked, labels, strict=True)]
