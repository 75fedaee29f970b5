import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weakspot.cams.normalization import apply_class_thresholds
from weakspot.ops import box_from_heatmap

LEVEL = st.floats(0.05, 0.95)
MAPS = arrays(np.float64, (3, 4, 5), elements=st.integers(0, 16).map(lambda n: n / 16))


def test_what_stood_at_one_level_comes_to_another_and_the_rest_is_straight_by_hand():
    maps = torch.tensor([[0.0, 2.0, 4.0], [6.0, 8.0, 10.0]]) - 3  # 0, .2, .4, .6, .8 and 1 of its range
    found = apply_class_thresholds(maps, torch.tensor(0.8), 0.4)
    torch.testing.assert_close(found, torch.tensor([[0.0, 0.1, 0.2], [0.3, 0.4, 1.0]]))


def test_each_map_has_a_level_of_its_own():
    maps = torch.tensor([0.0, 0.5, 1.0]).expand(2, 2, 1, 3)
    found = apply_class_thresholds(maps, torch.tensor([[0.5, 0.25], [0.75, 0.5]]), 0.5)
    torch.testing.assert_close(found[..., 0, 1], torch.tensor([[0.5, 2 / 3], [1 / 3, 0.5]]))


def test_a_constant_map_becomes_zeros():
    assert not apply_class_thresholds(torch.full((2, 3, 3), 7.0), torch.tensor([0.2, 0.9]), 0.5).any()


@given(MAPS, LEVEL)
def test_at_the_same_level_it_is_the_map_stretched(maps, level):
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    expected = (maps - low) / np.where(high > low, high - low, 1)
    found = apply_class_thresholds(torch.from_numpy(maps), torch.full((3,), level, dtype=torch.float64), level)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@given(MAPS, LEVEL, LEVEL)
def test_convention_boxes_cut_at_the_level_are_those_cut_at_the_other_after_it(maps, at, to):
    levels = torch.full((3,), at, dtype=torch.float64)
    straight = apply_class_thresholds(torch.from_numpy(maps), levels, at).numpy()
    bent = apply_class_thresholds(torch.from_numpy(maps), levels, to).numpy()
    for before, after in zip(straight, bent, strict=True):
        if before.any() and np.abs(before - at).min() > 1e-9:  # else rounding decides
            assert box_from_heatmap(before, at).tolist() == box_from_heatmap(after, to).tolist()


@pytest.mark.parametrize("to", [0.01, 0.5, 0.99])
def test_the_order_of_values_stays(to):
    values = torch.linspace(0, 1, 101)[None]
    assert (apply_class_thresholds(values, torch.tensor(0.37), to).diff() > 0).all()
