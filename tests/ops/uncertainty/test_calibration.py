import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from weakspot.ops.uncertainty import fit_calibration

RANDOM = np.random.default_rng(0)
CUES = RANDOM.random((400, 2)) * [1.0, 0.1]
WRONG = RANDOM.random(400) < expit(3 * CUES[:, 0] + 20 * CUES[:, 1] - 3)


def test_it_equals_scikit_learn_if_no_weight_is_negative():
    mean, spread = CUES.mean(axis=0), CUES.std(axis=0)
    reference = LogisticRegression(C=1.0, tol=1e-8).fit((CUES - mean) / spread, WRONG)
    expected = reference.predict_proba((CUES - mean) / spread)[:, 1]
    assert fit_calibration(CUES, WRONG, penalty=1.0).probability(CUES) == pytest.approx(expected, abs=1e-3)


def test_its_mean_is_the_share_of_wrong_boxes():
    assert fit_calibration(CUES, WRONG).probability(CUES).mean() == pytest.approx(WRONG.mean(), abs=1e-3)


def test_a_cue_with_negative_correlation_has_weight_0():
    fitted = fit_calibration(np.column_stack([CUES[:, 0], 1 - CUES[:, 0]]), WRONG)
    assert fitted.weights[0] > 0
    assert fitted.weights[1] == 0


def test_a_constant_cue_has_weight_0():
    assert fit_calibration(np.column_stack([CUES, np.full(400, 0.3)]), WRONG).weights[2] == 0


@given(st.integers(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_more_of_a_cue_never_makes_a_box_surer(which, low, high):
    fitted, two = fit_calibration(CUES, WRONG), np.full((2, 2), 0.05)
    two[:, which] = sorted((low, high))
    less, more = fitted.probability(two)
    assert 0 <= less <= more <= 1


@pytest.mark.parametrize(
    ("cues", "wrong", "code"),
    [
        (CUES, np.ones(400, bool), "one-class-only"),
        (CUES, np.zeros(400, bool), "one-class-only"),
        (CUES[:3], WRONG, "shape-mismatch"),
        (np.full((400, 2), np.nan), WRONG, "not-finite"),
    ],
)
def test_unusable_cues_are_refused(cues, wrong, code):
    with refused(code):
        fit_calibration(cues, wrong)
