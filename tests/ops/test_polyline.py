import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import approximate_polygon

from weakspot.ops.polyline import simplify_polyline


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("closed", [False, True])
def test_the_corners_are_those_of_skimage(seed, closed):
    line = np.random.default_rng(seed).normal(size=(200, 2)).cumsum(axis=0)
    line[-1] = line[0] if closed else line[-1]
    for tolerance in (0.1, 0.5, 2.0):
        assert (line[simplify_polyline(line, tolerance)] == approximate_polygon(line, tolerance)).all()


@given(arrays(float, st.tuples(st.integers(1, 9), st.just(2)), elements=st.integers(-9, 9)))
def test_ends_are_kept_and_straight_lines_lose_what_lies_between(line):
    kept = simplify_polyline(line, 0)
    assert kept[0]
    assert kept[-1]
    assert simplify_polyline(np.linspace(line[0], line[0] + 1, 5), 1e-9).tolist() == [True, False, False, False, True]
