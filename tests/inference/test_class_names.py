import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from weakspot.inference.class_names import choose_class_names, find_class
from weakspot.models import imagenet_names

NAMES = ("cat", "Dog", "7", "owl", "OWL")


@pytest.mark.parametrize(
    ("label", "index"),
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
def test_find_class_by_name_in_any_case_or_by_index(label, index):
    assert find_class(label, NAMES) == index


@pytest.mark.parametrize(
    ("label", "code", "values"),
    [
        ("dgo", "unknown-class", ["dgo", "Dog"]),
        ("Owl", "ambiguous-class", ["Owl", "[3, 4]"]),
        (5, "unknown-class", [5]),
        (-1, "unknown-class", [-1]),
        ("12", "unknown-class", [12]),
        pytest.param("9" * 5000, "unknown-class", ["999"], id="more digits than int() accepts"),
    ],
)
def test_an_unknown_class_is_refused(label, code, values):
    with refused(code, *values):
        find_class(label, NAMES)


@given(st.integers(0, 999))
def test_find_every_imagenet_class_by_name(index):
    assert find_class(imagenet_names()[index], imagenet_names()) == index


def test_classes_without_names_are_numbered_and_a_wrong_number_is_refused():
    assert choose_class_names(None, (), 2) == ("0", "1")
    assert choose_class_names(["a", "b"], (), 2) == ("a", "b")
    with refused("class-names-invalid", 2, 3):
        choose_class_names(["a", "b", "c"], (), 2)
    with refused("class-names-invalid", "ab"):
        choose_class_names("ab", (), 2)


def test_class_names_may_be_a_text_file(tmp_path):
    (tmp_path / "names.txt").write_text("a\nb\n")
    assert choose_class_names(tmp_path / "names.txt", ("c", "d"), 2) == ("a", "b")
