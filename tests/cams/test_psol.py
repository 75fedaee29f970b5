import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from weakspot.cams import find_method
from weakspot.cams.psol import BOX_LEVEL, draw_boxes, psol
from weakspot.ops import box_from_heatmap, heatmap_from_class_map


def drawn(*boxes, height=64, width=96):
    return draw_boxes(torch.tensor(boxes, dtype=torch.float32), height=height, width=width)


@st.composite
def boxes(draw):
    """A box of 4 pixels of 64 or more, anywhere in the image."""
    sides = []
    for _ in range(2):
        size = draw(st.floats(4 / 64, 1))
        sides.append((begin := draw(st.floats(0, 1 - size)), begin + size))
    return [sides[0][0], sides[1][0], sides[0][1], sides[1][1]]


@given(boxes())
def test_the_box_that_is_cut_out_of_the_hill_is_the_box_that_was_drawn(box):
    heatmap = heatmap_from_class_map(drawn(box)[0, 0].numpy(), height=64, width=96)
    found = box_from_heatmap(heatmap, find_method("psol").threshold)
    np.testing.assert_allclose(found, np.array(box) * [96, 64, 96, 64], atol=1)


@given(boxes())
def test_a_hill_is_a_heatmap_already(box):
    hill = drawn(box)[0, 0]
    assert (float(hill.min()), float(hill.max())) == (0, 1)
    assert np.allclose(heatmap_from_class_map(hill.numpy(), height=64, width=96), hill, atol=1e-6)


@pytest.mark.parametrize(("threshold", "times"), [(0.25, 1.5), (0.4, 1.2), (0.5, 1), (0.75, 0.5)])
def test_lower_thresholds_have_larger_boxes_of_the_same_shape(threshold, times):
    found = box_from_heatmap(drawn([0.375, 0.25, 0.625, 0.5])[0, 0].numpy(), threshold)
    x, y, half_width, half_height = 48, 24, 12 * times, 8 * times
    expected = [x - half_width, y - half_height, x + half_width, y + half_height]
    np.testing.assert_allclose(found, expected, atol=1)


def test_a_hill_by_hand():
    hill = draw_boxes(torch.tensor([[0.25, 0.25, 0.75, 0.75]]), height=8, width=8)[0, 0]
    rows = ["".join(".#"[int(value >= BOX_LEVEL)] for value in row) for row in hill]
    assert rows == ["........", "........", "..####..", "..####..", "..####..", "..####..", "........", "........"]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param([0, 0, 1, 1], [0, 0, 96, 64], id="the whole image"),
        pytest.param([0.5, 0.5, 0.5, 0.5], [47, 31, 49, 33], id="a point has two pixels to a side"),
        pytest.param([1, 1, 1, 1], [95, 63, 96, 64], id="and in a corner what is left of them"),
    ],
)
def test_boxes_at_the_edge_of_what_can_be_drawn(box, expected):
    assert box_from_heatmap(drawn(box)[0, 0].numpy(), BOX_LEVEL).tolist() == expected


def test_boxes_of_a_batch_are_drawn_each_for_itself():
    two = ([0.1, 0.2, 0.5, 0.9], [0.0, 0.5, 1.0, 1.0])
    assert torch.equal(drawn(*two), torch.cat([drawn(box) for box in two]))
    assert torch.equal(psol(drawn(*two)), drawn(*two))


def test_hills_of_a_batch_are_those_of_each_box_alone():
    boxes = [[0, 0, 1, 1], [0.4, 0.4, 0.6, 0.6], [0, 0, 0.9, 0.8]]  # what is lowest of the first is far from 0
    assert torch.equal(drawn(*boxes), torch.cat([drawn(box) for box in boxes]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_a_hill_has_the_precision_of_the_box(dtype):
    assert draw_boxes(torch.tensor([[0.2, 0.2, 0.9, 0.7]], dtype=dtype), height=11, width=13).dtype == dtype
