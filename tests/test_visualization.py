import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import colormaps
from PIL import Image, ImageColor

from weakspot.visualization import BOX_COLOR, contact_sheet, draw_boxes, draw_localization, load_font, overlay_heatmap

IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 200, (60, 80, 3), np.uint8))
WHITE = Image.new("RGB", (440, 500), "white")
BOX = np.array([[10.0, 20.0, 30.0, 50.0]])
LINE = ImageColor.getrgb(BOX_COLOR)


def changed(output, original=IMAGE):
    """Where a output differs from the image, shape (H, W)."""
    return (np.asarray(output) != np.asarray(original)).any(axis=-1)


def colored(output, color):
    """Where a output has one color, shape (H, W)."""
    return (np.asarray(output) == ImageColor.getrgb(color)).all(axis=-1)


def extent(marked):
    """Bound what is marked: [x1, y1, x2, y2], right and bottom excluded."""
    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_convention_outline_covers_the_half_open_box():
    output = draw_boxes(IMAGE, BOX)
    corners = [(10, 20), (29, 20), (10, 49), (29, 49)]
    assert [output.getpixel(corner) for corner in corners] == [LINE] * 4
    assert extent(changed(output)) == [10, 20, 30, 50]


def test_pixels_off_the_outline_are_unchanged():
    inside = np.zeros((60, 80), bool)
    inside[22:48, 12:28] = True  # the line is 2 wide
    assert not changed(draw_boxes(IMAGE, BOX))[inside].any()


@pytest.mark.parametrize(("side", "line"), [(100, 2), (600, 5), (1200, 10)])
def test_line_grows_with_the_image(side, line):
    white = Image.new("RGB", (side, 2 * side), "white")
    marked = changed(draw_boxes(white, np.array([[0, 0, side, side]])), white)
    assert marked[side // 2].sum() == 2 * line


def test_box_of_the_whole_image_is_drawn_inside_it():
    assert extent(changed(draw_boxes(IMAGE, np.array([[0, 0, 80, 60]])))) == [0, 0, 80, 60]


def test_every_box_is_outlined():
    output = draw_boxes(IMAGE, np.array([[0, 0, 10, 10], [40, 30, 60, 50]]))
    assert [output.getpixel(place) for place in [(9, 9), (40, 30)]] == [LINE, LINE]


@given(st.integers(0, 70), st.integers(0, 50), st.integers(4, 80), st.integers(4, 60))
@settings(deadline=None)
def test_outline_bounds_any_box_of_whole_pixels(x, y, width, height):
    box = [x, y, min(80, x + width), min(60, y + height)]
    assert extent(changed(draw_boxes(IMAGE, np.array([box])))) == box


def test_no_box_and_no_caption_leave_a_copy():
    output = draw_boxes(IMAGE, np.zeros((0, 4)))
    assert output == IMAGE
    assert output is not IMAGE


def test_caption_has_a_margin_on_all_sides_of_its_letters():
    captioned = draw_boxes(WHITE, np.array([[-90, -90, -80, -80]]), "HEH")
    ground = changed(captioned, WHITE)
    letters = ground & ~colored(captioned, BOX_COLOR)
    margins = np.abs(np.subtract(extent(letters), extent(ground)))
    np.testing.assert_allclose(margins, [6, 5, 7, 6], atol=1)  # a quarter of the font's size, 440 / 22; H has its own


@pytest.mark.parametrize(
    "corner", [(0, 0), (439, 499), (-90, -90), (100, 200)], ids=["top left", "bottom right", "outside", "middle"]
)
def test_caption_is_inside_the_image(corner):
    captioned = draw_boxes(WHITE, np.array([[*corner, *corner]]), "HEH")
    left, top, right, bottom = extent(colored(captioned, "#101418"))
    assert [right - left, bottom - top] == pytest.approx([40, 15], abs=2)  # whole, not cut
    assert [left, top] == pytest.approx(np.clip(corner, 0, [440 - 53, 500 - 25]) + 5, abs=2)


def test_caption_stands_on_the_first_box():
    boxes = np.array([[30, 20, 79, 59], [0, 0, 20, 20]])
    captioned = changed(draw_boxes(IMAGE, boxes, "cat"), draw_boxes(IMAGE, boxes))
    assert extent(captioned)[:2] == [32, 22]  # its ground has the color of the line, which is 2 wide


@pytest.mark.parametrize("word", ["кошка", "γάτα", "höhle"])
def test_caption_has_the_letters_of_its_alphabet(word):
    glyphs = {bytes(load_font(20).getmask(letter)) for letter in word}
    assert len(glyphs) == len(set(word))
    assert bytes(load_font(20).getmask("\U0010ffff")) not in glyphs  # the box of a letter that the font lacks


def test_different_captions_are_drawn_differently():
    assert changed(draw_boxes(IMAGE, BOX, "кот"), draw_boxes(IMAGE, BOX, "дом")).any()


def test_zero_heatmap_leaves_the_image_unchanged():
    assert overlay_heatmap(IMAGE, np.zeros((7, 7))) == IMAGE


@pytest.mark.parametrize("value", [0.01, 0.25, 1.0, 7.0, -7.0])
def test_overlay_blends_turbo_by_the_root_of_the_activation(value):
    heat = np.clip(value, 0, 1)
    opacity = 0.6 * np.sqrt(heat)
    expected = (1 - opacity) * np.asarray(IMAGE) + opacity * 255 * np.array(colormaps["turbo"](heat)[:3])
    blended = np.asarray(overlay_heatmap(IMAGE, np.array([[value]])))
    np.testing.assert_allclose(blended.astype(float), expected, atol=3)


def test_opacity_of_1_hides_the_image_at_the_maximum():
    turbo = overlay_heatmap(IMAGE, np.ones((2, 2)), opacity=1.0)
    assert turbo.getcolors() == [(80 * 60, tuple(colormaps["turbo"](255, bytes=True)[:3]))]


def test_convention_heatmap_rows_and_columns_are_those_of_the_image():
    right_half = np.array([[0.0, 0.0, 0.0, 1.0]])
    assert extent(changed(overlay_heatmap(IMAGE, right_half))) == [50, 0, 80, 60]


def test_localization_is_the_heatmap_below_the_boxes():
    heatmap = np.linspace(0, 1, 12).reshape(3, 4)
    output = draw_localization(IMAGE, heatmap, BOX, "cat")
    assert output == draw_boxes(overlay_heatmap(IMAGE, heatmap), BOX, "cat")
    assert output.size == IMAGE.size


def test_contact_sheet_is_a_table_of_pictures_below_titles():
    red, tall = Image.new("RGB", (40, 20), "red"), Image.new("RGB", (10, 20), "blue")
    sheet = contact_sheet([[red, tall], [red, red]], ["left", "right"], width=100)
    assert sheet.size == (8 + 2 * (100 + 8), 34 + (200 + 8) + (50 + 8))
    marked = {color: colored(sheet, color) for color in ("red", "blue")}
    assert extent(marked["blue"]) == [116, 34, 216, 234]
    assert extent(marked["red"]) == [8, 34, 216, 292]
    assert marked["red"].sum() == 3 * 100 * 50
    ink = (np.asarray(sheet)[:34] < 60).all(axis=-1)
    assert extent(ink[:, :108])[0] == pytest.approx(8, abs=2)
    assert extent(ink[:, 108:])[0] == pytest.approx(8, abs=2)


@pytest.mark.parametrize(
    ("rows", "titles", "size"),
    [
        pytest.param([], ["a", "b"], (8 + 2 * 58, 34), id="no rows"),
        pytest.param([[Image.new("RGB", (5000, 1))]], ["a"], (8 + 58, 34 + 9), id="a flat output keeps one pixel"),
    ],
)
def test_size_of_a_contact_sheet(rows, titles, size):
    assert contact_sheet(rows, titles, width=50).size == size


def test_pictures_of_a_contact_sheet_are_300_wide_by_default():
    assert contact_sheet([[IMAGE]], ["a"]).size == (8 + 308, 34 + 225 + 8)


def test_font_is_loaded_once_a_size():
    assert load_font(12) is load_font(12)
    assert load_font(13).size == 13


@pytest.mark.parametrize("side", [2, 3, 5, 8])
def test_outline_of_a_small_box_is_inside_it(side):
    white = Image.new("RGB", (600, 600), "white")
    marked = np.argwhere((np.asarray(draw_boxes(white, np.array([[50, 50, 50 + side, 50 + side]]))) < 255).any(axis=-1))
    assert (marked.min(), marked.max()) == (50, 49 + side)


def test_caption_without_a_box_is_drawn():
    draw_boxes(Image.new("RGB", (40, 30)), np.zeros((0, 4)), "nothing")


@pytest.mark.parametrize(("top", "is_above"), [(60, True), (0, False)])
def test_a_caption_does_not_hide_a_small_box(top, is_above):
    white = Image.new("RGB", (200, 150), "white")
    box = np.array([[80, top, 90, top + 10]])
    caption = changed(draw_boxes(white, box, "HEH"), draw_boxes(white, box))
    rows = np.flatnonzero(caption.any(axis=1))
    assert not caption[top : top + 10, 80:90].any()
    assert (rows[-1] < top) == is_above
