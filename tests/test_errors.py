import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from weakspot.errors import (
    InputError,
    ModelError,
    WeakspotError,
    check_fraction,
    check_positive,
    no_such_class,
    suggest,
)

ERRORS = [WeakspotError, InputError, ModelError]
METHODS = ["cam", "gradcam", "gradcam++", "layercam"]


@pytest.mark.parametrize("kind", ERRORS)
def test_error_has_a_code_and_two_lines_problem_and_hint(kind):
    error = kind("image-too-large", "cat.jpg has 9 pixels.", "Raise --max-pixels.")
    assert error.code == "image-too-large"
    assert str(error).splitlines() == [error.problem, error.hint] == ["cat.jpg has 9 pixels.", "Raise --max-pixels."]


@pytest.mark.parametrize("kind", ERRORS)
def test_error_without_a_hint_is_one_line(kind):
    assert str(kind("image-not-found", "cat.jpg does not exist.")) == "cat.jpg does not exist."


@pytest.mark.parametrize("value", [0, 0.5, 1, np.float32(1)])
def test_fractions_include_their_ends(value):
    assert check_fraction(value, "min_score") == value


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
def test_values_outside_0_to_1_are_refused(value):
    with refused("out-of-range", "min_score", value):
        check_fraction(value, "min_score")


@pytest.mark.parametrize("value", [0, -3])
def test_values_below_1_are_refused(value):
    assert check_positive(1, "top_k") == 1
    with refused("out-of-range", "top_k", value):
        check_positive(value, "top_k")


def test_a_class_that_does_not_exist_is_named_with_the_range():
    error = no_such_class(7, 3)
    assert (error.code, "7" in str(error), "2" in str(error)) == ("unknown-class", True, True)


@pytest.mark.parametrize("kind", [InputError, ModelError])
def test_every_error_is_caught_at_the_root_and_as_a_value_error(kind):
    assert issubclass(kind, WeakspotError)
    assert issubclass(kind, ValueError)


def test_input_and_model_errors_are_distinct():
    assert not issubclass(InputError, ModelError)
    assert not issubclass(ModelError, InputError)


@given(st.sampled_from(ERRORS), st.text(), st.text())
def test_errors_can_be_pickled(kind, problem, hint):
    copy = pickle.loads(pickle.dumps(kind("some-code", problem, hint)))
    assert (type(copy), copy.code, copy.problem, copy.hint) == (kind, "some-code", problem, hint)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        pytest.param("gradcm", "Did you mean gradcam or gradcam++?", id="nearest first"),
        pytest.param("GradCAM", "Did you mean gradcam or gradcam++ or cam?", id="whatever the case"),
        pytest.param("quux", "See the list.", id="nothing near"),
        pytest.param("", "See the list.", id="empty"),
    ],
)
def test_suggestions_are_similar(wrong, hint):
    assert suggest(wrong, METHODS, "See the list.") == hint


def test_suggestions_keep_their_case():
    assert suggest("resnet-50", ["ResNet50"], "") == "Did you mean ResNet50?"


def test_at_most_three_suggestions():
    assert suggest("cam", ["cam1", "cam2", "cam3", "cam4"], "").count("cam") == 3
