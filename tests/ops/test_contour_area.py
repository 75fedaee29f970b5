import numpy as np
import pytest
from drawings import drawn
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from outlines import outlines

from weakspot.ops.contour_area import fill_areas, outline_area

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=10)
LEVELS = arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 0, 1, 1, 2, 3]), fill=st.nothing())


def traced(*rows):
    """Twice the outline's area of the component with the first pixel of a drawing."""
    levels = (drawn(*rows) > 0).astype(np.uint8)
    return outline_area(levels, 0, int(levels.argmax()))


@pytest.mark.parametrize(
    ("rows", "doubled"),
    [
        pytest.param(["#"], 0, id="one pixel"),
        pytest.param(["####"], 0, id="line"),
        pytest.param(["#", "#", "#"], 0, id="column"),
        pytest.param(["#..", ".#.", "..#"], 0, id="falling diagonal"),
        pytest.param(["..#", ".#.", "#.."], 0, id="rising diagonal"),
        pytest.param(["#.#", ".#.", "#.#"], 0, id="cross: its middle is passed many times"),
        pytest.param(["##", "##"], 2, id="square"),
        pytest.param(["#.", "##"], 1, id="triangle"),
        pytest.param(["####", "####", "####"], 12, id="rectangle of 3 x 2"),
        pytest.param(["###", "#.#", "###"], 8, id="the hole is filled"),
        pytest.param([".#.", "#.#", ".#."], 4, id="diamond"),
        pytest.param(["###", "#..", "###"], 2, id="the bay is not"),
        pytest.param(["##...", "##...", "..#..", "...##", "...##"], 4, id="two squares joined at corners"),
        pytest.param(["..#..", "..#..", "#####", "..#.."], 2 * 2, id="crossing of lines cuts corners"),
        pytest.param(["#####", "#...#", "#.#.#", "#...#", "#####"], 32, id="an island in the hole adds nothing"),
        pytest.param(["#..", "#..", "###", ".##"], 4, id="starts on a spike"),
        pytest.param(["..#..", ".#.#.", "##.##"], 2, id="two legs: goes on after coming back to the first pixel"),
    ],
)
def test_outline_area_of_a_drawing(rows, doubled):
    assert traced(*rows) == doubled
    contour = max(outlines(drawn(*rows) > 0), key=lambda outline: outline.area)
    assert contour.area * 2 == doubled


def test_outline_is_that_at_the_threshold():
    levels = np.array([[1, 1, 1], [1, 3, 3], [1, 3, 3]], np.uint8)
    assert [outline_area(levels, cut, first) for cut, first in [(0, 0), (1, 4), (2, 4)]] == [8, 2, 2]


def test_pixels_do_not_wrap_around_the_border():
    """What lies at the right end of a row does not touch the left end of the next one."""
    levels = np.array([[0, 0, 1], [1, 0, 0]], np.uint8)
    assert outline_area(levels, 0, 2) == 0
    assert outline_area(np.ones((5, 7), np.uint8), 0, 0) == 2 * 4 * 6


@given(LEVELS)
def test_outline_areas_equal_opencvs(levels):
    for cut in range(levels.max()):
        for outline in outlines(levels > cut):
            y, x = outline.first
            if outline.outer:
                assert outline_area(levels, cut, y * levels.shape[1] + x) == 2 * outline.area


def test_only_what_may_be_the_largest_is_traced():
    """A ring, whose box bounds 2 * 4, beside blocks of 2 * 3 and of 2 * 4 and one more."""
    levels = (drawn("###", "#.#", "###") > 0).astype(np.uint8)
    nodes = np.array([[0, 1, 0]], np.int32)
    for least, expected in [(7, 8), (8, 8), (9, 4)]:
        areas = np.array([4])
        fill_areas(levels, nodes, np.array([8]), np.array([least]), areas)
        assert areas.tolist() == [expected]


def test_a_bound_of_0_is_never_traced():
    areas = np.array([-1])
    fill_areas(np.ones((3, 3), np.uint8), np.array([[0, 1, 0]], np.int32), np.array([0]), np.array([0]), areas)
    assert areas.tolist() == [-1]


def test_one_threshold_at_which_it_may_be_the_largest_suffices():
    levels = 3 * (drawn("###", "#.#", "###") > 0).astype(np.uint8)
    areas = np.array([4])
    fill_areas(levels, np.array([[0, 3, 0]], np.int32), np.array([8]), np.array([9, 9, 5]), areas)
    assert areas.tolist() == [8]


def test_each_component_is_traced_at_a_threshold_at_which_it_exists():
    """A ring of 3 in a square of 2: at the cuts 0 and 1 they are one component, at the cut 2 the ring is alone."""
    levels = np.full((5, 5), 2, np.uint8)
    levels[1:4, 1:4], levels[2, 2] = 3, 0
    areas = np.zeros(2, np.int64)
    nodes = np.array([[0, 2, 0], [2, 3, 6]], np.int32)
    fill_areas(levels, nodes, np.array([32, 8]), np.zeros(3, np.int64), areas)
    assert areas.tolist() == [32, 8]
