import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weakspot.inference.tile_logits import image_logits

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
