import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weakspot.errors import InputError, ModelError, WeakspotError, suggest

ERRORS = [WeakspotError, InputError, ModelError]
METHODS = ["cam", "gradcam", "gradcam++", "layercam"]


@pytest.mark.parametrize("kind", ERRORS)
def test_error_is_two_lines_what_is_wrong_and_what_to_do(kind):
    error = kind("cat.jpg does not exist.", "Check the path.")
    assert str(error).splitlines() == [error.problem, error.hint] == ["cat.jpg does not exist.", "Check the path."]


@pytest.mark.parametrize("kind", [InputError, ModelError])
def test_every_error_is_caught_at_the_root_and_as_a_value_error(kind):
    assert issubclass(kind, WeakspotError)
    assert issubclass(kind, ValueError)


def test_input_and_model_errors_are_told_apart():
    assert not issubclass(InputError, ModelError)
    assert not issubclass(ModelError, InputError)


@given(st.sampled_from(ERRORS), st.text(), st.text())
def test_error_survives_the_way_between_processes(kind, problem, hint):
    copy = pickle.loads(pickle.dumps(kind(problem, hint)))
    assert (type(copy), copy.problem, copy.hint) == (kind, problem, hint)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        pytest.param("gradcm", "Did you mean gradcam or gradcam++?", id="nearest first"),
        pytest.param("GradCAM", "Did you mean gradcam or gradcam++ or cam?", id="whatever the case"),
        pytest.param("quux", "See the list.", id="nothing near"),
        pytest.param("", "See the list.", id="empty"),
    ],
)
def test_suggestion_names_what_is_near(wrong, hint):
    assert suggest(wrong, METHODS, "See the list.") == hint


def test_suggestion_spells_the_known_word_its_own_way():
    assert suggest("resnet-50", ["ResNet50"], "") == "Did you mean ResNet50?"


def test_suggestion_names_three_words_at_most():
    assert suggest("cam", ["cam1", "cam2", "cam3", "cam4"], "").count("cam") == 3
