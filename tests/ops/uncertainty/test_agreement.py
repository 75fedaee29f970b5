import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr

from weakspot.ops.uncertainty.cues import map_difference, region_disagreement

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
        pytest.param(4, 1 - 8 / 24, id="half beside it"),
        pytest.param(6, 1, id="elsewhere"),
    ],
)
def test_sets_differ_by_what_they_do_not_share(x, difference):
    assert region_disagreement(square(2, 3), square(x, 3), 0.5) == pytest.approx(difference)


def test_only_the_order_of_the_other_map_counts():
    heatmap, other = RANDOM.random((2, 12, 12)).astype(np.float32)
    assert region_disagreement(heatmap, other, 0.6) == region_disagreement(heatmap, 0.1 + other**3, 0.6)


def test_sets_are_those_of_ranks():
    heatmap, other = RANDOM.random((2, 12, 12)).astype(np.float32)
    inside = heatmap >= np.float32(0.6 * heatmap.max())
    greatest = other > np.sort(other, axis=None)[-inside.sum() - 1]
    expected = 1 - (inside & greatest).sum() / (inside | greatest).sum()
    assert region_disagreement(heatmap, other, 0.6) == pytest.approx(expected)


def test_an_empty_map_agrees_with_nothing():
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
def test_differences_lie_between_0_and_1(heatmap, other, threshold):
    assert 0 <= region_disagreement(heatmap, other, threshold) <= 1
    assert 0 <= map_difference(heatmap, other) <= 1
    assert map_difference(heatmap, heatmap) in (pytest.approx(0, abs=1e-9), 0.5)
