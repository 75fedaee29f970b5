import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from weakspot.data import Annotation
from weakspot.errors import InputError
from weakspot.evaluation.targets import SIDE, SIZES, make_target, reference_mask, resize_to_square


def drawn(path, *boxes, height=40, width=60):
    pixels = np.zeros((height, width), np.uint8)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = 255
    Image.fromarray(pixels).save(path)
    return path


def truth(*boxes, **others):
    return Annotation("cat", boxes=np.array(boxes, np.float64).reshape(-1, 4), **others)


def test_boxes_are_scaled_for_localizing_and_truncated_for_the_reference():
    one = make_target(truth((10, 20, 33.5, 77), (0, 0, 100, 90)), height=90, width=100)
    np.testing.assert_allclose(
        one.boxes, [[22.4, 20 * 224 / 90, 33.5 * 2.24, 77 * 224 / 90], [0, 0, 224, 224]], rtol=1e-12
    )
    assert one.reference_boxes.tolist() == [[22, 49, 75, 191], [0, 0, 224, 224]]
    assert one.mask is None


@pytest.mark.parametrize(
    ("side", "size"),
    [
        pytest.param(31.99, "small", id="below the first limit"),
        pytest.param(32, "medium", id="on it"),
        pytest.param(95.99, "medium", id="below the second"),
        pytest.param(96, "large", id="on it, too"),
    ],
)
def test_the_largest_box_in_the_224_frame_says_the_size(side, size):
    one = make_target(truth((0, 0, 4, 4), (10, 10, 10 + side, 10 + side)), height=SIDE, width=SIDE)
    assert SIZES[one.size] == size


def test_size_is_about_the_224_frame_not_the_image():
    assert SIZES[make_target(truth((0, 0, 100, 100)), height=2240, width=2240).size] == "small"
    assert SIZES[make_target(truth((0, 0, 10, 10)), height=14, width=14).size] == "large"


def test_a_truth_without_boxes_takes_its_size_from_the_mask(tmp_path):
    one = make_target(truth(masks=(drawn(tmp_path / "m.png", (0, 0, 10, 5)),)), height=40, width=60)
    assert len(one.boxes) == len(one.reference_boxes) == 0
    assert np.count_nonzero(one.mask == 1) == pytest.approx(224 * 224 * 50 / 2400, rel=0.1)
    assert SIZES[one.size] == "medium"


def test_masks_are_united_and_the_foreground_is_never_ignored(tmp_path):
    """Convention of the reference: 1 where any mask is, 255 where only the ignore region is, else 0."""
    masks = drawn(tmp_path / "a.png", (0, 0, 20, 20)), drawn(tmp_path / "b.png", (30, 20, 50, 40))
    ignore = drawn(tmp_path / "i.png", (10, 10, 40, 30))
    found = reference_mask(masks, ignore)
    assert found.shape == (SIDE, SIDE)
    assert found.dtype == np.uint8

    def nearest(path):
        return cv2.resize(cv2.imread(str(path), 0), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) > 0

    foreground = nearest(masks[0]) | nearest(masks[1])
    expected = np.where(foreground, 1, np.where(nearest(ignore), 255, 0))
    assert np.array_equal(found, expected)
    assert {*np.unique(found)} == {0, 1, 255}


def test_masks_of_different_sizes_are_united_in_the_224_frame(tmp_path):
    masks = drawn(tmp_path / "a.png", (0, 0, 30, 40)), drawn(tmp_path / "b.png", (60, 0, 120, 80), height=80, width=120)
    assert reference_mask(masks, None).min() == 1


@given(height=st.integers(1, 500), width=st.integers(1, 500), seed=st.integers(0, 9), side=st.sampled_from([7, SIDE]))
def test_masks_are_resized_as_opencv_resizes_to_the_nearest(height, width, seed, side):
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    expected = cv2.resize(mask.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(resize_to_square(mask, side), expected > 0)


def test_a_mask_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png"):
        make_target(truth((0, 0, 1, 1), masks=(tmp_path / "gone.png",)), height=40, width=60)
