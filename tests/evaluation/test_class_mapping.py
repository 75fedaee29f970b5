from pathlib import Path

import pytest

from weakspot.data import DataSet, Example, Truth
from weakspot.errors import InputError
from weakspot.evaluation.class_mapping import class_indices
from weakspot.models import imagenet_names


def dataset(*truths, names=None):
    labels = tuple(dict.fromkeys(truth.label for truth in truths))
    examples = tuple(Example(str(i), Path(f"{i}.jpg"), "", (truth,)) for i, truth in enumerate(truths))
    return DataSet(Path("photos"), "made up", labels if names is None else names, examples)


def indices(model_names, *truths, names=None):
    index_of = class_indices(dataset(*truths, names=names), model_names)
    return [index_of(truth) for truth in truths]


def test_classes_are_found_by_name_in_any_case():
    assert indices(["dog", "Größe", "CAT"], Truth("Cat"), Truth("GRÖSSE"), Truth("dog")) == [2, 1, 0]


def test_the_index_of_the_data_set_comes_before_the_name():
    assert indices(["cat", "dog"], Truth("cat", class_index=1), Truth("dog")) == [1, 1]


def test_numbered_classes_are_taken_in_the_order_of_the_names_where_there_are_as_many():
    truths = [Truth("owl"), Truth("ant"), Truth("cat")]
    assert indices(["0", "1", "2"], *truths, names=("ant", "cat", "owl")) == [2, 0, 1]


def test_numbered_classes_are_found_by_their_number():
    assert indices(["0", "1", "2"], Truth("2"), Truth("0"), Truth("1")) == [2, 0, 1]


def test_a_classifier_of_imagenet_is_asked_by_name_and_by_wordnet_id():
    assert indices(imagenet_names(), Truth("egyptian cat"), Truth("n02124075"), Truth("n01440764")) == [285, 285, 0]


def test_wordnet_ids_are_nothing_to_another_classifier():
    with pytest.raises(InputError, match="1 classes of photos are not the model's: n02124075"):
        indices(["cat", "dog"], Truth("cat"), Truth("n02124075"))


@pytest.mark.parametrize(
    ("model_names", "truth"),
    [
        pytest.param(["cat", "dog"], Truth("owl"), id="unknown name"),
        pytest.param(["cat", "dog"], Truth("cat", class_index=2), id="index behind the last"),
        pytest.param(["0", "1"], Truth("owl"), id="numbered, but not as many"),
    ],
)
def test_a_class_that_the_model_has_not_is_refused_and_named(model_names, truth):
    with pytest.raises(InputError, match=f"1 classes of photos are not the model's: {truth.label}") as caught:
        indices(model_names, truth)
    assert "--class-names" in caught.value.hint


def test_a_class_is_named_once_however_many_images_have_it():
    with pytest.raises(InputError, match=r"2 classes of photos are not the model's: owl, bat\."):
        indices(["cat"], Truth("owl"), Truth("owl"), Truth("bat"), Truth("cat"))


def test_a_negative_index_is_refused_before_anything_is_computed():
    with pytest.raises(InputError, match="not the model's"):
        indices(["cat", "dog"], Truth("cat", class_index=-1))


def test_a_name_that_two_classes_of_the_model_have_is_refused():
    with pytest.raises(InputError, match="cat"):
        indices(["cat", "dog", "cat"], Truth("cat"))
