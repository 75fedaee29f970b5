import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from refusals import refused
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from weakspot.ops.presence import Presence, conformal_threshold, fit_presence, object_log_odds


def images(count=200, seed=0):
    """Log odds and peaks, both larger in images with an object, which are every other one."""
    generator = np.random.default_rng(seed)
    has_object = np.arange(count) % 2 == 0
    odds = generator.normal(np.where(has_object, 1, -1), 1.5)
    return odds, generator.normal(np.where(has_object, 12, 5), 4), has_object


def test_fit_equals_scikit_learns():
    odds, peaks, has_object = images()
    inputs = np.stack([odds, peaks], axis=1)
    reference = LogisticRegression(C=1.0, tol=1e-8).fit(StandardScaler().fit_transform(inputs), has_object)
    expected = reference.predict_proba(StandardScaler().fit_transform(inputs))[:, 1]
    found = fit_presence(odds, peaks, has_object)
    np.testing.assert_allclose(expit(found.log_odds(odds, peaks)), expected, atol=1e-3)


def test_both_tell_more_than_one():
    odds, peaks, has_object = images()
    found = fit_presence(odds, peaks, has_object)
    assert found.odds_weight > 0
    assert found.peak_weight > 0
    both, *single = (roc_auc_score(has_object, score) for score in (found.log_odds(odds, peaks), odds, peaks))
    assert both > max(single) + 0.02


def test_an_input_that_misleads_has_no_weight():
    odds, peaks, has_object = images()
    assert fit_presence(-odds, peaks, has_object).odds_weight == 0


@pytest.mark.parametrize("share", [0.05, 0.1])
def test_the_share_of_new_normal_images_above_the_threshold_is_the_expected_one(share):
    shares = []
    for seed in range(20):
        found = fit_presence(*images(seed=seed), false_alarms=share)
        odds, peaks, has_object = images(2000, seed=1000 + seed)
        shares.append(found.holds(odds, peaks)[~has_object].mean())
    assert np.mean(shares) == pytest.approx(share, abs=0.02)


def test_an_object_that_is_less_probable_than_none_is_not_reported():
    """Peaks tell the two kinds apart without an error, so that a threshold below 0.5 would do."""
    has_object = np.arange(80) % 2 == 0
    peaks = np.where(has_object, 20.0, 5.0) + np.linspace(0, 1, 80)
    found = fit_presence(np.zeros(80), peaks, has_object)
    assert found.threshold == 0.5
    assert found.holds(np.zeros(80), peaks).tolist() == has_object.tolist()


def test_an_image_at_the_threshold_holds_no_object():
    presence = Presence(0.0, 1.0, 0.0, 0.5)
    assert presence.holds(np.zeros(3), np.array([-1.0, 0.0, 1.0])).tolist() == [False, False, True]
    assert not presence.holds(np.zeros(1), np.array([-1e6])).any()  # without an overflow


def test_with_few_normal_images_the_threshold_is_that_of_the_highest_one():
    odds, peaks, has_object = images(36)
    assert np.count_nonzero(~has_object) < 19
    found = fit_presence(odds, peaks, has_object)
    highest = (1 / (1 + np.exp(-found.log_odds(odds, peaks))))[~has_object].max()
    assert found.threshold == pytest.approx(max(highest, 0.5))
    assert not found.holds(odds, peaks)[~has_object].any()


def test_images_of_one_kind_are_refused():
    with refused("one-class-only"):
        fit_presence(np.zeros(4), np.ones(4), np.ones(4, bool))
    with refused("not-finite"):
        fit_presence(np.array([np.nan, 1.0]), np.ones(2), np.array([True, False]))


@given(arrays(float, st.integers(1, 60), elements=st.floats(0, 1)), st.sampled_from([0.0, 0.05, 0.1, 0.5, 1.0]))
def test_at_most_the_share_of_old_scores_is_above_the_threshold(scores, share):
    threshold = conformal_threshold(scores, min(share, 1 - 1 / (len(scores) + 1)))
    assert np.mean(scores > threshold) <= share
    assert threshold == 1 or threshold in scores


@pytest.mark.parametrize(("count", "finite"), [(18, False), (19, True)])
def test_nineteen_scores_suffice_for_five_percent(count, finite):
    assert (conformal_threshold(np.linspace(0, 0.5, count), 0.05) < 1) == finite


@given(arrays(np.float32, (4, 5), elements=st.floats(-30, 30, width=32)), st.integers(0, 4))
def test_odds_are_those_of_the_softmax(logits, background):
    powers = np.exp(logits.astype(float))
    expected = np.log(np.delete(powers, background, axis=1).sum(axis=1) / powers[:, background])
    np.testing.assert_allclose(object_log_odds(logits, background), expected, atol=1e-6)
