import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weakspot.cams.normalization import apply_class_thresholds, min_max
from weakspot.ops import box_from_heatmap

MAPS = arrays(np.float64, (2, 3, 4, 5), elements=st.floats(-1e6, 1e6))


def test_the_least_becomes_0_the_greatest_1_and_what_lies_between_stays_in_proportion():
    assert min_max(torch.tensor([[-2.0, 0.0], [6.0, 2.0]])).tolist() == [[0.0, 0.25], [1.0, 0.5]]


@pytest.mark.parametrize("value", [0.0, 3.0, -7.5, 1e30])
def test_a_constant_map_becomes_zeros(value):
    assert min_max(torch.full((2, 1, 3, 3), value)).tolist() == torch.zeros(2, 1, 3, 3).tolist()


def test_each_map_is_stretched_for_itself():
    maps = torch.tensor([[[0.0, 1.0]], [[0.0, 100.0]], [[4.0, 4.0]]])
    assert min_max(maps).tolist() == [[[0.0, 1.0]], [[0.0, 1.0]], [[0.0, 0.0]]]


@given(MAPS)
def test_it_is_a_loop_over_all_maps(maps):
    expected = np.zeros_like(maps)
    for place in np.ndindex(maps.shape[:2]):
        one = maps[place]
        if one.max() > one.min():
            expected[place] = (one - one.min()) / (one.max() - one.min())
    found = min_max(torch.from_numpy(maps)).numpy()
    np.testing.assert_array_equal(found, expected)
    assert (found >= 0).all()
    assert (found <= 1).all()


def test_min_max_is_differentiable_for_constant_maps():
    maps = torch.tensor([[[1.0, 1.0]], [[0.0, 2.0]]], requires_grad=True)
    min_max(maps).square().sum().backward()
    assert maps.grad.isfinite().all()


THRESHOLD = st.floats(0.05, 0.95)
ROWS = arrays(np.float64, (3, 4, 5), elements=st.integers(0, 16).map(lambda n: n / 16))


def test_a_threshold_becomes_the_target_and_the_rest_is_linear():
    maps = torch.tensor([[0.0, 2.0, 4.0], [6.0, 8.0, 10.0]]) - 3  # 0, .2, .4, .6, .8 and 1 of its range
    found = apply_class_thresholds(maps, torch.tensor(0.8), 0.4)
    torch.testing.assert_close(found, torch.tensor([[0.0, 0.1, 0.2], [0.3, 0.4, 1.0]]))


def test_each_map_has_its_own_threshold():
    maps = torch.tensor([0.0, 0.5, 1.0]).expand(2, 2, 1, 3)
    found = apply_class_thresholds(maps, torch.tensor([[0.5, 0.25], [0.75, 0.5]]), 0.5)
    torch.testing.assert_close(found[..., 0, 1], torch.tensor([[0.5, 2 / 3], [1 / 3, 0.5]]))


def test_a_constant_map_with_a_threshold_becomes_zeros():
    assert not apply_class_thresholds(torch.full((2, 3, 3), 7.0), torch.tensor([0.2, 0.9]), 0.5).any()


@given(ROWS, THRESHOLD)
def test_an_equal_target_only_normalizes(maps, level):
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    expected = (maps - low) / np.where(high > low, high - low, 1)
    found = apply_class_thresholds(torch.from_numpy(maps), torch.full((3,), level, dtype=torch.float64), level)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@given(ROWS, THRESHOLD, THRESHOLD)
def test_convention_boxes_at_the_threshold_are_those_at_the_target(maps, at, to):
    levels = torch.full((3,), at, dtype=torch.float64)
    straight = apply_class_thresholds(torch.from_numpy(maps), levels, at).numpy()
    bent = apply_class_thresholds(torch.from_numpy(maps), levels, to).numpy()
    for before, after in zip(straight, bent, strict=True):
        if before.any() and np.abs(before - at).min() > 1e-9:  # else rounding decides
            assert box_from_heatmap(before, at).tolist() == box_from_heatmap(after, to).tolist()


@pytest.mark.parametrize("to", [0.01, 0.5, 0.99])
def test_the_order_of_values_is_preserved(to):
    values = torch.linspace(0, 1, 101)[None]
    assert (apply_class_thresholds(values, torch.tensor(0.37), to).diff() > 0).all()
