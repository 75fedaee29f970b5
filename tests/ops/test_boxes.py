import numpy as np
import pytest
from drawings import drawn
from flooding import bounds, flooded
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from refusals import refused

from weakspot.ops import (
    box_from_heatmap,
    boxes_from_heatmap,
    connected_components,
    instances_from_heatmap,
    scale_boxes,
)

TWO_OBJECTS = drawn(  # '#' is the peak, '+' half of it
    "........",
    ".##.....",
    ".##...+.",
    "......+.",
    "....+++.",
)
THREE_SIZES = drawn(
    "####......",
    "..........",
    "##.......#",
)
REFUSED = [
    ([[1.0]], {"threshold": 0}, "out-of-range", 0),
    ([[1.0]], {"threshold": -0.1}, "out-of-range", -0.1),
    ([[1.0]], {"threshold": 1.01}, "out-of-range", 1.01),
    ([[1.0]], {"threshold": np.nan}, "out-of-range", "nan"),
    ([[1.0]], {"min_area": -0.1}, "out-of-range", -0.1),
    ([[1.0]], {"min_area": 1.01}, "out-of-range", 1.01),
    ([1.0], {}, "shape-mismatch", (1,)),
    ([[[1.0]]], {}, "shape-mismatch", (1, 1, 1)),
    ([[1.0, np.nan]], {}, "not-finite", "NaN"),
    ([[1.0, np.inf]], {}, "not-finite", "infinity"),
]
TENTHS = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(-5, 10))
THRESHOLDS = st.sampled_from([0.125, 0.25, 0.5, 0.75, 1.0])
SIZES = st.tuples(st.integers(1, 600), st.integers(1, 600))


@pytest.mark.parametrize(
    ("threshold", "box"),
    [
        pytest.param(0.2, [4, 2, 7, 5], id="largest region wins over brightest"),
        pytest.param(0.5, [4, 2, 7, 5], id="threshold is inclusive"),
        pytest.param(0.51, [1, 1, 3, 3], id="only the peak remains"),
        pytest.param(1.0, [1, 1, 3, 3], id="the peak itself is inclusive"),
    ],
)
def test_box_bounds_the_largest_region(threshold, box):
    assert box_from_heatmap(TWO_OBJECTS, threshold).tolist() == box


def test_convention_threshold_is_inclusive():
    assert box_from_heatmap(np.array([[4.0, 2.0, 1.0]]), 0.5).tolist() == [0, 0, 2, 1]


def test_threshold_is_a_fifth_of_the_peak_by_default():
    assert box_from_heatmap(np.array([[10.0, 2.0, 1.9]])).tolist() == [0, 0, 2, 1]
    assert boxes_from_heatmap(np.array([[10.0, 2.0, 1.9]])).tolist() == [[0, 0, 2, 1]]


def test_convention_boxes_are_xyxy_and_half_open():
    pixel = np.zeros((4, 6))
    pixel[2, 3] = 1  # row 2, column 3
    assert box_from_heatmap(pixel).tolist() == [3, 2, 4, 3]
    assert box_from_heatmap(pixel).dtype == np.float64


def test_convention_tie_goes_to_the_first_region_in_raster_order():
    tie = drawn("...+", "...+", "##..")  # the upper, not the leftmost, not the brighter
    assert boxes_from_heatmap(tie).tolist() == [[3, 0, 4, 2], [0, 2, 2, 3]]


@pytest.mark.parametrize(
    "heatmap",
    [
        pytest.param(np.zeros((3, 5)), id="zero"),
        pytest.param(np.full((3, 5), -2.0), id="negative"),
        pytest.param(-np.eye(3, 5), id="zero at most"),
    ],
)
def test_without_positive_values_the_result_is_the_whole_image(heatmap):
    assert boxes_from_heatmap(heatmap).tolist() == [[0, 0, 5, 3]]
    assert box_from_heatmap(heatmap).tolist() == [0, 0, 5, 3]


def test_negative_values_are_background_at_any_threshold():
    assert box_from_heatmap(np.array([[-9.0, 1.0, -0.1]]), 1e-9).tolist() == [1, 0, 2, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.uint8])
def test_the_box_does_not_depend_on_the_dtype(dtype):
    assert box_from_heatmap((4 * TWO_OBJECTS).astype(dtype), 0.5).tolist() == [4, 2, 7, 5]


@pytest.mark.parametrize(
    ("min_area", "columns"),
    [
        pytest.param(0.0, [(0, 4), (0, 2), (9, 10)], id="all"),
        pytest.param(2 / 30, [(0, 4), (0, 2)], id="least area is inclusive"),
        pytest.param(0.07, [(0, 4)], id="too small is dropped"),
        pytest.param(0.5, [(0, 4)], id="the largest is kept whatever its area"),
        pytest.param(1.0, [(0, 4)], id="the largest alone"),
    ],
)
def test_boxes_come_largest_first_and_large_enough(min_area, columns):
    boxes = boxes_from_heatmap(THREE_SIZES, min_area=min_area)
    assert [(x1, x2) for x1, _, x2, _ in boxes.tolist()] == columns


@pytest.mark.parametrize(("heatmap", "options", "code", "value"), REFUSED)
def test_unusable_heatmap_or_option_is_refused(heatmap, options, code, value):
    with refused(code, value):
        boxes_from_heatmap(np.array(heatmap), **options)


@given(TENTHS, THRESHOLDS, st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_boxes_equal_a_flood_fill(heatmap, threshold, min_area):
    peak = heatmap.max()
    found = sorted(flooded(heatmap >= threshold * peak), key=len, reverse=True) if peak > 0 else []
    kept = found[:1] + [region for region in found[1:] if len(region) >= min_area * heatmap.size]
    whole = (0, 0, heatmap.shape[1], heatmap.shape[0])
    assert boxes_from_heatmap(heatmap, threshold, min_area=min_area).tolist() == [
        list(box) for box in [bounds(region) for region in kept] or [whole]
    ]


@given(TENTHS, THRESHOLDS)
def test_box_is_the_first_of_the_boxes_and_inside_the_map(heatmap, threshold):
    x1, y1, x2, y2 = box_from_heatmap(heatmap, threshold).tolist()
    assert [x1, y1, x2, y2] == boxes_from_heatmap(heatmap, threshold)[0].tolist()
    assert 0 <= x1 < x2 <= heatmap.shape[1]
    assert 0 <= y1 < y2 <= heatmap.shape[0]


@given(TENTHS, THRESHOLDS)
def test_threshold_is_relative_to_the_peak(heatmap, threshold):
    assert np.array_equal(boxes_from_heatmap(4 * heatmap, threshold), boxes_from_heatmap(heatmap, threshold))


def test_scaled_boxes_are_not_rounded():
    boxes = np.array([[1, 2, 3, 4], [0, 0, 8, 8]])
    scaled = scale_boxes(boxes, from_size=(8, 8), to_size=(4, 20))
    assert scaled.tolist() == [[2.5, 1, 7.5, 2], [0, 0, 20, 4]]


def test_convention_box_scales_like_the_pixels_it_covers():
    box = np.array([[1, 0, 3, 2]])
    covered = np.zeros((3, 4), bool)
    covered[0:2, 1:3] = True
    enlarged = np.kron(covered, np.ones((5, 7))) > 0  # each pixel becomes 5 rows of 7
    assert scale_boxes(box, from_size=(3, 4), to_size=(15, 28)).tolist() == boxes_from_heatmap(enlarged).tolist()


def test_no_boxes_scale_to_no_boxes():
    assert scale_boxes(np.zeros((0, 4)), from_size=(2, 2), to_size=(4, 4)).shape == (0, 4)


@given(SIZES, SIZES, arrays(np.float64, (3, 4), elements=st.integers(0, 600)))
def test_scaling_there_and_back_changes_nothing(size, other, boxes):
    there = scale_boxes(boxes, from_size=size, to_size=other)
    np.testing.assert_allclose(scale_boxes(there, from_size=other, to_size=size), boxes, rtol=1e-12)


@given(SIZES, SIZES)
def test_whole_of_one_frame_becomes_the_whole_of_the_other(size, other):
    whole = scale_boxes(np.array([[0, 0, size[1], size[0]]]), from_size=size, to_size=other)
    np.testing.assert_allclose(whole, [[0, 0, other[1], other[0]]], rtol=1e-12)


@pytest.mark.parametrize("width", [115, 116, 225, 230])
def test_whole_of_one_frame_becomes_exactly_the_whole_of_the_other(width):
    whole = scale_boxes(np.array([[0, 0, 224, 224]]), from_size=(224, 224), to_size=(300, width))
    assert whole.tolist() == [[0, 0, width, 300]]


def test_background_of_a_vanishing_peak_remains_background():
    assert box_from_heatmap(np.array([[0.0, 5e-324]])).tolist() == [1, 0, 2, 1]


def test_empty_heatmap_is_refused():
    with refused("shape-mismatch", (0, 4)):
        box_from_heatmap(np.zeros((0, 4)))


EVIDENCE = np.zeros((5, 8), np.int32)
EVIDENCE[1:3, 1:3], EVIDENCE[2:5, 4:7] = 5, 1


def test_the_region_of_most_evidence_comes_first():
    assert boxes_from_heatmap(TWO_OBJECTS, 0.5, evidence=EVIDENCE).tolist() == [[1, 1, 3, 3], [4, 2, 7, 5]]
    assert boxes_from_heatmap(TWO_OBJECTS, 0.5, evidence=EVIDENCE, min_area=1.0).tolist() == [[1, 1, 3, 3]]


def test_of_equal_evidence_the_larger_region_comes_first():
    no_evidence = np.zeros((5, 8), np.int32)
    assert boxes_from_heatmap(TWO_OBJECTS, 0.5, evidence=no_evidence).tolist() == [[4, 2, 7, 5], [1, 1, 3, 3]]


def test_mean_activations_follow_the_order_of_the_boxes():
    boxes, activations = instances_from_heatmap(TWO_OBJECTS, 0.5, evidence=EVIDENCE)
    assert boxes.tolist() == [[1, 1, 3, 3], [4, 2, 7, 5]]
    assert activations.tolist() == [1.0, 0.5]


def test_evidence_of_another_shape_is_refused():
    with refused("shape-mismatch", (5, 7)):
        boxes_from_heatmap(TWO_OBJECTS, 0.5, evidence=EVIDENCE[:, :7])


@given(TENTHS, THRESHOLDS, st.integers(0, 2**16))
def test_evidence_orders_the_regions_and_changes_none(heatmap, threshold, seed):
    evidence = np.random.default_rng(seed).integers(0, 4, heatmap.shape)
    ordered = boxes_from_heatmap(heatmap, threshold, evidence=evidence)
    assert sorted(ordered.tolist()) == sorted(boxes_from_heatmap(heatmap, threshold).tolist())
    labels, _ = connected_components((heatmap >= threshold * heatmap.max()) & (heatmap > 0))
    sums = [evidence[labels == label].sum() for label in range(1, labels.max() + 1)]
    if sums:
        best = np.argwhere(labels == 1 + int(np.argmax(sums)))
        if sums.count(max(sums)) == 1:
            (top, left), (bottom, right) = best.min(axis=0), best.max(axis=0)
            assert ordered[0].tolist() == [left, top, right + 1, bottom + 1]
