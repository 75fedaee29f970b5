import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import median_abs_deviation

from weakspot.ops.uncertainty import TypicalArea, estimate_typical_areas, unusual_area

AREAS = st.floats(1e-6, 1)
TYPICAL = TypicalArea(np.log(0.1), 0.5)


@given(st.lists(AREAS, min_size=5, max_size=30))
def test_median_and_spread_are_those_of_scipy(areas):
    (typical,) = estimate_typical_areas(np.array(areas), np.zeros(len(areas), int), 1)
    spread = median_abs_deviation(np.log(areas), scale="normal")
    assert typical == pytest.approx((np.median(np.log(areas)), max(spread, 0.2)), rel=1e-4)


def test_classes_with_few_boxes_have_the_typical_area_of_all():
    areas, classes = np.array([0.01] * 6 + [0.5] * 4), np.array([0] * 6 + [2] * 4)
    of_all = TypicalArea(pytest.approx(np.log(0.01)), 0.2)
    assert estimate_typical_areas(areas, classes, 3) == (of_all, of_all, of_all)
    more = estimate_typical_areas(np.append(areas, 0.5), np.append(classes, 2), 3)
    assert [area.log_median for area in more] == pytest.approx(np.log([0.01, 0.01, 0.5]))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_fewer_than_five_boxes_have_no_typical_area(count):
    assert estimate_typical_areas(np.full(count, 0.1), np.zeros(count, int), 2) == ()


@pytest.mark.parametrize(
    ("spreads", "expected"), [(0, 0), (2, 0), (-2, 0), (3, 1 / 2), (-3, 1 / 2), (4, 2 / 3), (11, 9 / 10)]
)
def test_areas_beyond_two_spreads_are_unusual(spreads, expected):
    assert unusual_area(0.1 * np.exp(0.5 * spreads), TYPICAL) == pytest.approx(expected, abs=1e-9)


@given(AREAS, AREAS)
def test_an_area_further_from_the_median_is_not_less_unusual(a, b):
    near, far = sorted((a, b), key=lambda area: abs(np.log(area) - TYPICAL.log_median))
    assert 0 <= unusual_area(near, TYPICAL) <= unusual_area(far, TYPICAL) < 1
