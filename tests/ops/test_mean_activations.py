import numpy as np
import pytest
from drawings import drawn

from weakspot.ops import boxes_from_heatmap, instances_from_heatmap, mask_from_heatmap
from weakspot.ops.boxes import mean_activations
from weakspot.ops.components import Component

# Three regions of heat 3/4, 1/2 and 1, by falling area.
THREE_HEATS = drawn(
    "##++.++",
    ".......",
    "......#",
)
BOXES = [[0, 0, 4, 1], [5, 0, 7, 1], [6, 2, 7, 3]]


def test_activation_of_a_region_is_its_mean_as_a_fraction_of_the_maximum():
    boxes, heats = instances_from_heatmap(8 * THREE_HEATS, 0.5)
    assert boxes.tolist() == BOXES
    assert heats.tolist() == [0.75, 0.5, 1.0]


@pytest.mark.parametrize(
    ("min_activation", "kept"),
    [
        pytest.param(0.0, [0, 1, 2], id="all"),
        pytest.param(0.5, [0, 1, 2], id="least heat is inclusive"),
        pytest.param(0.51, [0, 2], id="the coolest is dropped"),
        pytest.param(0.75, [0, 2], id="the largest is as hot as asked"),
        pytest.param(0.76, [2], id="the largest is dropped, too"),
        pytest.param(1.0, [2], id="the peak alone"),
    ],
)
def test_regions_have_the_minimum_activation(min_activation, kept):
    boxes, heats = instances_from_heatmap(THREE_HEATS, 0.5, min_activation=min_activation)
    assert boxes.tolist() == [BOXES[i] for i in kept]
    assert heats.tolist() == [[0.75, 0.5, 1.0][i] for i in kept]
    assert boxes_from_heatmap(THREE_HEATS, 0.5, min_activation=min_activation).tolist() == boxes.tolist()
    mask = mask_from_heatmap(THREE_HEATS, 0.5, height=3, width=7, min_area=0.0, min_activation=min_activation)
    assert [mask[y1, x1] for x1, y1, *_ in BOXES] == [i in kept for i in range(3)]


def test_where_no_region_is_hot_enough_there_is_none():
    cool = np.array([[1.0, 0.5, 0.5]])
    boxes, heats = instances_from_heatmap(cool, 0.5, min_activation=0.7)
    assert (boxes.shape, heats.shape) == ((0, 4), (0,))
    assert boxes_from_heatmap(cool, 0.5, min_activation=0.7).shape == (0, 4)
    assert not mask_from_heatmap(cool, 0.5, height=1, width=3, min_activation=0.7).any()


def test_without_positive_values_the_whole_image_has_activation_0():
    boxes, heats = instances_from_heatmap(-np.ones((2, 3)))
    assert (boxes.tolist(), heats.tolist()) == ([[0, 0, 3, 2]], [0.0])
    assert boxes.dtype == heats.dtype == np.float64


def test_without_positive_values_no_region_has_the_minimum_activation():
    boxes, heats = instances_from_heatmap(np.zeros((2, 3)), min_activation=1e-6)
    assert (boxes.shape, heats.shape) == ((0, 4), (0,))
    assert not mask_from_heatmap(np.zeros((2, 3)), height=2, width=3, min_activation=1e-6).any()


def test_instances_are_large_enough_and_split_as_boxes_are():
    touching = np.array([[1.0, 0.6, 0.5, 0.9, 0.0, 0.5]])
    whole, heats = instances_from_heatmap(touching, 0.5, min_area=0.5)
    assert (whole.tolist(), heats.tolist()) == ([[0, 0, 4, 1]], [0.75])
    pieces, heats = instances_from_heatmap(touching, 0.5, split=True)
    assert pieces.tolist() == [[0, 0, 2, 1], [2, 0, 4, 1], [5, 0, 6, 1]]
    assert heats.tolist() == pytest.approx([0.8, 0.7, 0.5])


def test_instances_take_the_threshold_of_boxes_by_default():
    row = np.array([[10.0, 2.0, 1.9, 0.0, 2.0]])
    assert instances_from_heatmap(row)[0].tolist() == boxes_from_heatmap(row).tolist() == [[0, 0, 2, 1], [4, 0, 5, 1]]


def test_activations_of_some_regions_and_of_none():
    labels = np.array([[1, 0, 2, 2]], np.int32)
    heatmap = np.array([[4.0, 0.0, 1.0, 3.0]])
    assert mean_activations(heatmap, labels, [Component(2, 2, (2, 0, 4, 1))]).tolist() == [0.5]
    assert mean_activations(heatmap, labels, []).shape == (0,)
