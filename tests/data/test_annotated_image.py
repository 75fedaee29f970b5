import numpy as np
import pytest
from PIL import Image
from refusals import refused
from trees import ORIENTATION, turned

from weakspot.data import read_as_annotated, read_image
from weakspot.data.decoding import read_sizes

STORED, UPRIGHT = (30, 40), (40, 30)


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        pytest.param(None, STORED, id="no size: stored pixels"),
        pytest.param(STORED, STORED, id="size of the stored pixels"),
        pytest.param(UPRIGHT, UPRIGHT, id="size of the upright image"),
        pytest.param((99, 99), STORED, id="size of neither"),
    ],
)
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_convention_boxes_are_in_stored_pixels_unless_the_annotated_size_is_the_upright_one(
    tmp_path, orientation, size, shape
):
    turned(tmp_path / "a.jpg", 40, 30, orientation)
    image = read_as_annotated(tmp_path / "a.jpg", size)
    assert np.asarray(image).shape == (*shape, 3)
    assert image.mode == "RGB"


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_pixels_are_those_stored_or_those_upright(tmp_path, suffix):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[:15] = 255
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path, exif=exif, quality=100)
    stored, upright = (np.asarray(read_as_annotated(path, size)).astype(int) for size in (STORED, UPRIGHT))
    np.testing.assert_allclose(stored, pixels, atol=8)
    np.testing.assert_allclose(upright, np.rot90(pixels, -1), atol=8)
    np.testing.assert_array_equal(upright, np.asarray(read_image(path)))


@pytest.mark.parametrize(("width", "height", "orientation"), [(40, 30, 3), (40, 30, 1), (30, 30, 6)])
def test_turn_that_keeps_the_size_is_left_out(tmp_path, width, height, orientation):
    turned(tmp_path / "a.png", width, height, orientation)
    with Image.open(tmp_path / "a.png") as stored:
        image = read_as_annotated(tmp_path / "a.png", (height, width))
        np.testing.assert_array_equal(np.asarray(image), np.asarray(stored))


def test_sizes_are_read_without_decoding(tmp_path):
    turned(tmp_path / "a.jpg", 40, 30)
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: content.index(b"\xff\xda") + 14])  # the pixels begin there
    assert read_sizes(tmp_path / "a.jpg") == (STORED, UPRIGHT)
    with refused("damaged-image", tmp_path / "a.jpg"):
        read_as_annotated(tmp_path / "a.jpg", None)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sizes_are_those_of_what_is_read(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    turned(path, 40, 30)
    stored, upright = read_sizes(path)
    assert np.asarray(read_image(path, upright=False)).shape[:2] == stored
    assert np.asarray(read_image(path)).shape[:2] == upright


def test_png_without_exif_is_not_decoded_for_its_size(tmp_path):
    Image.effect_noise((300, 200), 50).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:2000])
    assert read_sizes(tmp_path / "a.png") == ((200, 300), (200, 300))


@pytest.mark.parametrize(
    ("content", "code"), [(None, "image-not-found"), (b"", "image-empty"), (b"text", "image-invalid")]
)
def test_file_that_is_no_image_is_refused(tmp_path, content, code):
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with refused(code, path):
        read_as_annotated(path, None)


def test_limit_of_pixels_holds(tmp_path):
    turned(tmp_path / "a.jpg", 40, 30)
    with refused("image-too-large", "1,199"):
        read_as_annotated(tmp_path / "a.jpg", None, max_pixels=1199)
