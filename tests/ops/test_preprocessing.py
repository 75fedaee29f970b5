from dataclasses import FrozenInstanceError, asdict

import pytest

from weakspot.data import Preprocessing
from weakspot.errors import InputError


def test_defaults_are_those_of_imagenet_classifiers():
    assert asdict(Preprocessing()) == {
        "height": 224,
        "width": 224,
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
    }


def test_convention_height_comes_before_width():
    assert Preprocessing(2, 3) == Preprocessing(height=2, width=3)


def test_preprocessing_cannot_be_changed_behind_a_models_back():
    with pytest.raises(FrozenInstanceError):
        Preprocessing().height = 256


def test_what_a_user_gives_takes_the_place_of_what_is_known():
    known = Preprocessing(100, 200, mean=(0.5,), std=(0.25,))
    assert known.changed() == known
    assert known.changed(input_size=64) == Preprocessing(64, 64, mean=(0.5,), std=(0.25,))
    assert known.changed(input_size=(3, 4), mean=[0.1], std=[0.2]) == Preprocessing(3, 4, (0.1,), (0.2,))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"mean": (0.5, 0.5)}, "are not those of 1 or 3 channels"),
        ({"mean": (0.5, 0.5), "std": (1, 1)}, "are not those of 1 or 3 channels"),
        ({"std": (0.2, 0.0, 0.2)}, "are not those of 1 or 3 channels"),
        ({"input_size": (224, 0)}, "input size 224 x 0 is not positive"),
    ],
)
def test_what_makes_no_sense_is_refused_in_two_lines(change, problem):
    with pytest.raises(InputError, match=problem) as refusal:
        Preprocessing().changed(**change)
    assert len(str(refusal.value).splitlines()) == 2
