from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from weakspot.errors import InputError
from weakspot.ops import mask_from_heatmap
from weakspot.report import ReportItem
from weakspot.report.content import Threshold
from weakspot.report.thumbnails import heatmap_uri, make_thumbnails, mask_png, thumbnail


def opened(uri):
    return Image.open(BytesIO(b64decode(uri.partition(",")[2])))


def item(image, **more):
    return ReportItem(name="a", image=Path(image), label="cat", **more)


@pytest.fixture
def halves(tmp_path):
    """A image of 400 x 200 whose left half is red."""
    pixels = np.zeros((200, 400, 3), np.uint8)
    pixels[:, :200, 0] = 255
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95)
    return tmp_path / "a.jpg"


def test_a_thumbnail_keeps_proportions_and_what_is_in_it(halves):
    small = Image.open(BytesIO(thumbnail(halves, 100)))
    assert small.size == (100, 50)
    left, right = np.asarray(small)[:, :40, 0], np.asarray(small)[:, 60:, 0]
    assert left.min() > 240
    assert right.max() < 15


def test_a_small_image_is_not_enlarged(halves):
    assert Image.open(BytesIO(thumbnail(halves, 1000))).size == (400, 200)


def test_a_turned_image_is_upright_unless_boxes_count_in_stored_pixels(halves, tmp_path):
    image, exif = Image.open(halves), Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    found = make_thumbnails(item(tmp_path / "turned.jpg", frame=(400, 200)), 100)
    assert opened(found.image).size == (50, 100)
    stored = make_thumbnails(item(tmp_path / "turned.jpg", upright=False), 100)
    assert (opened(stored.image).size, stored.frame) == ((100, 50), (200, 400))
    annotated_upright = make_thumbnails(item(tmp_path / "turned.jpg", upright=False, frame=(400, 200)), 100)
    assert opened(annotated_upright.image).size == (50, 100)


def test_a_missing_or_damaged_image_is_told_and_the_rest_stays(halves, tmp_path):
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(tmp_path / "heat.png")
    found = make_thumbnails(item(tmp_path / "none.jpg", heatmap=tmp_path / "heat.png", frame=(3, 4)), 64)
    assert (found.image, found.frame) == ("", (3, 4))
    assert "none.jpg" in found.problem
    assert np.asarray(opened(found.overlay)).min() > 250
    (tmp_path / "cut.jpg").write_bytes(halves.read_bytes()[:300])
    assert "cut.jpg" in make_thumbnails(item(tmp_path / "cut.jpg"), 64).problem
    with pytest.raises(InputError, match=r"none\.jpg"):
        thumbnail(tmp_path / "none.jpg", 64)


def test_a_damaged_heatmap_is_left_out(halves, tmp_path):
    (tmp_path / "heat.png").write_bytes(b"no picture")
    found = make_thumbnails(item(halves, heatmap=tmp_path / "heat.png", threshold=Threshold(0.5)), 64)
    assert (found.overlay, found.mask, found.problem) == ("", "", "")


def hill(side):
    y, x = np.mgrid[:side, :side]
    return np.round(200 * np.exp(-((y - side / 2) ** 2 + (x - side / 3) ** 2) / side**1.8)).astype(np.uint8)


@pytest.mark.parametrize(("side", "small"), [(8, 8), (160, 160), (288, 144), (320, 160), (384, 128)])
def test_a_smooth_heatmap_is_reduced_by_a_whole_number(side, small):
    found = opened(heatmap_uri(Image.fromarray(hill(side))))
    assert (found.format, found.size) == ("JPEG", (small, small))
    restored = np.asarray(found.resize((side, side), Image.Resampling.BILINEAR), float)
    assert np.abs(restored - hill(side) * (255 / hill(side).max())).max() <= 11


def test_a_heatmap_with_edges_is_kept_whole():
    pixels = np.where(np.tri(200, 300, dtype=bool), 51, 0).astype(np.uint8)
    found = opened(heatmap_uri(Image.fromarray(pixels)))
    assert found.format == "PNG"
    assert (np.asarray(found) == 5 * pixels).all(), "its peak is 255"


def test_an_empty_heatmap_stays_empty():
    assert np.asarray(opened(heatmap_uri(Image.new("L", (300, 300))))).max() == 0


def test_a_mask_png_is_clear_where_the_mask_is_not():
    mask = np.array([[True, False], [False, True], [True, True]])
    read = np.asarray(Image.open(BytesIO(mask_png(mask))).convert("RGBA"))
    assert (read[..., 3] > 0).tolist() == mask.tolist()
    assert read[0, 0].tolist() == [0, 229, 160, 140]


def test_the_mask_of_a_saved_heatmap_is_that_of_localizing(halves, tmp_path):
    y, x = np.mgrid[:32, :32]
    heatmap = np.exp(-((y - 20) ** 2 + (x - 10) ** 2) / 50)
    grey = (heatmap * 255).round().astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "heat.png")
    one = item(halves, heatmap=tmp_path / "heat.png", threshold=Threshold(0.4), frame=(200, 400))
    mask = np.asarray(opened(make_thumbnails(one, 100).mask).convert("RGBA"))[..., 3] > 0
    assert mask.tolist() == mask_from_heatmap(grey / np.float32(255), 0.4, height=50, width=100).tolist()


def test_a_saved_mask_goes_before_the_heatmap_and_a_heatmap_before_a_plot(halves, tmp_path):
    Image.fromarray(np.ones((20, 40), bool)).save(tmp_path / "mask.png")
    found = make_thumbnails(item(halves, mask=tmp_path / "mask.png", plot=halves), 32)
    assert np.asarray(opened(found.mask).convert("RGBA"))[..., 3].min() == 140
    assert opened(found.overlay).size == (32, 16)
