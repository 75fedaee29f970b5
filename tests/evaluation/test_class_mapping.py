from pathlib import Path

import pytest
from refusals import refused

from weakspot.data import Dataset, ObjectAnnotation, Sample
from weakspot.evaluation.class_mapping import class_indices
from weakspot.models import imagenet_names


def of(label, **more):
    return ObjectAnnotation(label, **more)


def dataset(*truths, names=None):
    labels = tuple(dict.fromkeys(truth.label for truth in truths))
    examples = tuple(Sample(str(i), Path(f"{i}.jpg"), "", (truth,)) for i, truth in enumerate(truths))
    return Dataset(Path("photos"), "made up", labels if names is None else names, examples)


def indices(model_names, *truths, names=None):
    index_of = class_indices(dataset(*truths, names=names), model_names)
    return [index_of(truth) for truth in truths]


def test_classes_are_found_by_name_in_any_case():
    assert indices(["dog", "Größe", "CAT"], of("Cat"), of("GRÖSSE"), of("dog")) == [2, 1, 0]


def test_the_index_of_the_data_set_comes_before_the_name():
    assert indices(["cat", "dog"], of("cat", class_index=1), of("dog")) == [1, 1]


def test_numbered_classes_are_taken_in_the_order_of_the_names_where_there_are_as_many():
    truths = [of("owl"), of("ant"), of("cat")]
    assert indices(["0", "1", "2"], *truths, names=("ant", "cat", "owl")) == [2, 0, 1]


def test_numbered_classes_are_found_by_their_number():
    assert indices(["0", "1", "2"], of("2"), of("0"), of("1")) == [2, 0, 1]


def test_a_classifier_of_imagenet_is_asked_by_name_and_by_wordnet_id():
    assert indices(imagenet_names(), of("egyptian cat"), of("n02124075"), of("n01440764")) == [
        285,
        285,
        0,
    ]


def test_wordnet_ids_are_nothing_to_another_classifier():
    with refused("unknown-class", "1 classes of photos", "n02124075"):
        indices(["cat", "dog"], of("cat"), of("n02124075"))


@pytest.mark.parametrize(
    ("model_names", "truth"),
    [
        pytest.param(["cat", "dog"], of("owl"), id="unknown name"),
        pytest.param(["cat", "dog"], of("cat", class_index=2), id="index behind the last"),
        pytest.param(["0", "1"], of("owl"), id="numbered, but not as many"),
    ],
)
def test_a_class_that_the_model_has_not_is_refused_and_named(model_names, truth):
    with refused("unknown-class", "1 classes of photos", truth.label, "--class-names"):
        indices(model_names, truth)


def test_a_class_is_named_once_however_many_images_have_it():
    with refused("unknown-class", "2 classes of photos", "owl, bat."):
        indices(["cat"], of("owl"), of("owl"), of("bat"), of("cat"))


def test_a_negative_index_is_refused_before_anything_is_computed():
    with refused("unknown-class", "cat"):
        indices(["cat", "dog"], of("cat", class_index=-1))


def test_a_name_that_two_classes_of_the_model_have_is_refused():
    with refused("unknown-class", "cat"):
        indices(["cat", "dog", "cat"], of("cat"))


def test_the_label_of_images_without_an_object_need_not_be_a_class():
    assert class_indices(dataset(of("cat"), of("Background")), ["cat"])(of("cat")) == 0


@pytest.mark.parametrize("truth", [of("background", box=(1, 2, 3, 4)), of("nothing")])
def test_other_labels_and_those_with_a_place_must_be_classes(truth):
    with refused("unknown-class", truth.label):
        class_indices(dataset(of("cat"), truth), ["cat"])
