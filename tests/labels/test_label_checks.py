import math

import numpy as np
import pytest
from label_sets import labeled
from refusals import refused

from weakspot.data import ObjectAnnotation
from weakspot.data.image_index import ImageIndex, known_images
from weakspot.data.polygons import mask_box
from weakspot.data.rle import decode_rle, encode_rle
from weakspot.labels.label_checks import check_classes, drop_invalid, drop_missing


def image(*boxes, path="a.jpg", label="cat", **more):
    return labeled(path, 100, 50, [ObjectAnnotation(label, box) for box in boxes], **more)


@pytest.mark.parametrize(
    ("box", "said", "kept"),
    [
        pytest.param((1, 2, 3, 4), None, (1, 2, 3, 4), id="whole"),
        pytest.param((-0.004, 0, 100.004, 50), None, (0, 0, 100, 50), id="a rounding error is no problem"),
        pytest.param((-9, 0, 9, 60), "partly outside 100 x 50: clipped", (0, 0, 9, 50), id="clipped"),
        pytest.param((100, 0, 110, 9), "outside 100 x 50: skipped", None, id="outside"),
        pytest.param((5, 5, 5, 9), "no area", None, id="empty"),
        pytest.param((0.3, 0.2, 0.7, 1), "fractions", None, id="fractions"),
        pytest.param((9, 5, 5, 9), "no area", None, id="swapped"),
        pytest.param((math.nan, 5, 5, 9), "not finite", None, id="not a number"),
    ],
)
def test_boxes_are_kept_clipped_or_left_out_and_listed(box, said, kept):
    (found,), problems = drop_invalid([image(box)], ["cat"])
    assert [one.box for one in found.objects] == ([] if kept is None else [kept])
    assert len(problems) == (said is not None)
    assert said is None or said in problems[0].problem


def test_an_unknown_class_is_listed():
    (found,), problems = drop_invalid([image((1, 2, 3, 4))], ["dog"])
    assert found.objects == ()
    assert problems == (("a.jpg", "cat 1,2,3,4 is of an unknown class: skipped"),)


@pytest.mark.parametrize("path", ["../a.jpg", "/etc/a.jpg", "b/../../a.jpg", "a\n.jpg", "a\\b.jpg", ".a.jpg", " a.jpg"])
def test_names_that_leave_the_folder_or_cannot_be_written_are_left_out(path):
    found, problems = drop_invalid([image(path=path)], [])
    assert found == ()
    assert problems[0].image == path


def test_an_image_that_is_named_twice_is_taken_once():
    found, problems = drop_invalid([image(), image((1, 1, 2, 2))], ["cat"])
    assert found == (image(),)
    assert problems[0].problem == "duplicate image: skipped"


def test_splits_have_the_names_that_detectors_know_and_never_lead_out_of_the_folder():
    images = [image(path=f"{i}.jpg", split=split) for i, split in enumerate(["valid", "Training", "../../x"])]
    found, problems = drop_invalid(images, [])
    assert [one.split for one in found] == ["val", "train", ""]
    assert [one.image for one in problems] == ["2.jpg"]


def test_images_that_are_missing_or_of_another_size_are_listed():
    images = known_images({"a.jpg": (50, 100), "b.jpg": (100, 50)})
    found, problems = drop_missing([image(), image(path="b.jpg"), image(path="../a.jpg")], images)
    assert found == (image(),)
    assert [one.problem for one in problems] == [
        "its labels are for 100 x 50 pixels, it has 50 x 100: skipped",
        "the image does not exist: skipped",
    ]


def test_an_unknown_class_of_an_image_without_boxes_is_listed():
    sample = labeled("a.jpg", 100, 50, [ObjectAnnotation("cat"), ObjectAnnotation("dog")])
    (found,), problems = drop_invalid([sample], ["cat"])
    assert found.objects == (ObjectAnnotation("cat"),)
    assert problems == (("a.jpg", "dog is of an unknown class: skipped"),)


def test_labels_of_stored_pixels_are_converted_to_the_upright_image():
    """Stored with 100 x 50 pixels, and rotated clockwise to be upright."""
    mask = np.zeros((50, 100), bool)
    mask[10:30, 20:60] = True
    item = ObjectAnnotation("cat", (20.0, 10.0, 60.0, 30.0), mask=encode_rle(mask))
    index = ImageIndex({"a": ("a.jpg",)}, lambda _: (100, 50), lambda _: 6)
    (found,), problems = drop_missing([labeled("a.jpg", 100, 50, [item])], index)
    assert problems == ()
    assert found.size == (100, 50)
    assert found.objects[0].box == (20.0, 20.0, 40.0, 60.0)
    assert mask_box(decode_rle(found.objects[0].mask)) == found.objects[0].box


@pytest.mark.parametrize("orientation", [1, 3])
def test_labels_of_another_size_are_listed_unless_the_image_is_rotated(orientation):
    index = ImageIndex({"a": ("a.jpg",)}, lambda _: (100, 50), lambda _: orientation)
    found, problems = drop_missing([labeled("a.jpg", 100, 50)], index)
    assert (found, len(problems)) == ((), 1)


@pytest.mark.parametrize("names", [[""], ["a\nb"], [" a"], ["a\uffff"], ["a", "b", "a"]])
def test_names_of_classes_that_no_file_can_hold_are_refused(names):
    with refused("class-names-invalid"):
        check_classes(names)
