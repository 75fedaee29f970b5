import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.filters import threshold_otsu

from weakspot.ops.uncertainty.cues import inseparability

Y, X = np.mgrid[:32, :32]
DISC = ((Y - 15) ** 2 + (X - 15) ** 2 < 80).astype(np.float32)
NOISE = np.random.default_rng(0).random((32, 32)).astype(np.float32)


def test_a_clean_disc_is_surer_than_noise():
    assert inseparability(DISC) == pytest.approx(0, abs=1e-12)
    assert inseparability(NOISE) > 0.2
    assert inseparability(DISC) < inseparability(0.7 * DISC + 0.3 * NOISE) < inseparability(NOISE)


def test_the_cut_is_otsus():
    values = np.random.default_rng(1).beta(0.5, 0.7, (40, 40))
    inside = values > threshold_otsu(values, nbins=256)
    between = inside.mean() * (1 - inside.mean()) * (values[inside].mean() - values[~inside].mean()) ** 2
    assert inseparability(values) == pytest.approx(1 - between / values.var(), abs=2e-3)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_heatmap_is_all_blur(value):
    assert inseparability(np.full((3, 4), value, np.float32)) == 1


@given(arrays(np.float32, (6, 5), elements=st.floats(0, 1, width=32)))
def test_it_lies_between_0_and_1_and_takes_no_notice_of_places(heatmap):
    assert 0 <= inseparability(heatmap) <= 1
    assert inseparability(heatmap) == inseparability(heatmap[::-1, ::-1])
