from dataclasses import FrozenInstanceError, asdict

import pytest
from PIL import Image
from refusals import refused

from weakspot.data import Preprocessing
from weakspot.ops.preprocessing import MAX_IMAGE_SIDE, MAX_INPUT_SIDE, reduce_long_sides


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


def test_given_values_replace_the_old_ones():
    old = Preprocessing(100, 200, mean=(0.5,), std=(0.25,))
    assert old.changed() == old
    assert old.changed(input_size=64) == Preprocessing(64, 64, mean=(0.5,), std=(0.25,))
    assert old.changed(input_size=(3, 4), mean=[0.1], std=[0.2]) == Preprocessing(3, 4, (0.1,), (0.2,))


@pytest.mark.parametrize(
    ("change", "code", "value"),
    [
        ({"mean": (0.5, 0.5)}, "normalization-invalid", (0.5, 0.5)),
        ({"mean": (0.5, 0.5), "std": (1, 1)}, "normalization-invalid", (1.0, 1.0)),
        ({"std": (0.2, 0.0, 0.2)}, "normalization-invalid", (0.2, 0.0, 0.2)),
        ({"input_size": (224, 0)}, "out-of-range", "224 x 0"),
        ({"input_size": MAX_INPUT_SIDE + 1}, "out-of-range", f"at most {MAX_INPUT_SIDE} x {MAX_INPUT_SIDE}"),
    ],
)
def test_unusable_values_are_refused(change, code, value):
    with refused(code, value):
        Preprocessing().changed(**change)


def test_an_input_may_be_as_large_as_a_network_can_bear():
    assert Preprocessing().changed(input_size=(MAX_INPUT_SIDE, 1)).height == MAX_INPUT_SIDE < MAX_IMAGE_SIDE


@pytest.mark.parametrize(("side", "expected"), [(MAX_IMAGE_SIDE, MAX_IMAGE_SIDE), (MAX_IMAGE_SIDE + 1, 32_769)])
def test_only_sides_longer_than_any_camera_has_are_reduced(side, expected):
    assert reduce_long_sides(Image.new("L", (side, 3))).size == (expected, 3)
