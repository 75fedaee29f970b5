import numpy as np
import pytest

from weakspot.data import Preprocessing
from weakspot.inference.backends.onnx import OnnxBackend
from weakspot.inference.multi_crop import CROP_SCALE, Crop, crop_box, cropped, multi_crop
from weakspot.ops import heatmap_from_class_map

PHOTO = np.zeros((CROP_SCALE * 32, CROP_SCALE * 48, 3), np.uint8)
PHOTO[20:36, 40:64] = 200  # in the frame: rows 10 to 18, columns 20 to 32


class Squashing:
    """What zooming needs of a backend."""

    frame = Preprocessing(height=32, width=48)
    resize = OnnxBackend.resize


FRAME = Squashing()


def brightness(crops, classes):
    """A classifier whose map is where it is bright, the same for each class but 1, whose map is constant."""
    maps = np.stack([crop.mean(axis=2) for crop in crops]).astype(np.float32)
    return np.where((classes == 1)[:, None, None], np.ones_like(maps), maps)


def whole_map():
    return brightness([cropped(PHOTO, (0, 0, 48, 32), FRAME)], np.array([0]))[:, None]


@pytest.mark.parametrize(
    ("margin", "box"),
    [
        pytest.param(1.0, (20, 10, 32, 18), id="the region itself"),
        pytest.param(2.0, (14, 6, 38, 22), id="twice as wide and high"),
        pytest.param(9.0, (0, 0, 48, 32), id="never beyond the image"),
    ],
)
def test_a_view_lies_around_the_region(margin, box):
    heatmap = np.zeros((32, 48))
    heatmap[10:18, 20:32] = 1
    assert crop_box(heatmap, Crop(0.5, margin)) == box


def test_a_view_is_not_narrower_than_an_eighth_of_the_image():
    heatmap = np.zeros((64, 64))
    heatmap[31, 31] = 1
    x1, y1, x2, y2 = crop_box(heatmap, Crop(0.5, 1.0))
    assert x2 - x1 >= 8
    assert y2 - y1 >= 8


def test_a_crop_shows_what_the_box_holds_at_the_size_that_the_model_sees():
    crop = cropped(PHOTO, (20, 10, 32, 18), FRAME)
    assert crop.shape == (32, 48, 3)
    assert crop.dtype == np.uint8
    assert (crop == 200).all()


def test_views_are_put_where_they_were_taken_and_averaged_with_the_whole():
    views = [Crop(0.5, 2.0), Crop(0.5, 3.0)]
    found = multi_crop([PHOTO], np.array([[0]]), whole_map(), views, FRAME, brightness)
    expected = heatmap_from_class_map(whole_map()[0, 0], height=32, width=48).astype(np.float64)
    for view in views:
        x1, y1, x2, y2 = (
            crop_box(expected, view)
            if view is views[0]
            else crop_box(heatmap_from_class_map(whole_map()[0, 0], height=32, width=48), view)
        )
        seen = brightness([cropped(PHOTO, (x1, y1, x2, y2), FRAME)], np.array([0]))[0]
        expected[y1:y2, x1:x2] += heatmap_from_class_map(seen, height=y2 - y1, width=x2 - x1)
    np.testing.assert_allclose(found[0, 0], expected / 3, atol=1e-6)


def test_without_views_the_whole_is_left():
    found = multi_crop([PHOTO], np.array([[0]]), whole_map(), [], FRAME, brightness)
    np.testing.assert_allclose(found[0, 0], heatmap_from_class_map(whole_map()[0, 0], height=32, width=48), atol=1e-6)


def test_each_class_has_views_of_its_own_and_none_without_evidence():
    asked = []

    def look(crops, classes):
        asked.extend(classes.tolist())
        return brightness(crops, classes)

    maps = np.concatenate([whole_map(), np.full((1, 1, 32, 48), 2.0)], axis=1)
    found = multi_crop([PHOTO], np.array([[4, 1]]), maps, [Crop(0.5, 1.5)], FRAME, look)
    assert asked == [4]
    assert found.shape == (1, 2, 32, 48)
    assert not found[0, 1].any()


def test_a_batch_is_looked_at_no_more_than_itself_at_once():
    sizes = []

    def look(crops, classes):
        sizes.append(len(crops))
        return brightness(crops, classes)

    multi_crop([PHOTO] * 3, np.zeros((3, 1), int), whole_map().repeat(3, axis=0), [Crop(0.5, 1.5)] * 3, FRAME, look)
    assert sizes == [3, 3, 3]
