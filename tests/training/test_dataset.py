"""Images of a run: verified once, then cropped and flipped by key."""

import numpy as np
import pytest
import torch
from PIL import Image
from small_runs import disc, write_discs

from weakspot.data import Preprocessing, read_dataset
from weakspot.training.dataset import ImageDataset, verify_images, with_crop_margin

PREPROCESSING = Preprocessing(height=56, width=56)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return read_dataset(write_discs(tmp_path_factory.mktemp("images"), {"": 6})).samples


def targets(samples):
    return np.eye(2, dtype=np.float32)[np.arange(len(samples)) % 2]


def make_dataset(samples, preprocessing=PREPROCESSING, seed=0):
    return ImageDataset(
        verify_images(samples, with_crop_margin(preprocessing), workers=2),
        targets(samples),
        with_crop_margin(preprocessing),
        preprocessing,
        seed,
    )


def test_the_same_key_gives_the_same_pixels_in_any_order(samples):
    first, second = make_dataset(samples), make_dataset(samples)
    keys = [(epoch, i) for epoch in range(3) for i in range(6)]
    expected = {key: first[key] for key in keys}
    for key in reversed(keys):
        pixels, target = second[key]
        assert torch.equal(pixels, expected[key][0])
        assert torch.equal(target, expected[key][1])


@pytest.mark.parametrize("other", [{"key": (1, 0)}, {"key": (0, 0), "seed": 1}])
def test_another_epoch_or_seed_gives_other_pixels(samples, other):
    key = other.pop("key")
    assert not torch.equal(make_dataset(samples)[0, 0][0], make_dataset(samples, **other)[key][0])


def test_crops_are_inside_the_image_and_half_of_them_are_flipped(samples):
    whole = verify_images(samples, with_crop_margin(PREPROCESSING), workers=1).pixels[2]
    assert whole.shape == (3, 64, 64)
    windows = {
        crop.numpy().tobytes(): (top, left, flipped)
        for top in range(9)
        for left in range(9)
        for flipped in (False, True)
        for crop in [whole[:, top : top + 56, left : left + 56].flip([2] if flipped else [])]
    }
    dataset = make_dataset(samples)
    crops = [windows[dataset[epoch, 2][0].numpy().tobytes()] for epoch in range(300)]
    tops, lefts, flips = np.array(crops).T
    assert set(tops) == set(lefts) == set(range(9))
    assert 0.4 < flips.mean() < 0.6


def test_images_of_the_requested_size_are_neither_cropped_nor_flipped(samples):
    images = verify_images(samples, PREPROCESSING, workers=1)
    dataset = ImageDataset(images, targets(samples), PREPROCESSING, PREPROCESSING)
    for i in range(6):
        assert torch.equal(dataset[4, i][0], images.pixels[i])


def test_cached_pixels_equal_decoded_ones(samples, monkeypatch):
    cached = make_dataset(samples)
    monkeypatch.setattr("weakspot.training.dataset._MAX_CACHE_BYTES", 0)
    decoded = make_dataset(samples)
    assert (cached.in_memory, decoded.in_memory) == (True, False)
    for i in range(6):
        assert torch.equal(cached[5, i][0], decoded[5, i][0])


def test_verification_separates_unreadable_images_and_keeps_the_order(tmp_path):
    root = write_discs(tmp_path, {"": 6})
    damaged = sorted((root / "blue").iterdir())[1]
    damaged.write_bytes(b"not an image")
    samples_on_disk = read_dataset(root).samples
    images = verify_images(samples_on_disk, PREPROCESSING, workers=2)
    assert [image.sample.path for image in images.unreadable] == [damaged]
    assert images.samples == tuple(sample for sample in samples_on_disk if sample.path != damaged)
    assert len(images.pixels) == 5
    assert images.unreadable[0].error.__cause__ is None


def test_a_rotated_image_is_trained_on_upright(tmp_path):
    image, _ = disc("red", 3)
    exif = Image.Exif()
    exif[0x0112] = 3
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    image.save(tmp_path / "a" / "plain.png")
    image.rotate(180).save(tmp_path / "b" / "rotated.png", exif=exif)
    pixels = verify_images(read_dataset(tmp_path).samples, Preprocessing(height=64, width=64), workers=1).pixels
    assert torch.equal(pixels[0], pixels[1])
