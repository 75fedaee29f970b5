import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from weakspot.data import Preprocessing
from weakspot.models import normalize_batch, resize_image


def smooth_image(width, height, seed=0):
    """A random image whose colors change over tens of pixels."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@given(st.integers(2, 400), st.integers(2, 400))
@settings(max_examples=30, deadline=None)
def test_resizing_returns_pillows_antialiased_bicubic_pixels(width, height):
    image, frame = smooth_image(width, height), Preprocessing(height=64, width=48)
    pillow = np.asarray(image.resize((48, 64), Image.Resampling.BICUBIC)).astype(int)
    ours = resize_image(image, frame).permute(1, 2, 0).numpy().astype(int)
    assert np.abs(ours - pillow).max() <= 2
    assert np.abs(ours - pillow).mean() < 0.5


def test_convention_the_whole_image_is_resized_without_cropping():
    image = Image.new("RGB", (400, 100), "white")
    image.paste("black", (0, 0, 4, 100))  # a hundredth at the left edge: a center crop would lose it
    found = resize_image(image, Preprocessing(height=100, width=100))
    assert found.shape == (3, 100, 100)
    assert found[:, :, 0].max() < 40
    assert found[:, :, 3:].min() > 215


def test_a_grayscale_classifier_gets_one_channel():
    frame = Preprocessing(height=4, width=4, mean=(0.5,), std=(0.25,))
    assert resize_image(smooth_image(20, 20), frame).shape == (1, 4, 4)
    white = resize_image(Image.new("RGB", (9, 9), "white"), frame)
    assert normalize_batch([white], frame).unique().tolist() == [2.0]


def test_pixels_are_normalized_per_channel_and_channels_last():
    frame = Preprocessing(2, 3, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    images = [torch.randint(0, 256, (3, 2, 3), dtype=torch.uint8) for _ in range(4)]
    found = normalize_batch(images, frame, dtype=torch.float64)
    expected = [[((image[c].double() / 255) - frame.mean[c]) / frame.std[c] for c in range(3)] for image in images]
    torch.testing.assert_close(found, torch.stack([torch.stack(one) for one in expected]), rtol=0, atol=1e-6)
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_batch_has_the_requested_dtype(dtype):
    batch = normalize_batch([torch.zeros(3, 1, 1, dtype=torch.uint8)], Preprocessing(), dtype=dtype)
    assert batch.dtype == dtype
