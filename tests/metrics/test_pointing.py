from math import hypot, inf, nan, sqrt

import numpy as np
import pytest
from drawings import drawn
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from refusals import refused
from scipy.ndimage import distance_transform_edt

from weakspot.metrics import PointingGame, distance_to_boxes, distance_to_mask
from weakspot.metrics.pointing import TOLERANCE, find_peak

MAP = drawn("....", ".-#.", "....")
LEVELS = st.integers(0, 3).map(float)
STARTS, SIDES = st.tuples(*(st.integers(0, 4),) * 2), st.tuples(*(st.integers(1, 5),) * 2)
WHOLE = st.builds(
    lambda start, side: (*start, *(min(5, a + b) for a, b in zip(start, side, strict=True))), STARTS, SIDES
)


def mask(*rows):
    return (drawn(*rows) > 0).astype(np.uint8)


def test_peak_is_row_and_column_of_the_maximum():
    assert find_peak(MAP) == (1, 2)
    assert find_peak(-MAP - 5) == (0, 0)


def test_convention_of_equal_peaks_the_first_in_raster_order_counts():
    assert find_peak(drawn("...", "..#", "#..")) == (1, 2)
    assert distance_to_mask(drawn("#..#"), mask("...#")) == 3


@pytest.mark.parametrize("value", [0.0, 1.0, -2.5])
def test_a_constant_map_has_no_peak_and_misses(value):
    constant = np.full((2, 3), value)
    assert find_peak(constant) is None
    assert distance_to_mask(constant, np.ones((2, 3), np.uint8)) == inf
    assert distance_to_boxes(constant, np.array([[0.0, 0.0, 3.0, 2.0]])) == inf
    metric = PointingGame(tolerance=100)
    metric.update(constant[None], masks=np.ones((1, 2, 3), np.uint8))
    assert metric.compute() == 0


def test_distance_is_that_of_pixel_centers_by_hand():
    assert distance_to_mask(MAP, mask("....", "..#.", "....")) == 0
    assert distance_to_mask(MAP, mask("#...", "....", "....")) == sqrt(5)
    assert distance_to_mask(MAP, mask("#..#", "....", "....")) == sqrt(2)
    assert distance_to_boxes(MAP, np.array([[0.0, 0.0, 1.0, 1.0]])) == sqrt(5)
    assert distance_to_boxes(MAP, np.array([[0.0, 0.0, 1.0, 1.0], [3.0, 0.0, 4.0, 3.0]])) == 1


def test_ignored_pixels_and_absent_objects_are_not_hit():
    ignored = 255 * mask("....", "..#.", "....")
    assert distance_to_mask(MAP, ignored) == inf
    assert distance_to_boxes(MAP, np.zeros((0, 4))) == inf


@pytest.mark.parametrize(
    ("sides", "pixels"),
    [((0.5, 1.5), [0]), ((0.51, 1.5), []), ((0.6, 2.4), [1]), ((0.2, 2.6), [0, 1, 2]), ((1.6, 1.9), [])],
)
def test_convention_pixels_of_a_box_are_those_whose_centers_it_contains(sides, pixels):
    """If there is none, the one at its center."""
    expected = pixels or [int(sum(sides) / 2)]
    for x in range(4):
        row = np.zeros((1, 4))
        row[0, x] = 1
        distance = distance_to_boxes(row, np.array([[sides[0], 0.0, sides[1], 1.0]]))
        assert distance == min(abs(x - pixel) for pixel in expected)


@given(arrays(np.float64, (5, 5), elements=LEVELS), arrays(np.uint8, (5, 5), elements=st.sampled_from([0, 1, 255])))
def test_distance_equals_that_of_scipy(score_map, truth):
    distance = distance_to_mask(score_map, truth)
    if np.ptp(score_map) == 0 or not (truth == 1).any():
        assert distance == inf
    else:
        assert distance == pytest.approx(distance_transform_edt(truth != 1).flat[score_map.argmax()])


@given(arrays(np.float64, (5, 5), elements=LEVELS), st.lists(WHOLE, min_size=1, max_size=3))
def test_a_box_of_whole_pixels_is_its_mask(score_map, boxes):
    truth = np.zeros((5, 5), np.uint8)
    for x1, y1, x2, y2 in boxes:
        truth[y1:y2, x1:x2] = 1
    assert distance_to_boxes(score_map, np.array(boxes, float)) == distance_to_mask(score_map, truth)


@given(arrays(np.float64, (4, 4), elements=LEVELS), arrays(np.uint8, (4, 4), elements=st.integers(0, 1)))
def test_more_tolerance_never_has_fewer_hits(score_map, truth):
    hits = []
    for tolerance in (0, 1, hypot(1, 1), 4):
        metric = PointingGame(tolerance)
        metric.update(score_map[None], masks=truth[None])
        hits.append(float(metric.compute()))
    assert hits == sorted(hits)


def test_convention_tolerance_is_included_and_that_of_the_paper_by_default():
    assert PointingGame().tolerance == TOLERANCE == 15
    row = np.zeros((1, 1, 17))
    row[..., 16] = 1
    for start, percent in [(1, 100), (0, 0)]:
        metric = PointingGame()
        metric.update(row, boxes=[[[start, 0, start + 1, 1]]])
        assert metric.compute() == percent


def test_groups_and_intervals_are_those_of_hits():
    metric = PointingGame(0, groups=3, samples=100)
    maps = np.stack([MAP, MAP, MAP])
    masks = np.stack([mask("....", "..#.", "....")] * 2 + [mask("#...", "....", "....")])
    metric.update(maps, masks=masks, groups=np.array([0, 1, 1]))
    assert float(metric.compute()) == pytest.approx(200 / 3)
    np.testing.assert_array_equal(metric.per_group(), [100, 50, nan])
    low, high = metric.interval()
    assert low < 200 / 3 < high


def test_images_without_boxes_may_have_an_empty_list():
    metric = PointingGame()
    metric.update(MAP[None], boxes=[[]])
    assert metric.compute() == 0


@pytest.mark.parametrize("tolerance", [-1, nan])
def test_a_tolerance_out_of_range_is_refused(tolerance):
    with refused("out-of-range", tolerance):
        PointingGame(tolerance)


@pytest.mark.parametrize(
    ("objects", "code"),
    [
        pytest.param({}, "options-conflict", id="neither"),
        pytest.param({"masks": np.ones((1, 3, 4), np.uint8), "boxes": [[[0, 0, 1, 1]]]}, "options-conflict", id="both"),
        pytest.param({"masks": np.ones((2, 3, 4), np.uint8)}, "length-mismatch", id="number of masks"),
        pytest.param({"masks": np.ones((1, 3, 3), np.uint8)}, "shape-mismatch", id="size"),
        pytest.param({"masks": np.full((1, 3, 4), 2, np.uint8)}, "mask-invalid", id="values"),
        pytest.param({"boxes": []}, "length-mismatch", id="number of boxes"),
        pytest.param({"boxes": [[[0, 0, 1]]]}, "shape-mismatch", id="three sides"),
        pytest.param({"boxes": [[[2, 0, 2, 1]]]}, "box-invalid", id="empty box"),
        pytest.param({"boxes": [[[nan, 0, 2, 1]]]}, "box-invalid", id="NaN"),
    ],
)
def test_unusable_objects_are_refused_and_not_counted(objects, code):
    metric = PointingGame()
    with refused(code):
        metric.update(MAP[None], **objects)
    assert metric.total == 0


def test_a_map_of_nan_is_refused():
    with refused("not-finite"):
        PointingGame().update(np.full((1, 2, 2), nan), boxes=[[[0, 0, 1, 1]]])
