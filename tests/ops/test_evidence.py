import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from weakspot.ops.evidence import competition_margins, evidence_in_box, evidence_per_pixel, keep_claimed, uncontested

CLASS_MAPS = arrays(
    np.float64, array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=4), elements=st.integers(-5, 5)
)


def test_evidence_is_the_positive_part_as_a_share_of_all():
    evidence = evidence_per_pixel(np.array([[3.0, -9.0], [0.0, 1.0]]), height=2, width=2)
    assert evidence.tolist() == [[3 * 2**28, 0], [0, 2**28]]


def test_evidence_is_spread_bilinearly():
    evidence = evidence_per_pixel(np.array([[0.0, 1.0]]), height=1, width=4)
    assert (evidence / 2**30).tolist() == [[0.0, 0.125, 0.375, 0.5]]


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_a_map_without_positive_or_finite_values_has_no_evidence(value):
    with np.errstate(invalid="ignore"):
        assert not evidence_per_pixel(np.full((2, 3), value), height=4, width=5).any()


@given(arrays(np.float64, (3, 3), elements=st.floats(-10, 10)), st.floats(1e-3, 1e3))
def test_evidence_is_a_share_whatever_the_unit(class_map, factor):
    one = evidence_per_pixel(class_map, height=7, width=5)
    other = evidence_per_pixel(class_map * factor, height=7, width=5)
    assert abs(one - other).max() <= 1 + 2**30 * 1e-9
    if class_map.max() > 1e-9:
        assert one.sum(dtype=np.int64) == pytest.approx(2**30, abs=35)


def test_a_margin_is_the_distance_to_the_highest_other_map():
    margins = competition_margins(np.array([[[5.0, 1.0, 2.0]], [[3.0, 4.0, 2.0]], [[1.0, 2.0, 0.0]]]))
    assert margins.tolist() == [[[2.0, -3.0, 0.0]], [[-2.0, 2.0, 0.0]], [[-4.0, -2.0, -2.0]]]


@given(CLASS_MAPS)
def test_each_place_is_claimed_by_the_classes_with_the_highest_map(class_maps):
    margins = competition_margins(class_maps)
    for i, margin in enumerate(margins):
        others = np.delete(class_maps, i, axis=0).max(axis=0)
        assert np.array_equal(margin, class_maps[i] - others)
        assert np.array_equal(margin >= 0, class_maps[i] == class_maps.max(axis=0))


def test_what_another_class_claims_is_cut_and_the_rest_normalized():
    heatmap = np.array([[1.0, 0.5, 0.25, 0.0]], np.float32)
    claimed = keep_claimed(heatmap, np.array([[-2.0, 1.0, 0.0, 1.0]]))
    assert claimed.dtype == np.float32
    assert claimed.tolist() == [[0.0, 1.0, 0.5, 0.0]]


def test_the_border_between_two_classes_is_where_their_maps_are_equal():
    claimed = keep_claimed(np.ones((1, 6)), np.array([[2.0, -1.0]]))  # equal at two thirds of the way
    assert claimed.tolist() == [[1.0, 1.0, 1.0, 1.0, 0.0, 0.0]] or claimed.tolist() == [[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]]


def test_a_heatmap_that_others_claim_entirely_is_unchanged():
    heatmap = np.array([[0.5, 1.0]])
    assert keep_claimed(heatmap, np.array([[-1.0, -1.0]])) is heatmap


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        ((20, 0, 40, 10), [[0, 0, 1, 1]]),
        ((0, 0, 40, 10), [[1, 1, 1, 1]]),
        ((11, 0, 12, 1), [[0, 1, 0, 0]]),  # thinner than a pixel of the heatmap
        ((39, 9, 40, 10), [[0, 0, 0, 1]]),
    ],
)
def test_evidence_in_a_box_has_at_least_one_pixel(box, inside):
    assert evidence_in_box(np.array(box, float), (10, 40), (1, 4)).tolist() == inside


@given(CLASS_MAPS)
def test_uncontested_evidence_is_that_of_the_class_where_it_is_highest(maps):
    found = uncontested(maps[0], maps[1:])
    kept = np.maximum(np.where(maps[0] >= maps[1:].max(axis=0), maps[0], 0), 0)
    if kept.sum() >= 0.1 * np.maximum(maps[0], 0).sum():
        assert np.maximum(found, 0).tolist() == kept.tolist()
    else:
        assert found is maps[0] or found.tolist() == maps[0].tolist()


def test_a_class_without_rivals_keeps_all_evidence():
    class_map = np.array([[3.0, -1.0]])
    assert uncontested(class_map, np.zeros((0, 1, 2))).tolist() == [[3.0, -1.0]]


@pytest.mark.parametrize(("other", "expected"), [(5.0, [[1.0, 0.0]]), (11.0, [[1.0, 5.0]])], ids=["a sixth", "nothing"])
def test_a_class_that_would_keep_less_than_a_tenth_keeps_all(other, expected):
    first = 0.5 if other < 10 else other
    assert uncontested(np.array([[1.0, 5.0]]), np.array([[[first, other + 1]]])).tolist() == expected
