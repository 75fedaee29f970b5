import os

import numpy as np
import pytest
from PIL import Image
from refusals import refused

from weakspot.data import Sample
from weakspot.serving.review import colors
from weakspot.serving.review.colors import COLORS, SIDE, KnownColors, read_colors


@pytest.fixture
def image(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return Sample("cat/\udcff.png", tmp_path / "a.png")  # bytes of a name that are not UTF-8


@pytest.fixture
def decoded(monkeypatch):
    """The files that were decoded."""
    files, real = [], colors.read_file
    monkeypatch.setattr(colors, "read_file", lambda path, **options: files.append(path) or real(path, **options))
    return files


def test_an_image_is_decoded_once_also_after_a_restart(image, tmp_path, decoded):
    expected = read_colors(image)
    assert expected.shape == (SIDE, SIDE, 3)
    known = KnownColors(tmp_path / COLORS)
    for _ in range(3):
        np.testing.assert_array_equal(known.of(image), expected)
    np.testing.assert_array_equal(KnownColors(tmp_path / COLORS).of(image), expected)
    assert len(decoded) == 2


def test_an_image_whose_file_has_changed_is_decoded_again(image, tmp_path, decoded):
    KnownColors(tmp_path / COLORS).of(image)
    Image.new("RGB", (80, 60), "red").save(image.path)
    assert KnownColors(tmp_path / COLORS).of(image).tolist() == [[[255, 0, 0]] * SIDE] * SIDE
    os.utime(image.path, ns=(5, 5))
    KnownColors(tmp_path / COLORS).of(image)
    assert len(decoded) == 3


def test_an_image_that_cannot_be_decoded_is_tried_again(image, tmp_path):
    known, content = KnownColors(tmp_path / COLORS), image.path.read_bytes()
    image.path.unlink()
    with refused("image-not-found"):
        known.of(image)
    image.path.write_bytes(content)
    assert known.of(image).any()


@pytest.mark.parametrize(
    "damage", [b"", b"text\n", b"[]\n", b'{"key": 1}\n', b'{"key": "a", "colors": "00"}\n', b"\xff\n", b"[" * 10**5]
)
def test_damaged_rows_are_passed_over(image, tmp_path, damage):
    KnownColors(tmp_path / COLORS).of(image)
    row = (tmp_path / COLORS).read_bytes()
    for content in (damage + b"\n" + row, row[:-9], damage):
        (tmp_path / COLORS).write_bytes(content)
        for _ in range(2):
            np.testing.assert_array_equal(KnownColors(tmp_path / COLORS).of(image), read_colors(image))


def test_a_file_that_cannot_be_read_or_written_is_done_without(image, tmp_path):
    (tmp_path / COLORS).mkdir()
    np.testing.assert_array_equal(KnownColors(tmp_path / COLORS).of(image), read_colors(image))
