import pytest
from hypothesis import given
from hypothesis import strategies as st

from weakspot.errors import InputError
from weakspot.inference.class_names import find_class, name_classes
from weakspot.models import imagenet_names

NAMES = ("cat", "Dog", "7", "owl", "OWL")


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (1, 1),
        ("1", 1),
        ("dog", 1),
        ("CAT", 0),
        pytest.param("7", 2, id="a number"),
        pytest.param("owl", 3, id="as it is spelled"),
        pytest.param("OWL", 4, id="as this one is"),
    ],
)
def test_a_class_is_found_by_name_in_any_case_or_by_index(wanted, index):
    assert find_class(wanted, NAMES) == index


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ("dgo", r"no class 'dgo'\.\nDid you mean Dog"),
        ("Owl", r"2 classes are called 'Owl'\.\nGive an index of \[3, 4\]"),
        (5, "Class index 5 is out of range: the model has 5 classes"),
        (-1, "Class index -1 is out of range"),
        ("12", "Class index 12 is out of range"),
        pytest.param("9" * 5000, "no class '999", id="more digits than Python reads"),
    ],
)
def test_a_class_that_is_not_there_is_refused(wanted, problem):
    with pytest.raises(InputError, match=problem):
        find_class(wanted, NAMES)


@given(st.integers(0, 999))
def test_every_imagenet_class_is_found_by_its_name(index):
    assert find_class(imagenet_names()[index], imagenet_names()) == index


def test_classes_without_names_are_numbered_and_a_wrong_number_of_names_is_refused():
    assert name_classes((), 2) == ("0", "1")
    assert name_classes(["a", "b"], 2) == ("a", "b")
    with pytest.raises(InputError, match="3 class names were given for 2 classes"):
        name_classes(["a", "b", "c"], 2)
