import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from weakspot.ops import resize
from weakspot.ops.tiling import Tiling, blend_tiles, tile_image, tile_weights

IMAGES = st.tuples(st.integers(2, 60), st.integers(2, 60))
OVERLAPS = st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75])


def cut(image, tiling):
    """The tiles of an image, one map each."""
    tiles = [image[top : top + tiling.tile_height, left : left + tiling.tile_width] for top, left in tiling.corners]
    return np.stack(tiles)[:, None].astype(float)


@st.composite
def tilings(draw):
    height, width = draw(IMAGES)
    tile_height, tile_width = draw(st.integers(1, height)), draw(st.integers(1, width))
    return tile_image(height, width, tile_height, tile_width, overlap=draw(OVERLAPS))


def test_tiles_are_in_raster_order_and_the_last_ones_are_shifted_inwards():
    tiling = tile_image(5, 9, 4, 4, overlap=0.25)
    assert tiling.corners == [(0, 0), (0, 2), (0, 5), (1, 0), (1, 2), (1, 5)]
    assert tiling.tile_share == pytest.approx(16 / 45)


@pytest.mark.parametrize(
    ("length", "lefts"),
    [
        pytest.param(8, (0,), id="exactly a tile"),
        pytest.param(9, (0, 1), id="one pixel more"),
        pytest.param(14, (0, 6), id="three quarters of a tile more"),
        pytest.param(15, (0, 4, 7), id="and a pixel"),
    ],
)
def test_an_image_has_as_few_tiles_as_overlap_by_a_quarter(length, lefts):
    assert tile_image(8, length, 8, 8).lefts == lefts


def test_an_image_of_one_row_has_tiles_of_one_row():
    assert tile_image(1, 6, 1, 4).corners == [(0, 0), (0, 2)]


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ((8, 8, 9, 8, 0.5), ("tile_height", 9)),
        ((8, 8, 8, 0, 0.5), ("tile_width", 0)),
        ((8, 8, 4, 4, 1.0), ("overlap", 1.0)),
        ((8, 8, 4, 4, -0.1), ("overlap", -0.1)),
    ],
)
def test_impossible_tiles_are_refused(arguments, values):
    *sizes, overlap = arguments
    with refused("out-of-range", *values):
        tile_image(*sizes, overlap=overlap)


@given(tilings())
def test_every_pixel_is_in_a_tile_and_no_tile_is_beyond_the_image(tiling):
    covered = np.zeros((tiling.height, tiling.width), bool)
    for top, left in tiling.corners:
        covered[top : top + tiling.tile_height, left : left + tiling.tile_width] = True
    assert covered.all()
    assert max(tiling.tops) + tiling.tile_height == tiling.height
    assert max(tiling.lefts) + tiling.tile_width == tiling.width


@given(tilings(), st.integers(1, 40))
def test_weights_sum_to_1_and_are_0_outside_the_tile(tiling, pixels):
    weights = tile_weights(tiling.width, tiling.tile_width, tiling.lefts, pixels)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    centers = (np.arange(pixels) + 0.5) * tiling.width / pixels
    for left, row in zip(tiling.lefts, weights, strict=True):
        assert not row[(centers < left) | (centers >= left + tiling.tile_width)].any()


def test_weights_fall_to_0_at_the_border_of_a_tile_but_not_of_the_image():
    first, second, third = tile_weights(8, 4, (0, 2, 4), 800)
    assert first[0] == third[-1] == 1
    assert max(first[399], second[200], second[599], third[400]) < 1e-4
    assert np.abs(np.diff(first)).max() < 0.01  # no step


@settings(deadline=None)
@given(tilings(), st.integers(1, 5), st.integers(1, 12), st.integers(1, 12))
def test_a_constant_map_stays_constant(tiling, cells, height, width):
    maps = np.full((len(tiling.corners), 2, cells, cells), -3.5)
    blended = blend_tiles(maps, tiling, height=height, width=width)
    assert blended.shape == (2, height, width)
    np.testing.assert_allclose(blended, -3.5, rtol=1e-5)


@settings(deadline=None)
@given(tilings())
def test_the_pixels_of_tiles_blend_to_the_image(tiling):
    image = np.random.default_rng(0).normal(size=(tiling.height, tiling.width))
    blended = blend_tiles(cut(image, tiling), tiling, height=tiling.height, width=tiling.width)
    np.testing.assert_allclose(blended[0], image, atol=1e-5)


def test_a_ramp_at_another_resolution_stays_a_ramp_but_at_the_border_of_the_image():
    tiling = tile_image(60, 100, 24, 24)
    ramp = np.add.outer(np.arange(60.0), 2 * np.arange(100.0))
    blended = blend_tiles(cut(ramp, tiling), tiling, height=30, width=50)[0]
    expected = np.add.outer(2 * np.arange(30) + 0.5, 2 * (2 * np.arange(50) + 0.5))
    np.testing.assert_allclose(blended[2:-2, 2:-2], expected[2:-2, 2:-2], atol=0.5)


@pytest.mark.parametrize(("height", "width"), [(10, 12), (3, 2), (1, 1), (33, 50)])
def test_one_tile_is_resized_as_a_map_of_the_image_is(height, width):
    maps = np.random.default_rng(1).normal(size=(1, 3, 5, 4))
    tiling = tile_image(10, 12, 10, 12)
    expected = resize(maps[0], height=height, width=width)
    np.testing.assert_allclose(blend_tiles(maps, tiling, height=height, width=width), expected, atol=1e-6)


def test_blending_equals_a_sum_over_resized_and_weighted_maps():
    tiling = tile_image(14, 20, 8, 8, overlap=0.4)
    maps = np.random.default_rng(2).normal(size=(len(tiling.corners), 1, 2, 2))
    expected, weights = np.zeros((14, 20)), np.zeros((14, 20))
    vertical = tile_weights(14, 8, tiling.tops, 14)
    horizontal = tile_weights(20, 8, tiling.lefts, 20)
    for i, (top, left) in enumerate(tiling.corners):
        row, column = tiling.tops.index(top), tiling.lefts.index(left)
        weight = np.outer(vertical[row], horizontal[column])[top : top + 8, left : left + 8]
        expected[top : top + 8, left : left + 8] += weight * resize(maps[i, 0], height=8, width=8)
        weights[top : top + 8, left : left + 8] += weight
    np.testing.assert_allclose(weights, 1)
    np.testing.assert_allclose(blend_tiles(maps, tiling, height=14, width=20)[0], expected, atol=1e-5)


def test_another_number_of_maps_than_of_tiles_is_refused():
    with refused("shape-mismatch", 2, 3):
        blend_tiles(np.zeros((3, 1, 2, 2)), Tiling(4, 6, 4, 4, (0,), (0, 2)), height=4, width=6)
