import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weakspot.inference.presence import calibrate_logits
from weakspot.inference.tile_logits import calibrated_image_logits, image_logits
from weakspot.models.model_info import ModelInfo
from weakspot.ops.presence import Presence

LOGITS = arrays(np.float64, (5, 4), elements=st.floats(-50, 50))


def test_with_a_background_class_the_tile_with_an_object_decides():
    tiles = np.array([[9.0, 0.0, 12.0], [1.0, 4.0, 0.0], [8.0, 0.0, 12.0]])
    found = image_logits(tiles, background_index=2)
    assert found.tolist() == [1, 4, 0]  # class 0 is in the second tile, too, but class 1 is clearer there


def test_without_an_object_in_any_tile_the_background_has_the_highest_logit():
    assert image_logits(np.array([[1.0, 0.0, 3.0], [0.0, 2.0, 3.0]]), background_index=2).argmax() == 2


def test_classes_of_a_multi_label_model_are_independent_of_the_background():
    tiles = np.array([[-2.0, 3.0], [1.0, 9.0]])
    assert image_logits(tiles, multi_label=True, background_index=1).tolist() == [1, 9]


@given(LOGITS)
def test_one_tile_keeps_its_probabilities(logits):
    found, one = image_logits(logits[:1], background_index=3), logits[0]
    np.testing.assert_allclose(found - found[3], one - one[3])


@given(LOGITS, st.permutations(range(5)))
def test_the_order_of_tiles_does_not_matter(logits, order):
    for background in (None, 1):
        expected = image_logits(logits, background_index=background)
        np.testing.assert_array_equal(image_logits(logits[list(order)], background_index=background), expected)


PRESENCE = Presence(0.5, 1.0, -6.0, 0.7)


def test_the_class_with_the_highest_peak_is_that_of_the_image():
    """Tile 0 is sure of class 1 by its logits, but the peak of class 2 in tile 1 is higher."""
    logits, peaks = np.array([[0.0, 3.0, 0.0], [0.0, 1.0, 1.0]]), np.array([[0.0, 4.0, 1.0], [0.0, 5.0, 9.0]])
    found = calibrated_image_logits(logits, peaks, 0, PRESENCE)
    assert found.argmax() == 2
    odds = PRESENCE.log_odds(np.log([2 * np.e]), np.array([9.0]))  # of the second tile
    np.testing.assert_allclose(np.logaddexp.reduce(found[1:]) - found[0], odds)


def test_an_image_holds_no_object_if_no_tile_does():
    assert calibrated_image_logits(np.zeros((3, 3)), np.ones((3, 3)), 1, PRESENCE).argmax() == 1


@given(LOGITS, LOGITS, st.permutations(range(5)))
def test_the_order_of_tiles_does_not_matter_for_peaks(logits, peaks, order):
    expected = calibrated_image_logits(logits, peaks, 1, PRESENCE)
    found = calibrated_image_logits(logits[list(order)], peaks[list(order)], 1, PRESENCE)
    np.testing.assert_array_equal(found, expected)


@given(LOGITS, LOGITS)
def test_a_single_tile_and_two_classes_have_the_odds_of_presence(logits, peaks):
    info = ModelInfo(("crack", "none"), background_index=1, presence=PRESENCE)
    expected = calibrate_logits(logits[:1, :2], peaks[:1, 0], info)[0]
    found = calibrated_image_logits(logits[:1, :2], peaks[:1, :2], 1, PRESENCE)
    np.testing.assert_allclose(found[0] - found[1], expected[0] - expected[1], atol=1e-9)
