import numpy as np
import pytest
from drawings import drawn
from flooding import bounds, flooded
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from refusals import refused
from scipy import ndimage

from weakspot.ops import boxes_from_heatmap, component_tree, connected_components
from weakspot.ops.boxes import absolute_threshold

TWO_OBJECTS = drawn(  # '#' is the peak, '+' half of it, '-' a quarter
    "........",
    ".##.....",
    ".##---+.",
    "......+.",
    "....+++.",
)
GRID = [0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 0.75, 0.9, 1.0]
EIGHT = np.ones((3, 3))
SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=9)
# Few values, so that ties are frequent; 0.3 and 0.7 in single precision are not those in double.
HEATMAPS = st.one_of(
    arrays(np.float64, SHAPES, elements=st.integers(-2, 4), fill=st.nothing()),
    arrays(np.float64, SHAPES, elements=st.sampled_from([-1.0, 0.0, 0.1, 0.3, 0.7, 1.0]), fill=st.nothing()),
    arrays(
        np.float32,
        SHAPES,
        elements=st.sampled_from([np.float32(v) for v in (0.0, 0.1, 0.3, 0.7, 0.9, 1.0)]),
        fill=st.nothing(),
    ),
    arrays(np.float32, SHAPES, elements=st.sampled_from([np.float32(v) for v in (0.0, 0.1, 0.3)]), fill=st.nothing()),
)


def test_tree_of_two_objects_has_every_component_once():
    tree = component_tree(TWO_OBJECTS)
    rows = zip(tree.birth, tree.death, tree.areas, tree.first_pixel, tree.boxes.tolist(), strict=True)
    assert sorted(rows) == [
        (0, 1, 12, 9, [1, 1, 7, 5]),  # all, at the cut of a quarter
        (1, 2, 5, 22, [4, 2, 7, 5]),  # the hook
        (1, 3, 4, 9, [1, 1, 3, 3]),  # the square, also at the peak
    ]
    assert tree.shape == (5, 8)
    assert tree.thresholds.tolist() == [0.25, 0.5, 1.0]
    assert tree.counts().tolist() == [1, 2, 1]
    assert tree.counts().dtype == np.int64
    assert tree.largest_boxes().tolist() == [[1, 1, 7, 5], [4, 2, 7, 5], [1, 1, 3, 3]]


@pytest.mark.parametrize(
    ("threshold", "boxes"),
    [
        pytest.param(1e-9, [[1, 1, 7, 5]], id="far below the least value"),
        pytest.param(0.25, [[1, 1, 7, 5]], id="at a value"),
        pytest.param(0.26, [[4, 2, 7, 5], [1, 1, 3, 3]], id="between values, largest first"),
        pytest.param(1.0, [[1, 1, 3, 3]], id="the peak"),
    ],
)
def test_tree_of_all_thresholds_answers_any(threshold, boxes):
    assert component_tree(TWO_OBJECTS).boxes_at(threshold).tolist() == boxes


def test_convention_threshold_of_the_plain_tree_is_inclusive():
    half = np.array([[4.0, 2.0, 1.999, 0.0, 2.0]])
    for tree in (component_tree(half), component_tree(half, [0.5])):
        assert tree.boxes_at(0.5).tolist() == [[0, 0, 2, 1], [4, 0, 5, 1]]


def test_convention_tie_of_the_plain_tree_goes_to_the_first_in_raster_order():
    tie = drawn("...+", "...+", "##..")  # the upper, not the leftmost, not the brighter
    tree = component_tree(tie)
    assert tree.boxes_at(0.5).tolist() == [[3, 0, 4, 2], [0, 2, 2, 3]]
    assert tree.largest_boxes().tolist() == [[3, 0, 4, 2], [0, 2, 2, 3]]  # at the half, at the peak


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.4, 0.7, 0.9])
def test_convention_threshold_is_inclusive_in_single_precision(threshold):
    heatmap = np.array([[1, threshold]], np.float32)
    for tree in (component_tree(heatmap), component_tree(heatmap, GRID if threshold in GRID else [threshold])):
        assert tree.boxes_at(threshold).tolist() == [[0, 0, 2, 1]]


@pytest.mark.parametrize("heatmap", [np.zeros((3, 5)), np.full((3, 5), -2.0), -np.eye(3, 5)])
@pytest.mark.parametrize("thresholds", [None, [0.2, 1.0]])
def test_without_positive_values_the_box_is_the_whole_image_without_nodes(heatmap, thresholds):
    tree = component_tree(heatmap, thresholds)
    assert tree.boxes_at(0.2).tolist() == [[0, 0, 5, 3]]
    assert tree.boxes_at(0.2).dtype == np.float64
    assert tree.nodes(0.2).tolist() == []
    assert tree.largest_boxes().tolist() == [[0, 0, 5, 3]] * len(thresholds or [])
    assert tree.counts().tolist() == [0] * len(thresholds or [])


@pytest.mark.parametrize("value", [0.5, 1.0, 7.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (3, 4)])
def test_constant_heatmap_is_one_component_at_every_threshold(value, shape):
    tree = component_tree(np.full(shape, value), GRID)
    whole = [0, 0, shape[1], shape[0]]
    assert tree.largest_boxes().tolist() == [whole] * len(GRID)
    assert tree.counts().tolist() == [1] * len(GRID)
    assert [tree.areas.tolist(), tree.birth.tolist(), tree.death.tolist()] == [[shape[0] * shape[1]], [0], [len(GRID)]]


def test_peaks_in_the_corners_do_not_meet_around_the_border():
    tree = component_tree(drawn("#..#", "....", "#..#"))
    assert tree.boxes_at(1.0).tolist() == [[0, 0, 1, 1], [3, 0, 4, 1], [0, 2, 1, 3], [3, 2, 4, 3]]


def test_negative_values_are_background_at_any_threshold():
    heatmap = np.array([[-9.0, 1.0, -0.1]])
    for tree in (component_tree(heatmap), component_tree(heatmap, [1e-9])):
        assert tree.boxes_at(1e-9).tolist() == [[1, 0, 2, 1]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_background_of_a_subnormal_peak_remains_background(dtype):
    heatmap = np.array([[0, np.finfo(dtype).smallest_subnormal]], dtype)
    for tree in (component_tree(heatmap), component_tree(heatmap, [0.2, 1.0])):
        assert tree.boxes_at(0.2).tolist() == boxes_from_heatmap(heatmap, 0.2).tolist() == [[1, 0, 2, 1]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64, np.uint8])
def test_boxes_do_not_depend_on_the_dtype(dtype):
    whole = 4 * TWO_OBJECTS
    tree, same = component_tree(whole.astype(dtype), GRID), component_tree(whole, GRID)
    assert tree.largest_boxes().tolist() == same.largest_boxes().tolist()
    assert tree.boxes_at(0.5).tolist() == [[4, 2, 7, 5], [1, 1, 3, 3]]


@pytest.mark.parametrize(
    ("min_area", "left"),
    [
        pytest.param(0.0, [0, 0, 9], id="all"),
        pytest.param(2 / 30, [0, 0], id="least area is inclusive"),
        pytest.param(0.07, [0], id="too small is dropped"),
        pytest.param(1.0, [0], id="the largest is kept whatever its area"),
    ],
)
def test_boxes_are_large_enough(min_area, left):
    tree = component_tree(drawn("####......", "..........", "##.......#"))
    assert [x1 for x1, *_ in tree.boxes_at(0.5, min_area=min_area).tolist()] == left


def test_nodes_index_the_trees_arrays():
    tree = component_tree(TWO_OBJECTS)
    nodes = tree.nodes(0.5)
    assert tree.areas[nodes].tolist() == [5, 4]
    assert tree.boxes[nodes].tolist() == tree.boxes_at(0.5).tolist()


def test_threshold_that_the_tree_does_not_contain_is_refused():
    tree = component_tree(TWO_OBJECTS, [0.2, 0.5])
    for method in (tree.nodes, tree.boxes_at):
        with refused("unknown-threshold", 0.3):
            method(0.3)


@pytest.mark.parametrize("thresholds", [None, [0.5, 1.0]])
@pytest.mark.parametrize("threshold", [0, -0.1, 1.01, np.nan])
def test_threshold_out_of_range_is_refused(thresholds, threshold):
    with refused("out-of-range", threshold):
        component_tree(TWO_OBJECTS, thresholds).nodes(threshold)


@pytest.mark.parametrize(
    ("heatmap", "thresholds", "code", "value"),
    [
        pytest.param([[1.0]], [0.5, 0.2], "thresholds-invalid", [0.5, 0.2], id="descending"),
        pytest.param([[1.0]], [0.2, 0.5, 0.5], "thresholds-invalid", [0.2, 0.5, 0.5], id="twice the same"),
        pytest.param([[1.0]], [0.0, 0.5], "out-of-range", 0.0, id="0"),
        pytest.param([[1.0]], [0.5, 1.5], "out-of-range", 1.5, id="above 1"),
        pytest.param([[1.0]], [np.nan], "out-of-range", "nan", id="NaN threshold"),
        pytest.param([1.0], None, "shape-mismatch", (1,), id="one row"),
        pytest.param([[[1.0]]], None, "shape-mismatch", (1, 1, 1), id="a batch"),
        pytest.param([[]], None, "shape-mismatch", (1, 0), id="empty"),
        pytest.param([[1.0, np.nan]], None, "not-finite", "NaN", id="NaN"),
        pytest.param([[np.inf]], [0.5], "not-finite", "infinity", id="infinity"),
    ],
)
def test_unusable_heatmap_or_thresholds_are_refused(heatmap, thresholds, code, value):
    with refused(code, value):
        component_tree(np.array(heatmap), thresholds)


def test_column_major_memory_changes_nothing():
    heatmap = np.random.default_rng(0).integers(0, 4, (7, 9)) / 3
    tree, same = component_tree(np.asfortranarray(heatmap)), component_tree(heatmap)
    assert tree.boxes_at(0.5).tolist() == same.boxes_at(0.5).tolist()
    assert tree.largest_boxes().tolist() == same.largest_boxes().tolist()


@given(HEATMAPS, st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.booleans())
def test_convention_boxes_of_the_tree_are_those_of_localizing_at_every_threshold(heatmap, min_area, for_all):
    tree = component_tree(heatmap, None if for_all else GRID)
    for threshold in GRID:
        expected = boxes_from_heatmap(heatmap, threshold, min_area=min_area)
        assert tree.boxes_at(threshold, min_area=min_area).tolist() == expected.tolist()


@given(HEATMAPS, st.integers(0, 2**16), st.booleans())
def test_convention_the_best_box_of_the_tree_is_that_of_localizing(heatmap, seed, for_all):
    evidence = np.random.default_rng(seed).integers(0, 3, heatmap.shape, np.int32)
    tree = component_tree(heatmap, None if for_all else GRID, evidence=evidence)
    for threshold in GRID:
        expected = boxes_from_heatmap(heatmap, threshold, evidence=evidence)
        assert tree.boxes_at(threshold).tolist() == expected.tolist()
    if not for_all:
        firsts = [boxes_from_heatmap(heatmap, threshold, evidence=evidence)[0].tolist() for threshold in GRID]
        assert tree.best_boxes().tolist() == firsts
        assert tree.largest_boxes().tolist() == component_tree(heatmap, GRID).largest_boxes().tolist()


@given(HEATMAPS)
def test_nodes_counts_and_largest_boxes_equal_scipys_components(heatmap):
    tree = component_tree(heatmap, GRID)
    for i, threshold in enumerate(GRID):
        foreground = (heatmap >= absolute_threshold(heatmap, threshold)) & (heatmap > 0)
        _, found = connected_components(foreground)
        nodes = tree.nodes(threshold)
        assert tree.areas[nodes].tolist() == [component.area for component in found]
        assert [tuple(box) for box in tree.boxes[nodes].tolist()] == [component.box for component in found]
        assert tree.counts()[i] == ndimage.label(foreground, EIGHT)[1]
        whole = (0, 0, heatmap.shape[1], heatmap.shape[0])
        assert tuple(tree.largest_boxes()[i]) == (found[0].box if found else whole)


@given(HEATMAPS)
def test_tree_of_all_thresholds_cuts_at_every_value_and_equals_a_flood_fill(heatmap):
    tree = component_tree(heatmap)
    assert tree.thresholds.tolist() == sorted({value for value in heatmap.ravel().tolist() if value > 0})
    for i, cut in enumerate(tree.thresholds):
        regions = sorted(flooded(heatmap >= cut), key=len, reverse=True)  # stable: ties stay in raster order
        alive = np.flatnonzero((tree.birth <= i) & (i < tree.death))
        assert sorted(tree.areas[alive].tolist(), reverse=True) == [len(region) for region in regions]
        assert tree.largest_boxes()[i].tolist() == list(bounds(regions[0]))
        assert tree.counts()[i] == len(regions)


@given(HEATMAPS, st.lists(st.floats(0.001, 1.0), unique=True, min_size=1, max_size=20))
def test_tree_of_some_thresholds_equals_that_of_all(heatmap, thresholds):
    tree, full = component_tree(heatmap, sorted(thresholds)), component_tree(heatmap)
    for threshold in thresholds:
        assert tree.boxes_at(threshold).tolist() == full.boxes_at(threshold).tolist()


@given(arrays(np.float32, SHAPES, elements=st.integers(-4, 8)))
def test_single_and_double_precision_give_the_same_where_values_are_exact(heatmap):
    quarters = [0.125, 0.25, 0.5, 0.75, 1.0]
    single, double = component_tree(heatmap, quarters), component_tree(heatmap.astype(np.float64), quarters)
    assert single.largest_boxes().tolist() == double.largest_boxes().tolist()
    assert single.counts().tolist() == double.counts().tolist()
