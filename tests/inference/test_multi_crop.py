import numpy as np
import pytest

from weakspot.data import Preprocessing
from weakspot.inference.backends import ClassifierOutput
from weakspot.inference.backends.onnx import OnnxBackend
from weakspot.inference.multi_crop import CROP_SCALE, Predictor, crop_box, crop_image, multi_crop
from weakspot.inference.quality import Crop, Quality
from weakspot.ops import heatmap_from_class_map

IMAGE = np.zeros((CROP_SCALE * 32, CROP_SCALE * 48, 3), np.uint8)
IMAGE[20:36, 40:64] = 200  # at the model's input size: rows 10 to 18, columns 20 to 32


class Brightness:
    """A backend whose class map is the brightness, the same for each class but 1, whose map is constant."""

    preprocessing = Preprocessing(height=32, width=48)
    resize = OnnxBackend.resize

    def __init__(self):
        self.batches = []

    def run(self, images, _methods, selection):
        classes = selection.rows(len(images))
        self.batches.append(classes[:, 0].tolist())
        maps = np.stack([image.mean(axis=2) for image in images]).astype(np.float32)[:, None]
        maps = np.where((classes == 1)[..., None, None], np.ones_like(maps), maps)
        return [ClassifierOutput(np.zeros((len(images), 5)), classes, maps, maps, np.zeros(len(images), bool))]


def predictor(*crops):
    return Predictor(Brightness(), Quality(propagate=True, crops=crops), crop_threshold=0.5)


def brightness_of(box):
    return crop_image(IMAGE, box, Brightness()).mean(axis=2).astype(np.float32)


WHOLE_MAP = brightness_of((0, 0, 48, 32))[None, None]


def averaged(crops, images=(IMAGE,), classes=((0,),), maps=WHOLE_MAP):
    output = ClassifierOutput(np.zeros((len(images), 5)), np.array(classes), maps, maps, np.zeros(len(images), bool))
    one = predictor(*crops)
    return multi_crop(one, images, "cam", output), one.backend.batches


@pytest.mark.parametrize(
    ("margin", "box"),
    [
        pytest.param(1.0, (20, 10, 32, 18), id="the region itself"),
        pytest.param(2.0, (14, 6, 38, 22), id="twice as wide and high"),
        pytest.param(9.0, (0, 0, 48, 32), id="never beyond the image"),
    ],
)
def test_a_crop_surrounds_the_region(margin, box):
    heatmap = np.zeros((32, 48))
    heatmap[10:18, 20:32] = 1
    assert crop_box(heatmap, 0.5, margin) == box


def test_a_crop_is_not_narrower_than_an_eighth_of_the_image():
    heatmap = np.zeros((64, 64))
    heatmap[31, 31] = 1
    x1, y1, x2, y2 = crop_box(heatmap, 0.5, 1.0)
    assert x2 - x1 >= 8
    assert y2 - y1 >= 8


def test_a_crop_has_the_model_input_size():
    crop = crop_image(IMAGE, (20, 10, 32, 18), Brightness())
    assert crop.shape == (32, 48, 3)
    assert crop.dtype == np.uint8
    assert (crop == 200).all()


def test_a_crop_surrounds_the_region_of_most_evidence():
    heatmap, evidence = np.zeros((32, 48)), np.zeros((32, 48), np.int32)
    heatmap[10:18, 20:32] = heatmap[2:6, 2:6] = 1
    evidence[2:6, 2:6] = 1
    assert crop_box(heatmap, 0.5, 1.0, evidence) == (1, 2, 7, 6)  # at least an eighth of the image wide


def test_crops_are_averaged_with_the_whole_image_at_their_position():
    maps, _ = averaged([Crop(1.0, 2.0), Crop(1.0, 3.0)])
    heatmap = heatmap_from_class_map(WHOLE_MAP[0, 0], height=32, width=48)
    expected = heatmap.astype(np.float64)
    for margin in (2.0, 3.0):
        x1, y1, x2, y2 = crop_box(heatmap, 0.5, margin)
        detail = heatmap_from_class_map(brightness_of((x1, y1, x2, y2)), height=y2 - y1, width=x2 - x1)
        expected[y1:y2, x1:x2] += detail
    np.testing.assert_allclose(maps[0, 0], expected / 3, atol=1e-6)


def test_without_crops_the_heatmap_of_the_whole_image_remains():
    maps, _ = averaged([])
    np.testing.assert_allclose(maps[0, 0], heatmap_from_class_map(WHOLE_MAP[0, 0], height=32, width=48), atol=1e-6)


def test_each_class_has_its_own_crops_and_none_without_evidence():
    both = np.concatenate([WHOLE_MAP, np.full((1, 1, 32, 48), 2.0)], axis=1)
    maps, batches = averaged([Crop(1.0, 1.5)], classes=[[4, 1]], maps=both)
    assert batches == [[4]]
    assert maps.shape == (1, 2, 32, 48)
    assert not maps[0, 1].any()


def test_crops_are_run_in_batches_of_the_size_of_the_first():
    _, batches = averaged([Crop(1.0, 1.5)] * 3, [IMAGE] * 3, np.zeros((3, 1), int), WHOLE_MAP.repeat(3, axis=0))
    assert [len(batch) for batch in batches] == [3, 3, 3]
