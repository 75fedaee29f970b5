import numpy as np
import pytest
import torch
from small_runs import disc, write_discs

from weakspot.data import Preprocessing, read_dataset
from weakspot.training.dataset import ImageDataset, verify_images, with_crop_margin

FRAME = Preprocessing(height=56, width=56)


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return read_dataset(write_discs(tmp_path_factory.mktemp("photos"), {"": 6})).samples


def targets(examples):
    return np.eye(2, dtype=np.float32)[np.arange(len(examples)) % 2]


def photos(examples, frame=FRAME, seed=0):
    return ImageDataset(
        verify_images(examples, with_crop_margin(frame), workers=2),
        targets(examples),
        with_crop_margin(frame),
        frame,
        seed,
    )


def test_the_same_key_gives_the_same_pixels_in_any_order(examples):
    first, second = photos(examples), photos(examples)
    keys = [(epoch, i) for epoch in range(3) for i in range(6)]
    found = {key: first[key] for key in keys}
    for key in reversed(keys):
        pixels, target = second[key]
        assert torch.equal(pixels, found[key][0])
        assert torch.equal(target, found[key][1])


@pytest.mark.parametrize("other", [{"key": (1, 0)}, {"key": (0, 0), "seed": 1}])
def test_another_epoch_or_seed_gives_other_pixels(examples, other):
    key = other.pop("key")
    assert not torch.equal(photos(examples)[0, 0][0], photos(examples, **other)[key][0])


def test_crops_lie_in_the_image_and_every_other_one_is_flipped(examples):
    whole = verify_images(examples, with_crop_margin(FRAME), workers=1).pixels[2]
    assert whole.shape == (3, 64, 64)
    windows = {
        crop.numpy().tobytes(): (top, left, flipped)
        for top in range(9)
        for left in range(9)
        for flipped in (False, True)
        for crop in [whole[:, top : top + 56, left : left + 56].flip([2] if flipped else [])]
    }
    one = photos(examples)
    found = [windows[one[epoch, 2][0].numpy().tobytes()] for epoch in range(300)]
    tops, lefts, flips = np.array(found).T
    assert set(tops) == set(lefts) == set(range(9))
    assert 0.4 < flips.mean() < 0.6


def test_images_of_the_frame_are_neither_cropped_nor_flipped(examples):
    looked = verify_images(examples, FRAME, workers=1)
    given = ImageDataset(looked, targets(examples), FRAME, FRAME)
    for i in range(6):
        assert torch.equal(given[4, i][0], looked.pixels[i])


def test_kept_pixels_are_those_that_are_decoded_again(examples, monkeypatch):
    kept = photos(examples)
    monkeypatch.setattr("weakspot.training.dataset._KEPT_BYTES", 0)
    decoded = photos(examples)
    assert (kept.in_memory, decoded.in_memory) == (True, False)
    for i in range(6):
        assert torch.equal(kept[5, i][0], decoded[5, i][0])


def test_looking_through_tells_what_can_be_read_in_its_order(examples, tmp_path):
    root = write_discs(tmp_path, {"": 6})
    damaged = sorted((root / "blue").iterdir())[1]
    damaged.write_bytes(b"no image")
    all_of_them = read_dataset(root).samples
    looked = verify_images(all_of_them, FRAME, workers=2)
    assert [one.example.path for one in looked.unreadable] == [damaged]
    assert looked.readable == tuple(one for one in all_of_them if one.path != damaged)
    assert len(looked.pixels) == 5
    assert looked.unreadable[0].error.__cause__ is None


def test_an_image_that_is_turned_is_trained_on_upright(tmp_path):
    from PIL import Image

    image, _ = disc("red", 3)
    exif = Image.Exif()
    exif[0x0112] = 3
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    image.save(tmp_path / "a" / "plain.png")
    image.rotate(180).save(tmp_path / "b" / "turned.png", exif=exif)
    pixels = verify_images(read_dataset(tmp_path).samples, Preprocessing(height=64, width=64), workers=1).pixels
    assert torch.equal(pixels[0], pixels[1])
