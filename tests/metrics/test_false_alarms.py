import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from weakspot.metrics import FalseAlarms

COUNTS = st.lists(st.integers(0, 9), min_size=1, max_size=20)


def filled(counts, **options):
    metric = FalseAlarms(**options)
    metric.update(counts)
    return metric


def test_number_and_share_by_hand():
    assert filled([0, 3, 0, 1]).compute() == 1
    assert filled([0, 3, 0, 1], share=True).compute() == 50


@given(COUNTS)
def test_they_equal_those_of_numpy_in_any_batches(counts):
    assert float(filled(counts).compute()) == pytest.approx(np.mean(counts))
    metric = FalseAlarms(share=True)
    for count in counts:
        metric.update([count])
    assert float(metric.compute()) == pytest.approx(100 * np.mean(np.array(counts) > 0))


@given(COUNTS)
def test_the_number_is_at_least_the_share(counts):
    assert 100 * filled(counts).compute() >= filled(counts, share=True).compute() - 1e-9


def test_interval_holds_the_mean():
    metric = filled([0, 3, 0, 1], samples=200)
    low, high = metric.interval()
    assert low < 1 < high


@pytest.mark.parametrize(("counts", "code"), [([-1, 2], "out-of-range"), ([[1]], "shape-mismatch")])
def test_unusable_counts_are_refused(counts, code):
    with refused(code):
        FalseAlarms().update(counts)
