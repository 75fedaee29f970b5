from dataclasses import FrozenInstanceError, asdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn.functional import interpolate

from weakspot.data import Preprocessing

SIDES = st.integers(2, 60)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def photo(width, height):
    coarse = np.random.default_rng(0).integers(60, 190, (5, 7, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def test_defaults_are_those_of_imagenet_classifiers():
    assert asdict(Preprocessing()) == {
        "height": 224,
        "width": 224,
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
    }


def test_preprocessing_travels_unchanged():
    with pytest.raises(FrozenInstanceError):
        Preprocessing().height = 256


def test_convention_image_is_squashed_whole():
    corners = Image.new("RGB", (200, 20))  # ten times as wide as high: a crop would lose the sides
    for place, colour in zip([(0, 0), (199, 0), (0, 19), (199, 19)], [RED, GREEN, BLUE, WHITE], strict=True):
        x, y = (place[0] // 100 * 100, place[1] // 10 * 10)
        corners.paste(colour, (x, y, x + 100, y + 10))
    squashed = Preprocessing(height=16, width=16).resized(corners)
    assert squashed[[0, 0, -1, -1], [0, -1, 0, -1]].tolist() == [list(c) for c in (RED, GREEN, BLUE, WHITE)]
    assert squashed[:, 7].tolist() != squashed[:, 8].tolist()  # the middle stays in the middle


@pytest.mark.parametrize(("height", "width"), [(6, 9), (9, 6), (1, 1)])
def test_pixels_are_rows_by_columns_by_channels(height, width):
    pixels = Preprocessing(height=height, width=width).resized(photo(40, 30))
    assert pixels.shape == (height, width, 3)
    assert pixels.dtype == np.uint8


def test_same_size_changes_nothing():
    image = photo(40, 30)
    assert np.array_equal(Preprocessing(height=30, width=40).resized(image), np.asarray(image))


def test_classifier_of_grey_images_gets_one_channel_of_luma():
    grey = Preprocessing(height=2, width=2, mean=(0.5,), std=(0.5,))
    assert grey.resized(Image.new("RGB", (8, 8), GREEN)).tolist() == [[[150], [150]], [[150], [150]]]  # 0.587 * 255


@pytest.mark.parametrize(
    ("width", "height"),
    [pytest.param(300, 200, id="down"), pytest.param(20, 11, id="up"), pytest.param(9, 150, id="up and down")],
)
def test_resized_equals_torch_bicubic_with_antialiasing(width, height):
    image = photo(width, height)
    batch = torch.tensor(np.asarray(image)).permute(2, 0, 1)[None]  # (1, 3, H, W)
    expected = interpolate(batch, (32, 48), mode="bicubic", antialias=True)[0].permute(1, 2, 0)
    resized = Preprocessing(height=32, width=48).resized(image)
    np.testing.assert_allclose(resized.astype(int), expected.numpy(), atol=1)


@given(SIDES, SIDES, SIDES, SIDES, st.tuples(*[st.integers(0, 255)] * 3))
@settings(deadline=None)
def test_flat_colour_stays_flat(width, height, to_width, to_height, colour):
    resized = Preprocessing(height=to_height, width=to_width).resized(Image.new("RGB", (width, height), colour))
    assert np.array_equal(resized, np.full((to_height, to_width, 3), colour))
