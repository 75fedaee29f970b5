import cv2
import numpy as np
import pytest
from drawings import drawn
from flooding import bounds, flooded
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from weakspot.ops.union_find import (
    AREA,
    BIRTH,
    DEATH,
    EULER,
    FIRST_PIXEL,
    POLYGON,
    X1,
    Y2,
    components_of_levels,
)

BOX = slice(X1, Y2 + 1)
SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=10)
LEVELS = arrays(np.int64, SHAPES, elements=st.integers(0, 3), fill=st.nothing())
FOREGROUNDS = arrays(np.int64, SHAPES, elements=st.integers(0, 1), fill=st.nothing())


def listed(found, *columns):
    return sorted(tuple(row) for row in found[:, list(columns)].tolist())


def at(found, cut):
    """The components at a cut, by their first pixel."""
    there = found[(found[:, BIRTH] <= cut) & (cut < found[:, DEATH])]
    return there[there[:, FIRST_PIXEL].argsort()]


def test_two_peaks_join_over_their_saddle():
    levels = np.array(
        [
            [3, 1, 0, 0],
            [0, 1, 2, 0],
        ]
    )
    assert listed(components_of_levels(levels), BIRTH, DEATH, AREA, FIRST_PIXEL, *range(X1, Y2 + 1)) == [
        (0, 1, 4, 0, 0, 0, 3, 2),  # all
        (1, 2, 1, 6, 2, 1, 3, 2),  # the 2
        (1, 3, 1, 0, 0, 0, 1, 1),  # the 3
    ]


def test_a_component_that_does_not_change_is_written_once():
    levels = np.array([[9, 9, 0, 4]])
    assert listed(components_of_levels(levels), BIRTH, DEATH, FIRST_PIXEL) == [(0, 4, 3), (0, 9, 0)]


def test_diagonal_neighbours_are_connected_only_when_asked_for():
    corner = np.array([[1, 0], [0, 1]])
    assert listed(components_of_levels(corner), AREA, FIRST_PIXEL) == [(2, 0)]
    assert listed(components_of_levels(corner, diagonal=False), AREA, FIRST_PIXEL) == [(1, 0), (1, 3)]


@pytest.mark.parametrize(
    ("rows", "doubled", "euler"),
    [
        pytest.param(["#"], 0, 1, id="one pixel"),
        pytest.param(["###"], 0, 1, id="a line has no area"),
        pytest.param(["#..", ".#.", "..#"], 0, 1, id="nor has a diagonal"),
        pytest.param(["##", "##"], 2, 1, id="four pixels span one"),
        pytest.param(["#.", "##"], 1, 1, id="three span half of one"),
        pytest.param(["####", "####", "####"], 12, 1, id="rectangle of 3 x 2"),
        pytest.param(["###", "#.#", "###"], 4, 0, id="ring: the corners of the hole are inside"),
        pytest.param([".#.", "#.#", ".#."], 0, 0, id="diamond around one pixel"),
        pytest.param(["#####", "#.#.#", "#####"], 8, -1, id="two holes"),
        pytest.param(["####", "#..#", "####"], 4, 0, id="a wide hole is one"),
        pytest.param(["###", "#..", "###"], 2, 1, id="an open ring has none"),
    ],
)
def test_polygon_area_without_holes_and_euler_number(rows, doubled, euler):
    """POLYGON is twice the area less what is near holes, EULER four times components minus holes."""
    ((polygon, number),) = components_of_levels((drawn(*rows) > 0).astype(int))[:, [POLYGON, EULER]].tolist()
    assert (polygon, number) == (doubled, 4 * euler)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (4, 6)])
@pytest.mark.parametrize("diagonal", [True, False])
def test_constant_levels_are_one_component(shape, diagonal):
    found = components_of_levels(np.full(shape, 7), diagonal=diagonal)
    assert listed(found, BIRTH, DEATH, AREA, FIRST_PIXEL, *range(X1, Y2 + 1)) == [
        (0, 7, shape[0] * shape[1], 0, 0, 0, shape[1], shape[0])
    ]


@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (0, 4), (0, 0)])
def test_without_positive_values_there_are_no_components(shape):
    assert components_of_levels(np.zeros(shape, int)).shape == (0, 11)


def test_every_pixel_may_be_a_peak():
    levels = np.zeros((9, 11), int)
    levels[::2, ::2] = np.arange(1, 31).reshape(5, 6)
    found = components_of_levels(levels)
    assert listed(found, BIRTH, DEATH) == [(0, high) for high in range(1, 31)]
    assert (found[:, AREA] == 1).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint16, np.int64])
def test_levels_of_any_whole_type_give_the_same(dtype):
    levels = np.random.default_rng(0).integers(0, 5, (8, 9))
    assert components_of_levels(levels.astype(dtype)).tolist() == components_of_levels(levels).tolist()


def test_the_top_level_of_8_bits_does_not_wrap():
    assert listed(components_of_levels(np.array([[255, 0, 254]], np.uint8)), BIRTH, DEATH) == [(0, 254), (0, 255)]


def test_column_major_memory_changes_nothing():
    levels = np.random.default_rng(0).integers(0, 4, (7, 9))
    assert components_of_levels(np.asfortranarray(levels)).tolist() == components_of_levels(levels).tolist()


def test_a_comb_becomes_one_component_with_its_back():
    comb = np.zeros((101, 101), int)
    comb[:, ::2] = 2
    comb[100, 1::2] = 1
    found = components_of_levels(comb)
    assert listed(found, BIRTH, DEATH, AREA) == [(0, 1, 101 * 51 + 50), *[(1, 2, 101)] * 51]


@given(LEVELS)
def test_components_equal_a_flood_fill_at_every_threshold(levels):
    found = components_of_levels(levels)
    for cut in range(levels.max()):
        expected = flooded(levels > cut)
        there = at(found, cut)
        assert there[:, AREA].tolist() == [len(region) for region in expected]
        assert there[:, BOX].tolist() == [list(bounds(region)) for region in expected]
        first = [y * levels.shape[1] + x for y, x in map(min, expected)]
        assert there[:, FIRST_PIXEL].tolist() == first


@given(LEVELS)
def test_4_connected_components_equal_scipys_at_every_threshold(levels):
    found = components_of_levels(levels, diagonal=False)
    for cut in range(levels.max()):
        labels, count = ndimage.label(levels > cut)  # numbered by first pixel
        there = at(found, cut)
        assert there[:, AREA].tolist() == np.bincount(labels.ravel(), minlength=count + 1)[1:].tolist()
        assert there[:, BOX].tolist() == [
            [columns.start, rows.start, columns.stop, rows.stop] for rows, columns in ndimage.find_objects(labels)
        ]


@given(FOREGROUNDS)
def test_polygon_area_and_euler_number_equal_opencvs(foreground):
    """Polygon area: outer contour less holes, whose contour runs over the foreground around them."""
    for doubled, euler, first in components_of_levels(foreground)[:, [POLYGON, EULER, FIRST_PIXEL]].tolist():
        labels, _ = ndimage.label(foreground, np.ones((3, 3)))
        alone = (labels == labels.flat[first]).astype(np.uint8)
        outer, *holes = cv2.findContours(alone, cv2.RETR_TREE, cv2.CHAIN_APPROX_NONE)[0]
        assert euler == 4 * (1 - len(holes))
        assert doubled == 2 * (cv2.contourArea(outer) - sum(cv2.contourArea(hole) for hole in holes))


@pytest.mark.parametrize("seed", range(20))
def test_polygon_area_and_euler_number_do_not_depend_on_which_pixel_comes_first(seed):
    """Levels bring the pixels in any order; a foreground of one level brings them in raster order."""
    levels = np.random.default_rng(seed).permutation(12).reshape(3, 4)
    found = components_of_levels(levels)
    for cut in range(11):
        alone = components_of_levels((levels > cut).astype(np.int64))
        assert at(found, cut)[:, [POLYGON, EULER]].tolist() == at(alone, 0)[:, [POLYGON, EULER]].tolist()


@given(LEVELS, st.booleans())
def test_each_component_grows_into_another_or_ends_at_the_background(levels, diagonal):
    """A node's pixels are those of its level and of the nodes that it swallowed: no pixel is lost or counted twice."""
    found = components_of_levels(levels, diagonal=diagonal)
    for cut in range(levels.max()):
        assert at(found, cut)[:, AREA].sum() == (levels > cut).sum()
    assert (found[:, BIRTH] < found[:, DEATH]).all()
    assert len({(low, first) for low, first in found[:, [BIRTH, FIRST_PIXEL]].tolist()}) == len(found)
