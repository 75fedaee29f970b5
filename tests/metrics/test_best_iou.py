import numpy as np
import pytest
import torch
from drawings import drawn
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from reference_loop import best_overlap, best_overlaps, overlap
from refusals import refused
from torchvision.ops import box_iou as torchvision_box_iou

from weakspot.metrics import box_iou, native_overlaps, reference_boxes, reference_overlaps
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.ops import boxes_from_heatmap, component_tree, reference_contours
from weakspot.ops.contours import THRESHOLDS

TWO_OBJECTS = drawn(  # '#' is the peak, '+' half of it
    "........",
    ".##.....",
    ".##...+.",
    "......+.",
    "....+++.",
)
RING = drawn("......", ".####.", ".#..#.", ".####.", "......")
SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9)
SCORE_MAPS = arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 0, 60, 61, 127, 128, 200]), fill=st.nothing()).map(
    lambda levels: levels / 255
)
CORNERS = st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
BOXES = st.lists(CORNERS.map(lambda c: (*map(min, c[:2], c[2:]), *map(max, c[:2], c[2:]))), min_size=1, max_size=4)
SOME = np.array([0.0, 0.1, 0.299, 0.3, 0.301, 0.49, 0.5, 0.635, 0.64, 0.9, 0.999])


@pytest.mark.parametrize(
    ("one", "other", "excluded", "included"),
    [
        pytest.param([0, 0, 4, 4], [0, 0, 4, 4], 1, 1, id="the same"),
        pytest.param([0, 0, 4, 4], [2, 0, 6, 4], 8 / 24, 15 / 35, id="half of it"),
        pytest.param([0, 0, 2, 2], [2, 0, 4, 2], 0, 3 / 15, id="touching boxes share a column when it is included"),
        pytest.param([0, 0, 2, 2], [3, 0, 4, 2], 0, 0, id="apart"),
        pytest.param([0, 0, 1, 1], [5, 5, 9, 9], 0, 0, id="apart both ways: two negatives make no overlap"),
        pytest.param([1, 1, 1, 1], [1, 1, 1, 1], 0, 1, id="one pixel or nothing"),
        pytest.param([0, 0, 9, 9], [2, 2, 4, 4], 4 / 81, 9 / 100, id="inside"),
    ],
)
def test_overlap_of_two_boxes(one, other, excluded, included):
    pair = np.array([one]), np.array([other])
    assert box_iou(*pair).tolist() == [[excluded]]
    assert box_iou(*pair, inclusive=True).tolist() == [[included]]


def test_convention_rows_are_the_first_boxes_and_columns_the_others():
    found = box_iou(np.array([[0, 0, 2, 2], [0, 0, 1, 1]]), np.array([[0, 0, 2, 2], [0, 0, 4, 4], [5, 5, 6, 6]]))
    assert found.tolist() == [[1, 0.25, 0], [0.25, 1 / 16, 0]]
    assert box_iou(np.zeros((0, 4)), np.ones((2, 4))).shape == (0, 2)


@pytest.mark.parametrize(("dtype", "far"), [(np.int16, 200), (np.uint8, 200), (np.int32, 60000), (np.uint16, 60000)])
def test_areas_of_boxes_in_narrow_types_do_not_overflow(dtype, far):
    boxes = np.array([[0, 0, far, far], [far // 2, far // 2, far, far], [0, 0, 50, 50]])
    for inclusive in (False, True):
        narrow = box_iou(boxes.astype(dtype), boxes.astype(dtype), inclusive=inclusive)
        assert narrow.tolist() == box_iou(boxes, boxes, inclusive=inclusive).tolist()


@given(BOXES, BOXES)
def test_overlaps_equal_torchvisions_and_a_loops(one, other):
    boxes, others = np.array(one), np.array(other)
    expected = torchvision_box_iou(torch.tensor(boxes).double(), torch.tensor(others).double())
    np.testing.assert_allclose(box_iou(boxes, others), expected.nan_to_num(), rtol=1e-15)
    inclusive = box_iou(boxes, others, inclusive=True)
    assert inclusive.tolist() == [[overlap(a, b, more=1) for b in other] for a in one]


@given(BOXES, BOXES)
def test_overlap_is_symmetric_and_within_0_and_1(one, other):
    boxes, others = np.array(one), np.array(other)
    found = box_iou(boxes, others)
    assert np.array_equal(found, box_iou(others, boxes).T)
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        pytest.param("largest", [0, 4 / 9], id="largest"),
        pytest.param("all", [4 / 9, 4 / 9], id="all"),
    ],
)
def test_convention_reference_scores_what_is_above_the_threshold(regions, expected):
    """The block of 127 is the largest contour while 127 is above the cut: at 0.5 it is not."""
    block = drawn("........", ".##..++.", ".##..++.", ".....++.", "........")
    assert reference_overlaps(block, np.array([[1, 1, 2, 2]]), regions, np.array([0.498, 0.5])).tolist() == expected


def test_convention_a_holes_contour_counts_only_among_all():
    """The box around the hole, [2, 2, 4, 3) grown by 1, is [1, 1, 5, 4): the ring's own. An island's hole differs."""
    thick = drawn(".......", ".#####.", ".#####.", ".##.##.", ".#####.", ".#####.", ".......")
    hole = np.array([[2, 2, 5, 5]])
    assert reference_overlaps(thick, hole, "all", np.array([0.5])).tolist() == [1.0]
    assert reference_overlaps(thick, hole, "largest", np.array([0.5])).tolist() == [16 / 36]
    assert reference_overlaps(RING, hole, "largest", np.array([0.5])).tolist() == [12 / 24]


def test_convention_reference_box_is_one_pixel_wider_than_inclusive():
    square = np.pad(np.ones((2, 2)), 1)  # pixels 1 and 2: inclusive corners would be [1, 1, 2, 2]
    boxes = np.array([[1, 1, 3, 3]]), np.array([[1, 1, 2, 2]])
    assert [reference_overlaps(square, true)[500] for true in boxes] == [1.0, 4 / 9]


@pytest.mark.parametrize("regions", ["largest", "all"])
def test_map_without_a_contour_is_scored_as_its_first_pixel(regions):
    true = np.array([[0, 0, 1, 4], [3, 3, 4, 4]])
    assert set(reference_overlaps(np.full((5, 5), 0.9 / 255), true, regions)) == {0.1}


def test_best_of_all_true_boxes_counts():
    true = np.array([[5, 0, 7, 1], [1, 1, 3, 3]])
    assert reference_overlaps(TWO_OBJECTS, true, thresholds=np.array([0.6])).tolist() == [1.0]
    assert native_overlaps(TWO_OBJECTS, true, thresholds=np.array([0.6])).tolist() == [1.0]


def test_contours_and_trees_may_be_given_instead_of_maps():
    true = np.array([[1, 1, 3, 3]])
    for regions in ("largest", "all"):
        contours, tree = reference_contours(TWO_OBJECTS), component_tree(TWO_OBJECTS, NATIVE_THRESHOLDS)
        expected = reference_overlaps(TWO_OBJECTS, true, regions), native_overlaps(TWO_OBJECTS, true, regions)
        assert np.array_equal(reference_overlaps(contours, true, regions), expected[0])
        assert np.array_equal(native_overlaps(tree, true, regions), expected[1])


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        pytest.param("largest", [0.0, 0.0, 1.0, 1.0], id="largest"),
        pytest.param("all", [1.0, 1.0, 1.0, 1.0], id="all"),
    ],
)
def test_plain_scores_the_boxes_that_localizing_gives(regions, expected):
    found = native_overlaps(TWO_OBJECTS, np.array([[1, 1, 3, 3]]), regions, np.array([0.2, 0.5, 0.501, 1.0]))
    assert found.tolist() == expected


def test_plain_truth_is_not_rounded():
    assert native_overlaps(np.pad(np.ones((2, 2)), 1), np.array([[1.0, 1.0, 3.0, 2.5]])).tolist() == [0.75] * 1000


@pytest.mark.parametrize("regions", ["largest", "all"])
def test_plain_takes_the_whole_image_where_nothing_is_above_0(regions):
    assert set(native_overlaps(np.zeros((4, 5)), np.array([[0, 0, 5, 2]]), regions)) == {0.5}


def test_convention_thresholds_are_a_thousand_each():
    assert (len(THRESHOLDS), THRESHOLDS[0], THRESHOLDS[-1]) == (1000, 0.0, 0.999)
    assert (len(NATIVE_THRESHOLDS), NATIVE_THRESHOLDS[0], NATIVE_THRESHOLDS[-1]) == (1000, 0.001, 1.0)
    assert NATIVE_THRESHOLDS[199] == 0.2  # as a user writes it


@pytest.mark.parametrize(("score", "map_"), [(reference_overlaps, RING), (native_overlaps, RING)])
@pytest.mark.parametrize(
    ("boxes", "shape"),
    [(np.zeros((0, 4)), "(0, 4)"), (np.zeros(4), "(4,)"), (np.zeros((1, 5)), "(1, 5)"), (np.zeros(0), "(0,)")],
)
def test_boxes_of_another_shape_are_refused(score, map_, boxes, shape):
    with refused("shape-mismatch", shape):
        score(map_, boxes)


@pytest.mark.parametrize("score", [reference_overlaps, native_overlaps])
def test_inverted_boxes_are_refused(score):
    with refused("box-invalid", [3, 1, 2, 2]):
        score(RING, np.array([[0, 0, 2, 2], [3, 1, 2, 2]]))


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.1])
def test_unusable_score_maps_are_refused(value):
    with refused("not-finite" if np.isnan(value) else "out-of-range"):
        reference_overlaps(np.array([[0.5, value]]), np.array([[0, 0, 1, 0]]))


def test_native_heatmap_may_have_any_range_but_must_be_finite():
    true = np.array([[1, 0, 2, 1]])
    assert native_overlaps(np.array([[-7.0, 300.0]]), true, thresholds=np.array([0.5])).tolist() == [1.0]
    with refused("not-finite"):
        native_overlaps(np.array([[np.nan, 1.0]]), true)


@pytest.mark.parametrize(
    ("box", "size", "expected"),
    [
        pytest.param([0, 0, 500, 375], (500, 375), [0, 0, 224, 224], id="the whole"),
        pytest.param([1, 1, 2, 2], (448, 448), [0, 0, 1, 1], id="truncated, not rounded"),
        pytest.param([3, 2, 5, 7], (112, 224), [6, 2, 10, 7], id="by width and by height"),
        pytest.param([64, 50, 359, 349], (500, 375), [28, 29, 160, 208], id="published example"),
        pytest.param([45, 55, 160, 110], (160, 110), [63, 112, 224, 224], id="first times 224, then by the side"),
    ],
)
def test_convention_true_boxes_are_truncated_to_the_square(box, size, expected):
    resized = reference_boxes(np.array([box]), width=size[0], height=size[1])
    assert resized.tolist() == [expected]
    assert resized.dtype == np.int64


def test_square_may_have_another_side():
    assert reference_boxes(np.array([[1, 2, 3, 4]]), width=4, height=4, side=2).tolist() == [[0, 1, 1, 2]]


@given(st.lists(st.integers(0, 3000), min_size=4, max_size=4), st.integers(1, 3000), st.integers(1, 3000))
def test_true_boxes_equal_whole_number_division(box, width, height):
    scaled = [x * 224 // side for x, side in zip(box, (width, height, width, height), strict=True)]
    assert reference_boxes(np.array([box]), width=width, height=height).tolist() == [scaled]


@given(SCORE_MAPS, BOXES, st.sampled_from(["largest", "all"]))
def test_reference_overlaps_equal_a_loop_over_opencv_to_the_last_bit(score_map, boxes, regions):
    expected = best_overlaps(score_map, boxes, regions, SOME)
    assert reference_overlaps(score_map, np.array(boxes), regions, SOME).tolist() == expected


@given(SCORE_MAPS, BOXES, st.sampled_from(["largest", "all"]), st.sampled_from([np.float32, np.float64]))
def test_plain_overlaps_equal_localizing_at_every_threshold(heatmap, boxes, regions, dtype):
    heatmap = heatmap.astype(dtype)
    thresholds = SOME[1:]
    found = [boxes_from_heatmap(heatmap, t, min_area=1.0 if regions == "largest" else 0.0) for t in thresholds]
    expected = [best_overlap(each.tolist(), boxes, more=0) for each in found]
    assert native_overlaps(heatmap, np.array(boxes), regions, thresholds).tolist() == expected


@given(SCORE_MAPS, BOXES)
def test_all_regions_are_never_worse_than_the_largest(score_map, boxes):
    true = np.array(boxes)
    for score in (reference_overlaps, native_overlaps):
        assert (score(score_map, true, "all") >= score(score_map, true, "largest")).all()
