import os
import struct
import zlib
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import ExifTags, Image, ImageFile
from refusals import refused

from weakspot.data import MAX_PIXELS, read_image
from weakspot.data.decoding import read_downscaled, read_sizes
from weakspot.errors import InputError

ORIENTATION = 0x0112  # the EXIF tag
STORED_AS = {  # EXIF orientation -> how the file holds an upright picture, shape (H, W, ...)
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}
FOUR_CORNERS = np.kron(
    np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8), np.ones((16, 24, 1), np.uint8)
)


def picture(mode, *pixels):
    """Draw a picture of two rows of the pixels."""
    image = Image.new(mode, (len(pixels), 2))
    image.putdata([*pixels, *pixels])
    return image


def palette(*colours, indices):
    image = picture("P", *indices)
    image.putpalette([channel for colour in colours for channel in colour])
    return image


def numbers(*values, dtype):
    return Image.fromarray(np.array([values, values], dtype))


def encoded(image, format_, **options):
    file = BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def smooth_image(width=64, height=48):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def decoded_by_opencv(path):
    return pytest.importorskip("cv2").imread(str(path))[..., ::-1]  # BGR


def bare_png(width, height):
    """A PNG of that size which holds no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


@contextmanager
def unprivileged():
    """Let permissions count, also when the tests run as root."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("orientation", STORED_AS)
def test_convention_exif_orientation_is_applied(orientation, tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / "corners.jpg"
    Image.fromarray(STORED_AS[orientation](FOUR_CORNERS)).save(path, quality=100, subsampling=0, exif=exif)
    with Image.open(path) as opened:
        for upright in (read_image(path), read_image(opened)):
            np.testing.assert_allclose(np.asarray(upright).astype(int), FOUR_CORNERS, atol=3)
    np.testing.assert_allclose(np.asarray(read_image(path)).astype(int), decoded_by_opencv(path), atol=3)


BLACK, GREY, WHITE, RED = (0, 0, 0), (100, 100, 100), (255, 255, 255), (255, 0, 0)
CONVERTED = [
    pytest.param(picture("L", 0, 100), "PNG", {}, [BLACK, GREY], id="grey"),
    pytest.param(picture("1", 0, 255), "PNG", {}, [BLACK, WHITE], id="1 bit"),
    pytest.param(palette(RED, GREY, indices=(0, 1)), "PNG", {}, [RED, GREY], id="palette"),
    pytest.param(
        palette(RED, GREY, indices=(0, 1)), "PNG", {"transparency": 0}, [WHITE, GREY], id="transparent palette colour"
    ),
    pytest.param(
        palette(BLACK, GREY, indices=(0, 1)),
        "PNG",
        {"transparency": bytes([51, 255])},
        [(204, 204, 204), GREY],
        id="half transparent palette colour",
    ),
    pytest.param(
        picture("RGBA", (0, 0, 0, 0), (0, 0, 0, 51), (255, 0, 0, 255)),
        "PNG",
        {},
        [WHITE, (204, 204, 204), RED],
        id="transparency is laid on white",
    ),
    pytest.param(picture("LA", (0, 51), (100, 255)), "PNG", {}, [(204, 204, 204), GREY], id="transparent grey"),
    pytest.param(picture("RGB", RED, GREY), "PNG", {"transparency": RED}, [WHITE, GREY], id="transparent colour"),
    pytest.param(
        numbers(0, 256, 257, 25956, 65535, dtype=np.uint16),
        "PNG",
        {},
        [BLACK, BLACK, (1, 1, 1), GREY, WHITE],
        id="16 bits are divided by 257",
    ),
    pytest.param(numbers(257, 65535, dtype=">u2"), "TIFF", {}, [(1, 1, 1), WHITE], id="16 bits, big end first"),
    pytest.param(
        numbers(-1e6, -5e5, 1e6, dtype=np.float32), "TIFF", {}, [BLACK, (64, 64, 64), WHITE], id="floats are stretched"
    ),
    pytest.param(
        numbers(np.nan, -1.0, np.inf, 1.0, -np.inf, dtype=np.float32),
        "TIFF",
        {},
        [BLACK, BLACK, BLACK, WHITE, BLACK],
        id="NaN and infinities count as the least",
    ),
    pytest.param(numbers(np.nan, np.nan, dtype=np.float32), "TIFF", {}, [BLACK, BLACK], id="all NaN"),
    pytest.param(numbers(7.0, 7.0, dtype=np.float32), "TIFF", {}, [BLACK, BLACK], id="constant floats"),
    pytest.param(numbers(-(2**30), 0, 2**30, dtype=np.int32), "TIFF", {}, [BLACK, (128,) * 3, WHITE], id="32 bits"),
    pytest.param(picture("CMYK", (0, 255, 255, 0), (0, 0, 0, 0)), "TIFF", {}, [RED, WHITE], id="CMYK"),
]


@pytest.mark.parametrize(("image", "format_", "options", "expected"), CONVERTED)
def test_every_kind_of_pixel_becomes_8_bit_rgb(image, format_, options, expected, tmp_path):
    path = tmp_path / "image"
    path.write_bytes(encoded(image, format_, **options))
    converted = read_image(path)
    assert converted.mode == "RGB"
    assert np.asarray(converted).tolist() == np.array([expected, expected]).tolist()


def test_cmyk_jpeg_is_not_inverted(tmp_path):
    path = tmp_path / "print.jpg"
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path, quality=100)
    np.testing.assert_allclose(np.asarray(read_image(path)).astype(int), np.full((16, 16, 3), RED), atol=3)


def test_first_frame_of_an_animation_is_taken(tmp_path):
    path = tmp_path / "moving.gif"
    Image.new("RGB", (4, 4), RED).save(path, save_all=True, append_images=[Image.new("RGB", (4, 4), GREY)])
    assert read_image(path).getcolors() == [(16, RED)]


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_decoded_image_equals_opencv(format_, tmp_path):
    path = tmp_path / "photo"
    smooth_image().save(path, format_)
    np.testing.assert_allclose(np.asarray(read_image(path)).astype(int), decoded_by_opencv(path), atol=1)


@pytest.mark.parametrize("as_given", [str, lambda path: path], ids=["text", "Path"])
def test_path_may_be_text_and_its_suffix_may_lie(as_given, tmp_path):
    path = tmp_path / "photo.txt"
    path.write_bytes(encoded(smooth_image(), "PNG"))
    assert read_image(as_given(path)) == smooth_image()


def test_pil_image_is_converted_and_left_as_it_was():
    given_image = palette(RED, GREY, indices=(0, 1))
    assert np.asarray(read_image(given_image)).tolist() == [[list(RED), list(GREY)]] * 2
    assert given_image == palette(RED, GREY, indices=(0, 1))


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=2), elements=st.integers(0, 255)))
def test_grey_array_becomes_three_equal_channels(pixels):
    for array in (pixels, pixels[..., None], pixels.T.copy().T):
        assert np.array_equal(np.asarray(read_image(array)), np.stack([pixels] * 3, axis=-1))


@given(arrays(np.uint8, st.tuples(st.integers(2, 9), st.integers(2, 9), st.sampled_from([3, 4]))))
def test_colour_array_keeps_its_opaque_colours(pixels):
    pixels[..., 3:] = 255
    assert np.array_equal(np.asarray(read_image(pixels)), pixels[..., :3])


def truncated(format_):
    return encoded(smooth_image(), format_)[:-600]


FORMATS = "Give a JPEG, PNG, WebP, TIFF, BMP or GIF."
UNUSABLE = [
    pytest.param(b"", "image-empty", id="empty"),
    pytest.param(b"not an image, a letter", "image-invalid", id="text"),
    pytest.param(truncated("JPEG"), "damaged-image", id="truncated JPEG"),
    pytest.param(truncated("PNG"), "damaged-image", id="truncated PNG"),
    pytest.param(truncated("WEBP"), "damaged-image", id="truncated WebP"),
    pytest.param(encoded(smooth_image(1, 1), "PNG"), "image-too-small", id="1 x 1"),
    pytest.param(encoded(smooth_image(9, 1), "PNG"), "image-too-small", id="9 x 1"),
]


@pytest.mark.parametrize(("content", "code"), UNUSABLE)
def test_unusable_file_is_refused(content, code, tmp_path):
    path = tmp_path / "image.jpg"
    path.write_bytes(content)
    with refused(code, path):
        read_image(path)


def test_missing_file_is_refused(tmp_path):
    with refused("image-not-found", tmp_path / "gone.jpg"):
        read_image(tmp_path / "gone.jpg")


def test_folder_is_refused(tmp_path):
    with refused("image-unreadable", tmp_path):
        read_image(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_unreadable_file_is_refused(tmp_path, monkeypatch):
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)  # whose parents are closed to others
    smooth_image().save("closed.png")
    (tmp_path / "closed.png").chmod(0)
    with unprivileged(), refused("image-unreadable", "closed.png"):
        read_image("closed.png")


@pytest.mark.parametrize(("width", "height"), [(20000, 20000), (10000, 10000), (9460, 9460)])
def test_decompression_bomb_is_refused_before_it_is_decoded(width, height, tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    path.write_bytes(bare_png(width, height))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("it was decoded"))
    with refused("image-too-large", path, f"{width} x {height}"):
        read_image(path)


@pytest.mark.parametrize(
    ("source", "name"), [(np.zeros((4, 5), np.uint8), "The array"), (Image.new("L", (5, 4)), "The image")]
)
def test_limit_of_pixels_is_inclusive(source, name):
    assert read_image(source, max_pixels=20).size == (5, 4)
    with refused("image-too-large", name, "5 x 4"):
        read_image(source, max_pixels=19)


@pytest.mark.parametrize(
    ("array", "code"),
    [
        pytest.param(np.zeros((4, 5)), "image-invalid", id="float"),
        pytest.param(np.zeros((4, 5), bool), "image-invalid", id="bool"),
        pytest.param(np.zeros((4, 5, 2), np.uint8), "image-invalid", id="2 channels"),
        pytest.param(np.zeros((3, 4, 5), np.uint8), "image-invalid", id="channels first"),
        pytest.param(np.zeros(4, np.uint8), "image-invalid", id="1-D"),
        pytest.param(np.zeros((2, 4, 5, 3), np.uint8), "image-invalid", id="a batch"),
        pytest.param(np.zeros((0, 5, 3), np.uint8), "image-too-small", id="no rows"),
    ],
)
def test_invalid_array_is_refused(array, code):
    with refused(code, array.shape):
        read_image(array)


def test_array_of_one_column_is_refused():
    with refused("image-too-small", "1 x 5"):
        read_image(np.zeros((5, 1), np.uint8))


SOUND = [encoded(smooth_image(16, 12), name) for name in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")]
FLAWS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=5)


@pytest.mark.filterwarnings("ignore")  # Pillow tells of what it skips
@given(st.sampled_from(SOUND), FLAWS, st.integers(0, 2000))
@settings(deadline=None, max_examples=200)
def test_damaged_file_is_decoded_or_refused_never_a_traceback(tmp_path_factory, sound, flaws, length):
    path = tmp_path_factory.getbasetemp() / "damaged"
    content = bytearray(sound)
    for place, value in flaws:
        content[place % len(content)] = value
    path.write_bytes(content[:length])
    with suppress(InputError):
        assert read_image(path).mode == "RGB"


@pytest.mark.parametrize("greatest", [100, 25, 29, 50, 4095])
def test_greatest_float_becomes_255(greatest):
    image = Image.fromarray(np.array([[0, greatest], [0, 0]], np.float32))
    assert np.asarray(read_image(image)).max() == 255


def test_file_in_a_closed_folder_is_refused(tmp_path, monkeypatch):
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    Path("closed").mkdir()
    Image.new("RGB", (4, 4)).save("closed/photo.png")
    Path("closed").chmod(0)
    with unprivileged(), refused("image-unreadable", "closed/photo.png"):
        read_image("closed/photo.png")


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b"], ids=["endless", "zero byte"])
def test_impossible_name_is_refused(name):
    with refused("image-unreadable"):
        read_image(name)


def test_folder_of_a_path_that_is_a_file_is_no_damage(tmp_path):
    (tmp_path / "file").touch()
    with refused("image-unreadable", tmp_path / "file" / "a.jpg"):
        read_image(tmp_path / "file" / "a.jpg")


def test_truncated_pil_image_is_refused(tmp_path):
    Image.effect_noise((200, 200), 50).save(tmp_path / "photo.jpg")
    (tmp_path / "photo.jpg").write_bytes((tmp_path / "photo.jpg").read_bytes()[:2000])
    with Image.open(tmp_path / "photo.jpg") as image, pytest.raises(InputError):
        read_image(image)


@pytest.mark.parametrize("format_", ["AVIF", "DDS"])
def test_damaged_file_of_other_formats_is_refused(format_, tmp_path):
    path = tmp_path / "photo"
    Image.effect_noise((64, 64), 50).convert("RGB").save(path, format_)
    content = bytearray(path.read_bytes())
    start = content.rfind(b"mdat") + 4 if format_ == "AVIF" else 80
    content[start : start + 4] = bytes(4)  # the first of the coded pixels; the flags of the pixel format
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_image(path)


def test_limit_of_pixels_can_be_raised_without_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # as 20000 x 20000 is to Pillow's own limit
    Image.new("RGB", (100, 100), "red").save(tmp_path / "large.png")
    assert read_image(tmp_path / "large.png", max_pixels=10_000).size == (100, 100)


def test_image_above_the_default_limit_is_refused_without_a_warning(tmp_path):
    path = tmp_path / "large.bmp"
    header = bytearray(b"BM" + bytes(52))
    header[10], header[14], header[26], header[28] = 54, 40, 1, 24
    header[18:26] = (10000).to_bytes(4, "little") * 2  # between MAX_PIXELS and twice that
    path.write_bytes(header)
    with refused("image-too-large", f"{MAX_PIXELS:,}"):
        read_image(path)


def test_image_that_is_postscript_never_starts_ghostscript(tmp_path, monkeypatch):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n")
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_, **__: pytest.fail("it was run"))
    with pytest.raises(InputError):
        read_image(path)


def jpeg(path, size, *, orientation=None):
    """An image of smooth colours with a bright square."""
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    pixels = np.stack([rows * 120 // size[1], columns * 120 // size[0], 0 * rows], axis=-1).astype(np.uint8)
    pixels[size[1] // 4 : size[1] // 2, size[0] // 4 : size[0] // 2] = 230
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(pixels).save(path, quality=95, exif=exif)
    return path


@pytest.mark.parametrize(
    ("size", "scaled"),
    [
        pytest.param((800, 600), (100, 75), id="an eighth"),
        pytest.param((801, 603), (101, 76), id="an eighth, rounded up"),
        pytest.param((300, 200), (75, 50), id="a quarter"),
        pytest.param((99, 99), (99, 99), id="less than twice as long stays"),
    ],
)
def test_a_large_jpeg_is_decoded_at_a_fraction_with_sides_that_stay_twice_as_long(size, scaled, tmp_path):
    image, original = read_downscaled(jpeg(tmp_path / "a.jpg", size), height=20, width=25)
    assert image.size == scaled
    assert min(image.size) >= 2 * 25
    assert original == (size[1], size[0])
    whole = read_image(tmp_path / "a.jpg").resize((25, 20), Image.Resampling.BICUBIC)
    small = image.resize((25, 20), Image.Resampling.BICUBIC)
    assert np.abs(np.asarray(small, int) - np.asarray(whole, int)).mean() < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sizes_are_those_of_the_upright_image(orientation, tmp_path):
    file = jpeg(tmp_path / "a.jpg", (640, 320), orientation=orientation)
    image, (height, width) = read_downscaled(file, height=40, width=40)
    assert (width, height) == read_image(file).size
    assert image.size == (width // 4, height // 4)


def test_what_is_no_jpeg_file_is_decoded_whole_and_what_a_user_holds_is_left_alone(tmp_path):
    pixels = np.zeros((300, 400, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert read_downscaled(tmp_path / "a.png", height=10, width=10)[0].size == (400, 300)
    with Image.open(jpeg(tmp_path / "a.jpg", (400, 300))) as held:
        image, size = read_downscaled(held, height=10, width=10)
        assert (image.size, size, held.size) == ((400, 300), (300, 400), (400, 300))


def test_images_over_the_limit_are_refused_at_their_own_size(tmp_path):
    with refused("image-too-large", "400 x 300", "100,000"):
        read_downscaled(jpeg(tmp_path / "a.jpg", (400, 300)), height=10, width=10, max_pixels=100_000)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
@pytest.mark.parametrize("exif", [b"Exif\x00\x00garbage", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"\x00"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_data_are_ignored(kind, exif, tmp_path):
    path = tmp_path / f"a.{kind.lower()}"
    smooth_image(16, 12).save(path, kind, exif=exif)
    assert read_image(path).size == (16, 12)
    assert read_sizes(path) == ((12, 16), (12, 16))
    assert read_downscaled(path, height=5, width=5)[1] == (12, 16)


def test_the_orientation_is_applied_if_another_tag_is_damaged(tmp_path):
    """A number of fractions cannot be the name of a maker: Pillow cannot write it."""
    entries = struct.pack("<HHII", 0x010F, 11, 1, 0) + struct.pack("<HHIHH", ORIENTATION, 3, 1, 6, 0)
    exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00" + struct.pack("<H", 2) + entries + bytes(4)
    smooth_image(16, 12).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").size == (12, 16)
    assert read_sizes(tmp_path / "a.jpg") == ((12, 16), (16, 12))


def deep(tmp_path, values, dtype=np.uint16):
    """Decode values as 16 bits."""
    path = tmp_path / "a.tif"
    Image.fromarray(np.array([values, values], dtype)).save(path)
    return np.asarray(read_image(path))[0, :, 0].tolist()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("hot", [[], [65535], [65535, 0], [0]], ids=["none", "hot", "hot and dead", "dead"])
def test_hot_and_dead_pixels_do_not_darken_the_others(hot, dtype, tmp_path):
    values = np.linspace(20_000, 24_095, 64, dtype=dtype).repeat(64)
    values[100 : 100 + len(hot)] = hot
    Image.fromarray(values.reshape(64, 64)).save(tmp_path / "a.tif")
    levels = np.asarray(read_image(tmp_path / "a.tif"))[..., 0].ravel()
    assert levels[[0, -1]].tolist() == [0, 255]
    assert abs(int(levels[2048]) - 128) <= 2
    assert set(levels[100 : 100 + len(hot)]) <= {0, 255}


def png_of_16_bits(colors):
    """Encode colors of 16 bits, shape (H, W, 3 or 4), which Pillow cannot write."""
    height, width, channels = colors.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colors)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        pytest.param(4095, [0, 255], id="twelve bits"),
        pytest.param(65535, [0, 255], id="sixteen bits"),
        pytest.param(20000, [0, 78], id="more than a quarter"),
    ],
)
@pytest.mark.parametrize("channels", [3, 4])
def test_colors_of_16_bits_of_a_narrow_range_are_rescaled(most, expected, channels):
    colors = np.zeros((40, 40, channels), np.uint16)
    colors[:, 20:, :3] = most
    colors[..., 3:] = 65535
    if most < 65535:
        colors[0, 39, :3] = 65535  # a hot pixel
    levels = np.asarray(read_image(png_of_16_bits(colors)))
    assert levels[5, [5, 35], 0].tolist() == expected


def test_a_bright_object_of_a_dark_16_bit_image_is_not_a_hot_pixel(tmp_path):
    values = np.zeros((64, 64), np.uint16)
    values[10:20, 10:20] = 65535
    values[30, 30] = 30_000
    Image.fromarray(values).save(tmp_path / "a.png")
    levels = np.asarray(read_image(tmp_path / "a.png"))[..., 0]
    assert (levels[15, 15], levels[30, 30], levels[0, 0]) == (255, 116, 0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([51241, 51712, 52181], [0, 128, 255], id="a thermal camera"),
        pytest.param([0, 341, 1023], [0, 85, 255], id="ten bits"),
        pytest.param([0, 16383], [0, 255], id="fourteen bits"),
        pytest.param([0, 16384], [0, 63], id="a quarter of the range is divided by 257"),
        pytest.param([0, 65535], [0, 255], id="the whole range"),
        pytest.param([25700, 25700], [100, 100], id="one value"),
    ],
)
def test_16_bits_of_a_narrow_range_are_rescaled_as_floats_are(values, expected, tmp_path):
    assert deep(tmp_path, values) == expected
    if 0 < values[-1] - values[0] < 16384:
        assert deep(tmp_path, values, np.float32) == expected


def heic(tmp_path, start=b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"):
    path = tmp_path / "a.heic"
    path.write_bytes(start + bytes(100))
    return path


def test_heic_names_the_package_that_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr("weakspot.data.heif.is_installed", lambda: False)
    with refused("not-installed", tmp_path / "a.heic", "weakspot[heic]"):
        read_image(heic(tmp_path))


def test_heic_is_read_if_its_package_is_installed(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # HEIC stores turns elsewhere
    smooth_image(16, 12).save(tmp_path / "a.heic", exif=exif)
    assert read_image(tmp_path / "a.heic").size == (16, 12)
    assert read_sizes(tmp_path / "a.heic") == ((12, 16), (12, 16))
    with refused("damaged-image", tmp_path / "b.heic"):
        read_image(heic(tmp_path).rename(tmp_path / "b.heic"))
