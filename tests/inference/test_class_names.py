import numpy as np
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


@pytest.mark.parametrize(
    "names",
    [
        pytest.param({0: "a", 1: "b"}, id="index to name"),
        pytest.param({1: "b", 0: "a"}, id="in another order"),
        pytest.param({np.int64(0): "a", np.int64(1): "b"}, id="numpy indices"),
        pytest.param({"0": "a", "1": "b"}, id="from JSON"),
        pytest.param({"b": 1, "a": 0}, id="name to index"),
        pytest.param(np.array(["a", "b"]), id="array"),
        pytest.param({"a": None, "b": None}.keys(), id="keys"),
    ],
)
def test_class_names_may_be_a_mapping_or_any_ordered_collection(names):
    assert choose_class_names(names, (), 2) == ("a", "b")


@pytest.mark.parametrize(
    ("names", "values"),
    [
        ({1: "a", 2: "b"}, ["0 to 1", "1, 2"]),
        ({0: "a", 5: "b"}, ["0, 5"]),
        ({"a": 0, "b": 0}, ["0 to 1"]),
        ({"a": "x", "b": "y"}, ["a, b"]),
        ({0: "a", 1: "b", 2: "c"}, [2, 3]),
        ({"a", "b"}, ["set"]),
        (7, ["int", 7]),
    ],
)
def test_class_names_without_a_clear_order_are_refused(names, values):
    with refused("class-names-invalid", *values):
        choose_class_names(names, (), 2)
