import numpy as np
import pytest
from drawings import drawn
from flooding import bounds, flooded
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from weakspot.ops import Component, connected_components
from weakspot.ops.components import component_stats

FOREGROUNDS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9))


def test_components_are_labelled_bounded_and_listed_largest_first():
    labels, found = connected_components(
        drawn(
            "##....#",
            "......#",
            ".###..#",
            ".#.#...",
        )
        > 0
    )
    assert labels.tolist() == [
        [1, 1, 0, 0, 0, 0, 2],
        [0, 0, 0, 0, 0, 0, 2],
        [0, 3, 3, 3, 0, 0, 2],
        [0, 3, 0, 3, 0, 0, 0],
    ]
    assert found == [
        Component(label=3, area=5, box=(1, 2, 4, 4)),
        Component(label=2, area=3, box=(6, 0, 7, 3)),
        Component(label=1, area=2, box=(0, 0, 2, 1)),
    ]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(["#..", ".#.", "..#"], id="falling diagonal"),
        pytest.param(["..#", ".#.", "#.."], id="rising diagonal"),
    ],
)
def test_convention_components_are_8_connected(rows):
    _, found = connected_components(drawn(*rows) > 0)
    assert found == [Component(label=1, area=3, box=(0, 0, 3, 3))]


@pytest.mark.parametrize(
    ("rows", "first"),
    [
        pytest.param(["##.##"], (0, 0, 2, 1), id="left before right"),
        pytest.param(["...#", "...#", "#...", "#..."], (3, 0, 4, 2), id="upper before left"),
        pytest.param(["....#", "#...#", "#....", "....."], (4, 0, 5, 2), id="first pixel counts, not the left edge"),
        pytest.param(["..#.#", "#.#.#", "###.#", "....#", "....#", "....#"], (0, 0, 3, 3), id="arms that join below"),
    ],
)
def test_convention_tie_goes_to_the_first_in_raster_order(rows, first):
    _, found = connected_components(drawn(*rows) > 0)
    assert found[0].area == found[1].area
    assert found[0].box == first


def test_many_ties_keep_raster_order():
    dots = np.zeros((40, 40), bool)
    dots[::2, ::2] = True
    _, found = connected_components(dots)
    assert [(x, y) for _, _, (x, y, _, _) in found] == [(x, y) for y in range(0, 40, 2) for x in range(0, 40, 2)]


def test_many_ties_of_two_areas_keep_raster_order():
    areas = np.random.default_rng(0).integers(1, 3, 400)
    row = np.concatenate([[True] * area + [False] for area in areas])[None]
    expected = (np.flatnonzero(areas == 2) + 1).tolist() + (np.flatnonzero(areas == 1) + 1).tolist()
    labels, found = connected_components(row)
    assert [region.label for region in found] == expected
    assert [region.label for region in component_stats(labels)] == expected


def test_background_alone_has_no_regions():
    assert component_stats(np.zeros((2, 3), np.int32)) == []


def test_without_foreground_there_are_no_components():
    labels, found = connected_components(np.zeros((3, 4), bool))
    assert found == []
    assert np.array_equal(labels, np.zeros((3, 4)))


def test_full_foreground_is_one_component():
    _, found = connected_components(np.ones((3, 4), bool))
    assert found == [Component(label=1, area=12, box=(0, 0, 4, 3))]


def test_component_holds_plain_integers():
    _, (component,) = connected_components(np.ones((1, 1), bool))
    assert {type(number) for number in (component.label, component.area, *component.box)} == {int}


@given(FOREGROUNDS, st.booleans())
def test_components_equal_a_flood_fill(foreground, transposed):
    foreground = foreground.T if transposed else foreground  # column-major memory must not change the order
    labels, found = connected_components(foreground)
    expected = sorted(flooded(foreground), key=len, reverse=True)  # stable: ties stay in raster order
    assert [(len(region), bounds(region)) for region in expected] == [(each.area, each.box) for each in found]
    assert expected == [{tuple(pixel) for pixel in np.argwhere(labels == each.label).tolist()} for each in found]
    assert (labels > 0).tolist() == foreground.tolist()
