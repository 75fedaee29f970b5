from dataclasses import FrozenInstanceError, asdict

import pytest

from weakspot.data import Preprocessing


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
