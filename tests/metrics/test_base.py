import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from refusals import refused

from weakspot.metrics.base import PerImageMetric

ROWS = arrays(np.float64, st.tuples(st.integers(1, 12), st.just(2)), elements=st.integers(0, 9))


class Mean(PerImageMetric):
    """The mean over images of their first value, times a factor; of two values each."""

    def __init__(self, **options):
        super().__init__(2, **options)

    def update(self, values, groups=None):
        self.add(values, groups)

    def compute_from_sums(self, sums, totals, factor=1.0):
        with np.errstate(invalid="ignore"):
            return factor * sums[..., 0] / totals


def filled(rows, members=None, **options):
    metric = Mean(**options)
    metric.update(np.asarray(rows), members)
    return metric


def random_rows(images, seed=0):
    return np.random.default_rng(seed).random((images, 2))


def test_the_metric_is_computed_from_the_sums_over_all_images():
    metric = filled([[1.0, 5.0], [4.0, 6.0]])
    assert (metric.sums.tolist(), metric.total.item()) == ([5.0, 11.0], 2)
    assert metric.compute().item() == 2.5


def test_forward_returns_the_metric_of_a_batch_and_accumulates():
    metric = Mean(groups=2)
    assert metric(np.array([[1.0, 0.0]]), groups=np.array([1])).item() == 1
    last = metric(np.array([[0.1, 0.0]]), groups=np.array([1]))
    assert (last.item(), last.dtype) == (0.1, torch.float64)
    assert metric.compute().item() == 0.55
    assert metric.group_totals.tolist() == [0, 2]


def test_without_images_the_metric_is_nan():
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert Mean().compute().isnan()


def test_groups_are_summed_by_themselves():
    metric = filled([[1.0, 0], [3.0, 0], [8.0, 0]], np.array([2, 2, 0]), groups=3)
    np.testing.assert_array_equal(metric.per_group(), [8, np.nan, 2])
    assert metric.group_totals.tolist() == [1, 0, 2]


def test_an_image_may_be_in_several_groups():
    metric = filled([[1.0, 0], [3.0, 0]], np.array([[0, 2], [1, 2]]), groups=3)
    assert metric.per_group().tolist() == [1, 3, 2]


def test_groups_and_interval_pass_options_on():
    metric = filled([[1.0, 0], [3.0, 0]], np.array([0, 1]), groups=2, samples=50)
    assert metric.per_group(factor=10).tolist() == [10, 30]
    assert metric.interval(factor=10) == pytest.approx([10 * end for end in metric.interval()])


def test_interval_without_samples_is_refused():
    with refused("missing-samples"):
        filled([[1.0, 0.0]]).interval()


def test_interval_without_images_is_nan():
    assert np.isnan(Mean(samples=5).interval()).all()


def test_interval_of_equal_images_has_no_width():
    assert filled(np.full((30, 2), 4.0), samples=40).interval() == (4, 4)


def test_interval_of_a_single_image_is_its_value():
    """Samples in which it does not occur say nothing."""
    assert filled([[7.0, 0.0]], samples=100).interval() == (7, 7)


@pytest.mark.parametrize("images", [60, 400])
def test_interval_equals_that_of_a_plain_bootstrap(images):
    """One that draws images with replacement: multinomial counts instead of Poisson ones."""
    rows, random = random_rows(images), np.random.default_rng(1)
    drawn = rows[random.integers(0, images, (4000, images)), 0].mean(axis=1)
    expected = np.percentile(drawn, [2.5, 97.5])
    width = expected[1] - expected[0]
    np.testing.assert_allclose(filled(rows, samples=4000).interval(), expected, atol=0.03 * width)
    batched = Mean(samples=4000, seed=5)
    for batch in np.array_split(rows, 7):
        batched.update(batch)
    np.testing.assert_allclose(batched.interval(), expected, atol=0.08 * width)


def test_interval_covers_the_truth_19_times_in_20():
    covered = 0
    for seed in range(200):
        low, high = filled(random_rows(80, seed), samples=300, seed=seed).interval()
        covered += low <= 0.5 <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_the_seed_decides_the_interval_and_batches_do_not():
    rows = random_rows(20)
    metric, batched, other = (Mean(samples=30, seed=seed) for seed in (3, 3, 4))
    metric.update(rows)
    other.update(rows)
    for one in rows:
        batched.update(one[None])
    assert batched.interval() == pytest.approx(metric.interval(), rel=1e-6)
    assert abs(other.interval()[0] - metric.interval()[0]) > 1e-4


def test_reset_forgets_images_and_begins_the_bootstrap_again():
    rows = random_rows(10)
    metric = filled(rows, np.zeros(10, int), groups=1, samples=20)
    before = metric.compute().item(), metric.interval(), metric.per_group().tolist()
    metric.reset()
    assert (metric.total.item(), metric.sums.tolist(), metric.group_totals.tolist()) == (0, [0, 0], [0])
    metric.update(rows, np.zeros(10, int))
    assert (metric.compute().item(), metric.interval(), metric.per_group().tolist()) == before


def test_a_pickled_metric_continues():
    metric = filled(random_rows(5), samples=10)
    copy = pickle.loads(pickle.dumps(metric))
    for one in (metric, copy):
        one.update(random_rows(4, seed=9))
    assert copy.compute().item() == metric.compute().item()
    assert copy.interval() == metric.interval()
    assert copy.total == 9


def test_metrics_of_parts_merge_into_that_of_the_whole():
    rows, groups = random_rows(10), np.arange(10) % 3
    whole = filled(rows, groups, groups=3)
    part, rest = filled(rows[:4], groups[:4], groups=3), filled(rows[4:], groups[4:], groups=3)
    part.merge_state(rest)
    assert part.compute().item() == pytest.approx(whole.compute().item(), rel=1e-15)
    np.testing.assert_allclose(part.per_group(), whole.per_group(), rtol=1e-15)
    assert part.total == 10


def test_merged_metrics_of_different_seeds_have_the_interval_of_the_whole():
    rows = random_rows(400)
    whole = filled(rows, samples=4000)
    part, rest = filled(rows[:200], samples=4000, seed=1), filled(rows[200:], samples=4000, seed=2)
    part.merge_state(rest)
    low, high = whole.interval()
    np.testing.assert_allclose(part.interval(), (low, high), atol=0.08 * (high - low))


@pytest.mark.parametrize("dtype", [np.bool_, np.int32, np.float32, np.float64])
def test_values_of_any_type_are_summed_in_double(dtype):
    metric = filled(np.array([[1, 0], [0, 0], [1, 1]], dtype))
    assert metric.sums.dtype == torch.float64
    assert metric.sums.tolist() == [2, 1]


def test_sums_of_many_images_do_not_lose_small_ones():
    metric = filled([[2.0**30, 0.0]])
    metric.update(np.full((3, 2), 0.25))
    assert metric.sums.tolist() == [2.0**30 + 0.75, 0.75]


@given(ROWS, st.data())
def test_batches_equal_one_batch(rows, data):
    groups = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows))))
    cuts = sorted(
        data.draw(st.sets(st.sampled_from(range(1, len(rows))), max_size=3) if len(rows) > 1 else st.just(set()))
    )
    metric = Mean(groups=3, samples=7)
    for batch, group in zip(np.split(rows, cuts), np.split(groups, cuts), strict=True):
        metric.update(batch, group)
    whole = filled(rows, groups, groups=3, samples=7)
    assert metric.compute().item() == whole.compute().item()
    np.testing.assert_array_equal(metric.per_group(), whole.per_group())
    np.testing.assert_array_equal(metric.interval(), whole.interval())


@given(ROWS)
def test_each_group_equals_a_metric_of_its_images_alone(rows):
    groups = np.arange(len(rows)) % 2
    metric = filled(rows, groups, groups=2)
    for group in range(min(2, len(rows))):
        alone = filled(rows[groups == group])
        assert metric.per_group()[group] == pytest.approx(alone.compute().item(), rel=1e-6)


TENTHS = np.array([0.1, 0.2, 0.3])
CURVES = arrays(np.float64, st.tuples(st.integers(1, 9), st.just(6)), elements=st.integers(0, 4).map(lambda n: n / 4))


class Curves(PerImageMetric):
    """One curve or several at three thresholds, given as rows."""

    def __init__(self, curves=1, *, thresholds=TENTHS, **options):
        super().__init__(curves * len(thresholds), thresholds=thresholds, **options)

    def update(self, values, groups=None):
        self.add(values, groups)


def swept(rows, curves=1):
    sweep = Curves(curves)
    sweep.update(np.asarray(rows))
    return sweep


def test_the_metric_is_the_best_mean_not_the_mean_of_the_best():
    """Each image has a threshold at which it is right; no one threshold is right for more than half of them."""
    sweep = swept([[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
    assert sweep.compute().item() == 50.0
    assert sweep.best() == (1,)


def test_each_curve_has_its_own_best_threshold():
    sweep = swept([[1, 0, 0, 0, 1, 1], [1, 1, 0, 0, 0, 1]], curves=2)
    assert sweep.compute().item() == 100.0
    assert sweep.best() == (0, 2)
    assert sweep.at((0, 2)) == 100.0
    assert sweep.at((1, 1)) == 50.0


def test_convention_of_equally_good_thresholds_the_first_is_best():
    assert swept([[0, 1, 1]]).best() == (1,)


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
    assert swept([row]).middle() == (index,)


def test_details_hold_the_curves_and_their_best():
    details = swept([[1, 0, 0, 0, 0.5, 0.25], [1, 1, 0, 0, 0, 0.75]], curves=2).details()
    assert {name: values.tolist() for name, values in details.items()} == {
        "thresholds": [0.1, 0.2, 0.3],
        "curves": [[100, 50, 0], [0, 25, 50]],
        "best": [100, 50],
        "best_threshold": [0.1, 0.3],
    }


def test_groups_have_separate_best_thresholds_unless_fixed():
    sweep = Curves(groups=3)
    sweep.update(np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 1]]), np.array([0, 1, 1]))
    np.testing.assert_array_equal(sweep.per_group(), [100, 100, np.nan])
    np.testing.assert_array_equal(sweep.per_group(at=[1]), [0, 50, np.nan])


def test_interval_of_an_oracle_searches_anew_in_each_sample():
    """Of noise the best of many thresholds lies above each fixed one: so must the interval's lower end."""
    rows = np.random.default_rng(0).random((50, 3)) < 0.5
    sweep = Curves(samples=2000)
    sweep.update(rows)
    fixed = np.array([sweep.interval(at=[i]) for i in range(3)])
    assert sweep.interval()[0] > fixed[:, 0].max()


@pytest.mark.parametrize("index", [0, 1, 2])
def test_interval_at_a_fixed_threshold_equals_that_of_its_column_alone(index):
    rows = np.random.default_rng(0).random((30, 3))
    sweep, alone = Curves(samples=200), Curves(thresholds=TENTHS[:1], samples=200)
    sweep.update(rows)
    alone.update(rows[:, [index]])
    assert sweep.interval(at=[index]) == pytest.approx(alone.interval(), rel=1e-5)


def test_without_images_details_are_nan():
    details = Curves().details()
    assert np.isnan(details["curves"]).all()
    assert np.isnan(details["best"]).all()


@given(CURVES)
def test_sweep_equals_numpy(rows):
    sweep = swept(rows, curves=2)
    curves = 100 * rows.mean(axis=0).reshape(2, 3)
    assert sweep.compute().item() == pytest.approx(curves.max(axis=1).mean(), abs=1e-4)  # a tensor of float32
    np.testing.assert_allclose(sweep.details()["curves"], curves, rtol=1e-12)
    assert sweep.at(sweep.best()) == pytest.approx(curves.max(axis=1).mean(), rel=1e-12)


@given(CURVES, st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_no_fixed_threshold_is_better_than_the_oracle(rows, at):
    sweep = swept(rows, curves=2)
    assert sweep.at(at) <= sweep.at(sweep.best())


def test_a_metric_without_thresholds_has_no_best_one():
    metric = filled([[1.0, 5.0]])
    assert (metric.best(), metric.middle()) == ((), ())
