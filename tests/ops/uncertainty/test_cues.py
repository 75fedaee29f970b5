import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weakspot.errors import InputError
from weakspot.ops.uncertainty.cues import band_tree, box_instability, competing_area

STEEP = np.pad(np.ones((8, 8), np.float32), 8)
ROWS = np.linspace(1, 0, 24, dtype=np.float32)
CONE = np.minimum(ROWS[:, None], ROWS)  # a slope: each cut has another box
TWO = STEEP.copy()
TWO[20:24, 20:24] = 1  # 16 pixels beside 64


def test_a_box_on_a_steep_edge_is_stable_and_one_on_a_slope_is_not():
    assert box_instability(band_tree(STEEP, 0.5), 0.5) == 0
    assert box_instability(band_tree(CONE, 0.5), 0.5) > 0.2


def test_instability_is_the_mean_over_nine_cuts_worked_out_by_hand():
    levels = 0.5 * np.linspace(0.7, 1.3, 9).round(3)
    sides = np.array([(np.float32(level) <= ROWS).sum() for level in levels])
    shared, joined = np.minimum(sides, sides[4]) ** 2, np.maximum(sides, sides[4]) ** 2
    assert box_instability(band_tree(CONE, 0.5), 0.5) == pytest.approx(1 - (shared / joined).mean())


def test_rivals_count_by_their_area():
    assert competing_area(band_tree(STEEP, 0.5), 0.5) == 0
    assert competing_area(band_tree(TWO, 0.5), 0.5) == pytest.approx(16 / 80)


@pytest.mark.parametrize("cue", [box_instability, competing_area])
def test_an_empty_heatmap_has_no_regions_to_doubt(cue):
    assert cue(band_tree(np.zeros((4, 5), np.float32), 0.5), 0.5) == 0


def test_cuts_above_the_peak_are_left_out():
    tree = band_tree(STEEP, 0.9)
    assert tree.thresholds.max() == 1
    assert box_instability(tree, 0.9) == 0


def test_a_threshold_outside_its_range_is_refused():
    with pytest.raises(InputError, match="outside"):
        band_tree(STEEP, 0.0)


@given(
    arrays(np.float32, (7, 9), elements=st.floats(0, 1, width=32)),
    st.floats(0.05, 1.0),
)
def test_cues_lie_between_0_and_1_and_do_not_see_a_mirror(heatmap, threshold):
    for cue in (box_instability, competing_area):
        value = cue(band_tree(heatmap, threshold), threshold)
        assert 0 <= value <= 1
    mirrored = np.ascontiguousarray(heatmap[:, ::-1])
    assert competing_area(band_tree(mirrored, threshold), threshold) == pytest.approx(
        competing_area(band_tree(heatmap, threshold), threshold)
    )
