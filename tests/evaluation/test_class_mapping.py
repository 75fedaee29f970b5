from pathlib import Path

import pytest
from refusals import refused

from weakspot.data import Annotation, Dataset, Sample
from weakspot.evaluation.class_mapping import class_indices
from weakspot.models import imagenet_names


def dataset(*truths, names=None):
    labels = tuple(dict.fromkeys(truth.label for truth in truths))
    examples = tuple(Sample(str(i), Path(f"{i}.jpg"), "", (truth,)) for i, truth in enumerate(truths))
    return Dataset(Path("photos"), "made up", labels if names is None else names, examples)


def indices(model_names, *truths, names=None):
    index_of = class_indices(dataset(*truths, names=names), model_names)
    return [index_of(truth) for truth in truths]


def test_classes_are_found_by_name_in_any_case():
    assert indices(["dog", "Größe", "CAT"], Annotation("Cat"), Annotation("GRÖSSE"), Annotation("dog")) == [2, 1, 0]


def test_the_index_of_the_data_set_comes_before_the_name():
    assert indices(["cat", "dog"], Annotation("cat", class_index=1), Annotation("dog")) == [1, 1]


def test_numbered_classes_are_taken_in_the_order_of_the_names_where_there_are_as_many():
    truths = [Annotation("owl"), Annotation("ant"), Annotation("cat")]
    assert indices(["0", "1", "2"], *truths, names=("ant", "cat", "owl")) == [2, 0, 1]


def test_numbered_classes_are_found_by_their_number():
    assert indices(["0", "1", "2"], Annotation("2"), Annotation("0"), Annotation("1")) == [2, 0, 1]


def test_a_classifier_of_imagenet_is_asked_by_name_and_by_wordnet_id():
    assert indices(imagenet_names(), Annotation("egyptian cat"), Annotation("n02124075"), Annotation("n01440764")) == [
        285,
        285,
        0,
    ]


def test_wordnet_ids_are_nothing_to_another_classifier():
    with refused("unknown-class", "1 classes of photos", "n02124075"):
        indices(["cat", "dog"], Annotation("cat"), Annotation("n02124075"))


@pytest.mark.parametrize(
    ("model_names", "truth"),
    [
        pytest.param(["cat", "dog"], Annotation("owl"), id="unknown name"),
        pytest.param(["cat", "dog"], Annotation("cat", class_index=2), id="index behind the last"),
        pytest.param(["0", "1"], Annotation("owl"), id="numbered, but not as many"),
    ],
)
def test_a_class_that_the_model_has_not_is_refused_and_named(model_names, truth):
    with refused("unknown-class", "1 classes of photos", truth.label, "--class-names"):
        indices(model_names, truth)


def test_a_class_is_named_once_however_many_images_have_it():
    with refused("unknown-class", "2 classes of photos", "owl, bat."):
        indices(["cat"], Annotation("owl"), Annotation("owl"), Annotation("bat"), Annotation("cat"))


def test_a_negative_index_is_refused_before_anything_is_computed():
    with refused("unknown-class", "cat"):
        indices(["cat", "dog"], Annotation("cat", class_index=-1))


def test_a_name_that_two_classes_of_the_model_have_is_refused():
    with refused("unknown-class", "cat"):
        indices(["cat", "dog", "cat"], Annotation("cat"))
