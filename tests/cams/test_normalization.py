import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weakspot.cams.normalization import min_max

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


def test_it_can_be_differentiated_even_where_a_map_is_constant():
    maps = torch.tensor([[[1.0, 1.0]], [[0.0, 2.0]]], requires_grad=True)
    min_max(maps).square().sum().backward()
    assert maps.grad.isfinite().all()
