import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weakspot.metrics.threshold_sweep import ThresholdSweep

TENTHS = np.array([0.1, 0.2, 0.3])
ROWS = arrays(np.float64, st.tuples(st.integers(1, 9), st.just(6)), elements=st.integers(0, 4).map(lambda n: n / 4))


def filled(rows, curves=1):
    sweep = ThresholdSweep(TENTHS, curves)
    sweep.update(np.asarray(rows))
    return sweep


def test_the_metric_is_the_best_mean_not_the_mean_of_the_best():
    """Each image has a threshold at which it is right; no one threshold is right for more than half of them."""
    sweep = filled([[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
    assert sweep.compute().item() == 50.0
    assert sweep.best() == (1,)


def test_each_curve_has_its_own_best_threshold():
    sweep = filled([[1, 0, 0, 0, 1, 1], [1, 1, 0, 0, 0, 1]], curves=2)
    assert sweep.compute().item() == 100.0
    assert sweep.best() == (0, 2)
    assert sweep.at((0, 2)) == 100.0
    assert sweep.at((1, 1)) == 50.0


def test_convention_of_equally_good_thresholds_the_first_is_best():
    assert filled([[0, 1, 1]]).best() == (1,)


@pytest.mark.parametrize(
    ("row", "index"),
    [
        pytest.param([1, 1, 1], 1, id="of three"),
        pytest.param([0, 1, 1], 1, id="of two the first"),
        pytest.param([1, 0, 1], 0, id="never one that is worse"),
        pytest.param([0, 0, 1], 2, id="of one that one"),
    ],
)
def test_what_is_fixed_for_other_images_is_the_middle_of_the_best(row, index):
    assert filled([row]).middle() == (index,)


def test_details_hold_the_curves_and_their_best():
    details = filled([[1, 0, 0, 0, 0.5, 0.25], [1, 1, 0, 0, 0, 0.75]], curves=2).details()
    assert {name: values.tolist() for name, values in details.items()} == {
        "thresholds": [0.1, 0.2, 0.3],
        "curves": [[100, 50, 0], [0, 25, 50]],
        "best": [100, 50],
        "best_threshold": [0.1, 0.3],
    }


def test_groups_have_separate_best_thresholds_unless_fixed():
    sweep = ThresholdSweep(TENTHS, groups=3)
    sweep.update(np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 1]]), np.array([0, 1, 1]))
    np.testing.assert_array_equal(sweep.per_group(), [100, 100, np.nan])
    np.testing.assert_array_equal(sweep.per_group(at=[1]), [0, 50, np.nan])


def test_interval_of_an_oracle_searches_anew_in_each_sample():
    """Of noise the best of many thresholds lies above each fixed one: so must the interval's lower end."""
    rows = np.random.default_rng(0).random((50, 3)) < 0.5
    sweep = ThresholdSweep(TENTHS, samples=2000)
    sweep.update(rows)
    fixed = np.array([sweep.interval(at=[i]) for i in range(3)])
    assert sweep.interval()[0] > fixed[:, 0].max()


@pytest.mark.parametrize("index", [0, 1, 2])
def test_interval_at_a_fixed_threshold_equals_that_of_its_column_alone(index):
    rows = np.random.default_rng(0).random((30, 3))
    sweep, alone = ThresholdSweep(TENTHS, samples=200), ThresholdSweep(TENTHS[:1], samples=200)
    sweep.update(rows)
    alone.update(rows[:, [index]])
    assert sweep.interval(at=[index]) == pytest.approx(alone.interval(), rel=1e-5)


def test_without_images_details_are_nan():
    details = ThresholdSweep(TENTHS).details()
    assert np.isnan(details["curves"]).all()
    assert np.isnan(details["best"]).all()


@given(ROWS)
def test_sweep_equals_numpy(rows):
    sweep = filled(rows, curves=2)
    curves = 100 * rows.mean(axis=0).reshape(2, 3)
    assert sweep.compute().item() == pytest.approx(curves.max(axis=1).mean(), abs=1e-4)  # a tensor of float32
    np.testing.assert_allclose(sweep.details()["curves"], curves, rtol=1e-12)
    assert sweep.at(sweep.best()) == pytest.approx(curves.max(axis=1).mean(), rel=1e-12)


@given(ROWS, st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_no_fixed_threshold_is_better_than_the_oracle(rows, at):
    sweep = filled(rows, curves=2)
    assert sweep.at(at) <= sweep.at(sweep.best())
