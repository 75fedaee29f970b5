from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from weakspot.data import ObjectAnnotation, Sample
from weakspot.training.box_areas import typical_areas


def sample(*objects, size=(50, 100), path=Path("missing.png")):
    return Sample("image", path, objects=tuple(ObjectAnnotation(label, box) for label, box in objects), size=size)


def test_areas_are_fractions_of_the_image():
    samples = [sample(("a", (0, 0, 10, 5)), ("b", (10, 10, 60, 30)))] * 5
    small, large = typical_areas(samples, ["a", "b"])
    assert (small.log_median, large.log_median) == pytest.approx((np.log(0.01), np.log(0.2)))


def test_the_size_of_an_image_is_read_if_it_is_not_annotated(tmp_path):
    Image.new("RGB", (40, 20)).save(tmp_path / "image.png")
    (typical,) = typical_areas([sample(("a", (0, 0, 8, 10)), size=None, path=tmp_path / "image.png")] * 5, ["a"])
    assert typical.log_median == pytest.approx(np.log(0.1))


def test_images_that_cannot_be_read_are_ignored():
    unknown = sample(("a", (0, 0, 8, 10)), size=None)
    assert typical_areas([unknown, *[sample(("a", (0, 0, 10, 5)))] * 5], ["a"])[0].log_median == np.log(0.01)


def test_labels_without_a_box_other_classes_and_empty_boxes_are_ignored():
    ignored = [("a", None), ("other", (0, 0, 50, 50)), ("a", (5, 5, 5, 9)), ("a", (9, 9, 5, 5)), ("a", (0, 0, 5, 0))]
    samples = [sample(*ignored), sample(), sample(("a", None), size=None)]
    assert typical_areas(samples, ["a"]) == ()
    assert typical_areas([*samples, *[sample(("a", (0, 0, 10, 5)))] * 5], ["a"])[0].log_median == np.log(0.01)
