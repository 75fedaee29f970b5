import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from refusals import refused
from scipy.stats import pearsonr
from skimage.filters import threshold_otsu

from weakspot.ops.uncertainty.cues import (
    band_tree,
    box_instability,
    competing_area,
    inseparability,
    map_difference,
    region_disagreement,
)

STEEP = np.pad(np.ones((8, 8), np.float32), 8)
ROWS = np.linspace(1, 0, 24, dtype=np.float32)
CONE = np.minimum(ROWS[:, None], ROWS)  # a slope: the box differs at each threshold
TWO = STEEP.copy()
TWO[20:24, 20:24] = 1  # 16 pixels next to 64


def test_a_box_on_a_steep_edge_is_stable_and_one_on_a_slope_is_not():
    assert box_instability(band_tree(STEEP, 0.5), 0.5) == 0
    assert box_instability(band_tree(CONE, 0.5), 0.5) > 0.2


def test_instability_is_the_mean_over_nine_thresholds():
    levels = 0.5 * np.linspace(0.7, 1.3, 9).round(3)
    sides = np.array([(np.float32(level) <= ROWS).sum() for level in levels])
    shared, joined = np.minimum(sides, sides[4]) ** 2, np.maximum(sides, sides[4]) ** 2
    assert box_instability(band_tree(CONE, 0.5), 0.5) == pytest.approx(1 - (shared / joined).mean())


def test_competing_area_is_a_fraction_of_the_area():
    assert competing_area(band_tree(STEEP, 0.5), 0.5) == 0
    assert competing_area(band_tree(TWO, 0.5), 0.5) == pytest.approx(16 / 80)


@pytest.mark.parametrize("cue", [box_instability, competing_area])
def test_cues_of_an_empty_heatmap_are_zero(cue):
    assert cue(band_tree(np.zeros((4, 5), np.float32), 0.5), 0.5) == 0


def test_thresholds_above_the_maximum_are_left_out():
    tree = band_tree(STEEP, 0.9)
    assert tree.thresholds.max() == 1
    assert box_instability(tree, 0.9) == 0


def test_a_threshold_outside_its_range_is_refused():
    with refused("out-of-range", 0.0):
        band_tree(STEEP, 0.0)


@given(
    arrays(np.float32, (7, 9), elements=st.floats(0, 1, width=32)),
    st.floats(0.05, 1.0),
)
def test_cues_are_fractions_and_invariant_to_mirroring(heatmap, threshold):
    for cue in (box_instability, competing_area):
        value = cue(band_tree(heatmap, threshold), threshold)
        assert 0 <= value <= 1
    mirrored = np.ascontiguousarray(heatmap[:, ::-1])
    assert competing_area(band_tree(mirrored, threshold), threshold) == pytest.approx(
        competing_area(band_tree(heatmap, threshold), threshold)
    )


RANDOM = np.random.default_rng(0)
MAPS = arrays(np.float32, (6, 7), elements=st.floats(0, 1, width=32))


def square(x, y):
    heatmap = np.zeros((10, 10), np.float32)
    heatmap[y : y + 4, x : x + 4] = 1
    return heatmap


@pytest.mark.parametrize(
    ("x", "difference"),
    [
        pytest.param(2, 0, id="the same place"),
        pytest.param(4, 1 - 8 / 24, id="half next to it"),
        pytest.param(6, 1, id="elsewhere"),
    ],
)
def test_disagreement_is_1_minus_the_iou(x, difference):
    assert region_disagreement(square(2, 3), square(x, 3), 0.5) == pytest.approx(difference)


def test_only_the_order_of_the_other_map_matters():
    heatmap, other = RANDOM.random((2, 12, 12)).astype(np.float32)
    assert region_disagreement(heatmap, other, 0.6) == region_disagreement(heatmap, 0.1 + other**3, 0.6)


def test_sets_are_those_of_ranks():
    heatmap, other = RANDOM.random((2, 12, 12)).astype(np.float32)
    inside = heatmap >= np.float32(0.6 * heatmap.max())
    greatest = other > np.sort(other, axis=None)[-inside.sum() - 1]
    expected = 1 - (inside & greatest).sum() / (inside | greatest).sum()
    assert region_disagreement(heatmap, other, 0.6) == pytest.approx(expected)


@given(MAPS, MAPS, st.floats(0.05, 1.0))
def test_of_equal_values_the_first_pixels_are_highest(heatmap, other, threshold):
    assume(heatmap.any() and other.any())
    inside = ((heatmap >= np.float32(threshold * heatmap.max())) & (heatmap > 0)).ravel()
    highest = set(np.argsort(-other, axis=None, kind="stable")[: inside.sum()])
    shared = len(highest & set(np.flatnonzero(inside)))
    expected = 1 - shared / (2 * inside.sum() - shared)
    assert region_disagreement(heatmap, other, threshold) == pytest.approx(expected)


def test_an_empty_map_disagrees_with_any():
    empty = np.zeros((10, 10), np.float32)
    assert region_disagreement(square(2, 2), empty, 0.5) == region_disagreement(empty, square(2, 2), 0.5) == 1
    assert map_difference(square(2, 2), empty) == map_difference(empty, empty) == 0.5


def test_maps_differ_by_pearsons_correlation():
    heatmap, other = RANDOM.random((2, 12, 12)).astype(np.float32)
    expected = (1 - pearsonr(heatmap.ravel(), other.ravel()).statistic) / 2
    assert map_difference(heatmap, other) == pytest.approx(expected, abs=1e-6)


def test_a_coarser_map_of_the_same_is_nearly_the_same():
    fine = np.outer(np.hanning(16), np.hanning(16)).astype(np.float32)
    coarse = fine.reshape(8, 2, 8, 2).mean(axis=(1, 3))
    assert map_difference(fine, coarse) < 0.01 < map_difference(fine, coarse[:4])


@given(MAPS, MAPS, st.floats(0.05, 1.0))
def test_differences_are_fractions(heatmap, other, threshold):
    assert 0 <= region_disagreement(heatmap, other, threshold) <= 1
    assert 0 <= map_difference(heatmap, other) <= 1
    assert map_difference(heatmap, heatmap) in (pytest.approx(0, abs=1e-9), 0.5)


Y, X = np.mgrid[:32, :32]
DISC = ((Y - 15) ** 2 + (X - 15) ** 2 < 80).astype(np.float32)
NOISE = np.random.default_rng(0).random((32, 32)).astype(np.float32)


def test_a_clean_disc_is_more_separable_than_noise():
    assert inseparability(DISC) == pytest.approx(0, abs=1e-12)
    assert inseparability(NOISE) > 0.2
    assert inseparability(DISC) < inseparability(0.7 * DISC + 0.3 * NOISE) < inseparability(NOISE)


def test_the_threshold_is_otsus():
    values = np.random.default_rng(1).beta(0.5, 0.7, (40, 40))
    inside = values > threshold_otsu(values, nbins=256)
    between = inside.mean() * (1 - inside.mean()) * (values[inside].mean() - values[~inside].mean()) ** 2
    assert inseparability(values) == pytest.approx(1 - between / values.var(), abs=2e-3)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_heatmap_is_inseparable(value):
    assert inseparability(np.full((3, 4), value, np.float32)) == 1


@given(arrays(np.float32, (6, 5), elements=st.floats(0, 1, width=32)))
def test_inseparability_is_a_fraction_and_ignores_positions(heatmap):
    assert 0 <= inseparability(heatmap) <= 1
    assert inseparability(heatmap) == inseparability(heatmap[::-1, ::-1])
