import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weakspot.labels.instance_masks import split_mask


def test_a_small_part_within_a_large_box_goes_to_its_own_box():
    mask = np.zeros((20, 20), bool)
    mask[:, :3] = mask[:3] = True
    mask[10:14, 10:14] = True
    large, small = split_mask(mask, np.array([[0, 0, 20, 20], [9, 9, 15, 15]]))
    assert small.sum() == 16
    assert ((large | small) == mask).all()
    assert not (large & small).any()


def test_boxes_that_were_split_share_what_is_one_part():
    """Two halves of one bar, and a spot of its own."""
    mask = np.zeros((20, 40), bool)
    mask[5:10, 2:30] = True
    mask[15:18, 33:38] = True
    left, right, spot = split_mask(mask, np.array([[2, 5, 12, 10], [12, 5, 30, 10], [33, 15, 38, 18]]))
    assert [part.sum() for part in (left, right, spot)] == [50, 90, 15]
    assert left[5:10, 2:12].all()
    assert right[5:10, 12:30].all()
    assert spot[15:18, 33:38].all()


@given(
    arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))),
    st.lists(st.tuples(*[st.integers(0, 9)] * 4), min_size=1, max_size=4),
)
def test_parts_add_up_to_the_whole_and_never_overlap(mask, corners):
    boxes = np.array([[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d in corners], float)
    shares = np.array(split_mask(mask, boxes))
    assert (shares.sum(axis=0) == mask).all()
