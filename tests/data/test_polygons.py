import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from label_sets import near
from refusals import refused
from skimage.draw import polygon2mask

from weakspot.data.polygons import mask_box, mask_to_polygon, polygon_to_mask


def drawn(*rows):
    return np.array([[character == "#" for character in row] for row in rows])


RING = drawn(
    "........",
    ".#####..",
    ".#...#..",
    ".#...#.#",
    ".#####..",
    "........",
)


def test_a_ring_and_a_part_beside_it_are_one_polygon_that_gives_them_back():
    assert (polygon_to_mask(mask_to_polygon(RING, 0.1), height=6, width=8) == RING).all()


def test_of_nothing_there_is_no_polygon_and_no_box():
    assert mask_to_polygon(np.zeros((3, 4), bool)).shape == (0, 2)
    assert mask_box(np.zeros((3, 4), bool)) is None


def test_a_box_is_filled_to_its_edges():
    assert mask_box(polygon_to_mask(np.array([[1, 2], [4, 2], [4, 6], [1, 6]]), height=9, width=9)) == (1, 2, 4, 6)


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
@settings(max_examples=60)
def test_every_mask_comes_back_from_its_untouched_outline(mask):
    height, width = mask.shape
    assert (polygon_to_mask(mask_to_polygon(mask, 0), height=height, width=width) == mask).all()
    assert near(mask, polygon_to_mask(mask_to_polygon(mask), height=height, width=width))


@pytest.mark.parametrize("corner", [np.nan, np.inf, 1e308])
def test_corners_that_are_no_place_are_refused(corner):
    with refused("polygon-invalid"):
        polygon_to_mask(np.array([[0, 0], [corner, 5], [3, -7], [1, 1]]), height=9, width=9)


def test_a_mask_that_would_fill_the_memory_is_refused():
    with refused("mask-too-large"):
        polygon_to_mask(np.array([[0, 0], [5, 5], [3, 7]]), height=10**6, width=10**6)


@pytest.mark.parametrize("seed", range(4))
def test_filling_what_reaches_over_the_edges_gives_the_part_within(seed):
    corners = np.random.default_rng(seed).uniform(-20, 60, (7, 2)).round(1)
    whole = polygon_to_mask(corners + 20, height=80, width=80)
    assert (polygon_to_mask(corners, height=30, width=40) == whole[20:50, 20:60]).all()


@pytest.mark.parametrize("seed", range(4))
def test_filling_agrees_with_skimage(seed):
    corners = np.random.default_rng(seed).random((7, 2)) * [40, 30]
    # skimage counts from pixel centres, rows first.
    expected = polygon2mask((30, 40), corners[:, ::-1] - 0.5)
    assert (polygon_to_mask(corners, height=30, width=40) == expected).all()
