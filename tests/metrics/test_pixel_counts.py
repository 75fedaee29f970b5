import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from reference_loop import histograms, pixel_average_precision
from refusals import refused
from sklearn.metrics import average_precision_score, jaccard_score

from weakspot.metrics import average_precision, mask_overlaps, pixel_counts
from weakspot.metrics.pixel_counts import check_mask, precision_and_recall
from weakspot.ops import boxes_from_heatmap
from weakspot.ops.boxes import absolute_threshold

INTERVALS = [0.001, 0.01, 0.05, 0.1, 0.3, 1 / 3, 1 / 7, 1 / 49, 0.7, 1.0]
SCORES = st.one_of(
    st.floats(0, 1),
    st.integers(0, 1000).map(lambda k: k * 0.001),  # exactly on the edges, as arange rounds them
    st.integers(0, 1000).map(lambda k: k / 1000),  # beside them, now and then
    st.integers(0, 10).map(lambda k: k * 0.3).filter(lambda score: score <= 1),
    st.integers(0, 49).map(lambda k: min(1.0, np.nextafter(k / 49, 0))),
)
SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=9)
KINDS = st.sampled_from([0, 1, 255])
QUARTERS = np.array([0.25, 0.5, 0.75, 1.0])


@st.composite
def scored_masks(draw, elements=SCORES, kinds=KINDS):
    shape = draw(SHAPES)
    return draw(arrays(np.float64, shape, elements=elements)), draw(arrays(np.uint8, shape, elements=kinds))


def test_pixels_are_counted_by_score_foreground_first():
    scores = np.array([[0.0, 0.24, 0.25], [0.5, 0.99, 1.0]])
    mask = np.array([[0, 0, 1], [1, 255, 1]], np.uint8)
    assert pixel_counts(scores, mask, 0.25).tolist() == [
        [0, 1, 1, 0, 1, 0],  # [0, .25) [.25, .5) [.5, .75) [.75, 1) [1, 2) [2, 3)
        [2, 0, 0, 0, 0, 0],
    ]


def test_convention_bins_include_their_left_edge():
    edges = np.arange(0, 1, 0.001)
    counts = pixel_counts(edges[None], np.ones((1, 1000), np.uint8))
    assert counts[0].tolist() == [1] * 1000 + [0, 0]
    below = np.nextafter(edges[1:], 0)[None]
    assert pixel_counts(below, np.ones((1, 999), np.uint8))[0].tolist() == [1] * 999 + [0, 0, 0]


def test_convention_a_score_of_1_has_its_own_bin():
    """The highest bins are [1, 2) and [2, 3): the last one is empty, so that the curve begins at recall 0."""
    for interval in INTERVALS:
        counts = pixel_counts(np.array([[1.0, np.nextafter(1.0, 0)]]), np.ones((1, 2), np.uint8), interval)
        assert counts[0, -3:].tolist() == [1, 1, 0]


def test_ignored_pixels_are_not_counted():
    counts = pixel_counts(np.full((2, 2), 0.5), np.full((2, 2), 255, np.uint8))
    assert counts.shape == (2, 1002)
    assert not counts.any()


@pytest.mark.parametrize("pixels", [1, 2, 3, 4, 5, 7, 9])
def test_every_pixel_is_counted_for_any_number_of_pixels(pixels):
    counts = pixel_counts(np.linspace(0, 1, pixels)[None], np.zeros((1, pixels), np.uint8), 0.5)
    assert counts.sum() == pixels


@pytest.mark.parametrize(
    ("score_map", "mask", "code", "value"),
    [
        pytest.param([[0.5, np.nan]], [[0, 1]], "not-finite", "NaN", id="NaN"),
        pytest.param([[0.5, -0.5]], [[0, 1]], "out-of-range", "-0.5 to 0.5", id="negative"),
        pytest.param([[0.5, 2.0]], [[0, 255]], "out-of-range", "0.5 to 2", id="above 1, even where ignored"),
        pytest.param([[0.5, 0.5]], [[0], [1]], "shape-mismatch", (2, 1), id="shape"),
        pytest.param([[0.5, 0.5]], [[0, 2]], "mask-invalid", [0, 2], id="value"),
        pytest.param([[0.5, 0.5]], [[0, 254]], "mask-invalid", [0, 254], id="almost ignored"),
    ],
)
def test_unusable_maps_and_masks_are_refused(score_map, mask, code, value):
    with refused(code, value):
        pixel_counts(np.array(score_map), np.array(mask, np.uint8))


@pytest.mark.parametrize("interval", [0, -0.1, 1.01, np.nan])
def test_an_interval_out_of_range_is_refused(interval):
    with refused("out-of-range", interval):
        pixel_counts(np.zeros((1, 1)), np.zeros((1, 1), np.uint8), interval)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("value", [-0.001, 1.001, np.nan, np.inf])
def test_one_value_out_of_range_is_refused_at_any_position(value, place):
    scores = np.full((1, 3), 0.5)
    scores[0, place] = value
    with refused("not-finite" if np.isnan(value) else "out-of-range"):
        pixel_counts(scores, np.ones((1, 3), np.uint8))
    mask = np.ones((1, 3), np.uint8)
    mask[0, place] = 2
    with refused("mask-invalid"):
        pixel_counts(np.full((1, 3), 0.5), mask)


@pytest.mark.parametrize("dtype", [np.bool_, np.int64, np.float64])
def test_masks_of_other_types_are_refused(dtype):
    mask = np.ones((1, 1), dtype)
    for refuse in (
        lambda: pixel_counts(np.ones((1, 1)), mask),
        lambda: mask_overlaps(np.ones((1, 1)), mask, QUARTERS),
        lambda: check_mask(mask, (1, 1)),
    ):
        with refused("dtype-mismatch", mask.dtype):
            refuse()


def test_all_foreground_above_all_background_is_100_percent():
    assert average_precision(np.array([[0, 0, 5, 0], [9, 1, 0, 0]])) == 100.0


def test_average_precision_of_a_curve_by_hand():
    """From the top: 1 right (P 1, R .25), 1 wrong, 2 right (P .75, R .75), 1 right and 5 wrong (P .4, R 1)."""
    counts = np.array([[1, 2, 0, 1, 0], [5, 0, 1, 0, 0]])
    assert average_precision(counts) == pytest.approx(100 * (0.25 + 0.5 * 0.75 + 0.25 * 0.4), abs=1e-12)
    precision, recall = precision_and_recall(counts)
    assert recall.tolist() == [0, 0.25, 0.25, 0.75, 1]
    np.testing.assert_allclose(precision, [np.nan, 1, 0.5, 0.75, 0.4])


def test_without_foreground_there_is_no_average_precision():
    assert np.isnan(average_precision(np.array([[0, 0, 0], [3, 1, 0]])))


def test_average_precision_of_many_is_that_of_each():
    counts = np.random.default_rng(0).integers(0, 5, (3, 2, 2, 12))
    found = average_precision(counts)
    assert found.shape == (3, 2)
    assert found.tolist() == [[average_precision(one).item() for one in row] for row in counts]


@given(scored_masks(), st.sampled_from(INTERVALS))
def test_pixel_counts_equal_numpys_histogram(scored, interval):
    scores, mask = scored
    expected = np.stack(histograms(scores, mask, interval))
    assert pixel_counts(scores, mask, interval).tolist() == expected.tolist()


@pytest.mark.parametrize("interval", INTERVALS)
def test_pixel_counts_equal_numpys_histogram_on_and_next_to_every_edge(interval):
    edges = np.arange(0, 1, interval)
    beside = np.concatenate([edges, np.nextafter(edges, 1), np.nextafter(edges[1:], 0), [1.0]])
    mask = np.arange(len(beside)) % 2
    expected = np.stack(histograms(beside, mask, interval))
    assert pixel_counts(beside[None], mask[None].astype(np.uint8), interval).tolist() == expected.tolist()


def test_bins_may_be_too_many_for_two_bytes():
    scores, mask = np.array([[0.0, 0.3, 0.9, 1.0]]), np.array([[0, 1, 1, 0]], np.uint8)
    counts = pixel_counts(scores, mask, 1 / 40_000)
    assert counts.tolist() == np.stack(histograms(scores, mask, 1 / 40_000)).tolist()
    assert counts.shape[1] > 40_000


@given(arrays(np.float32, SHAPES, elements=st.floats(0, 1, width=32)))
def test_single_precision_is_counted_as_double(scores):
    mask = np.ones(scores.shape, np.uint8)
    assert pixel_counts(scores, mask).tolist() == pixel_counts(scores.astype(np.float64), mask).tolist()


@given(arrays(np.int64, (2, 9), elements=st.integers(0, 3)))
def test_average_precision_equals_a_loop(counts):
    counts[0, 0] += 1  # some foreground
    counts[:, -1] = 0
    assert average_precision(counts) == pytest.approx(pixel_average_precision(*counts), abs=1e-12)


@given(
    st.lists(st.tuples(st.integers(0, 999), st.booleans()), min_size=1, max_size=30, unique_by=lambda pixel: pixel[0])
)
def test_average_precision_equals_scikit_learns_where_no_bin_has_two_scores(pixels):
    bins, kinds = np.array([(0, True), *pixels]).T
    counts = pixel_counts(((bins + 0.5) * 0.001)[None], kinds[None].astype(np.uint8))
    # The added foreground pixel may share its bin: give both the same score, which is a tie for scikit-learn as well.
    expected = 100 * average_precision_score(kinds, bins)
    assert average_precision(counts) == pytest.approx(expected, abs=1e-9)


@given(scored_masks(), st.randoms(use_true_random=False))
def test_order_of_pixels_does_not_matter(scored, random):
    scores, mask = scored
    order = list(range(scores.size))
    random.shuffle(order)
    shuffled = pixel_counts(scores.ravel()[order][None], mask.ravel()[order][None])
    assert shuffled.tolist() == pixel_counts(scores, mask).tolist()


def test_convention_mask_overlap_is_at_or_above_a_fraction_of_the_peak():
    heatmap = np.array([[8.0, 4.0, 3.9, 0.0]])
    mask = np.array([[1, 1, 0, 0]], np.uint8)
    assert mask_overlaps(heatmap, mask, np.array([0.4, 0.5, 0.51])).tolist() == [2 / 3, 1.0, 0.5]


def test_ignored_pixels_are_neither_right_nor_wrong():
    heatmap = np.array([[1.0, 1.0, 1.0, 0.0]])
    assert mask_overlaps(heatmap, np.array([[1, 255, 0, 1]], np.uint8), np.array([0.5])).tolist() == [1 / 3]


def test_everything_is_foreground_if_no_value_is_above_0():
    mask = np.array([[1, 0, 0, 0]], np.uint8)
    for value in (0.0, -3.0):
        assert mask_overlaps(np.full((1, 4), value), mask, QUARTERS).tolist() == [0.25] * 4
    assert boxes_from_heatmap(np.zeros((1, 4)), 0.5).tolist() == [[0, 0, 4, 1]]  # as the box


def test_everything_is_foreground_if_all_values_are_at_most_0():
    mask = np.array([[1, 1, 0]], np.uint8)
    assert mask_overlaps(np.array([[-1.0, 0.0, 0.0]]), mask, np.array([0.5])).tolist() == [2 / 3]


def test_a_mask_without_foreground_has_no_overlap():
    assert np.isnan(mask_overlaps(np.ones((1, 2)), np.array([[0, 255]], np.uint8), QUARTERS)).all()


def test_mask_of_another_shape_is_refused():
    with refused("shape-mismatch", (1, 2), (2, 1)):
        mask_overlaps(np.ones((2, 1)), np.ones((1, 2), np.uint8), QUARTERS)


@given(scored_masks(st.integers(-1, 4).map(float)), st.sampled_from([np.float32, np.float64]))
def test_mask_overlaps_equal_scikit_learns_at_every_threshold(scored, dtype):
    heatmap, mask = scored[0].astype(dtype), scored[1]
    mask.flat[0] = 1
    known = mask != 255
    foregrounds = [
        heatmap >= absolute_threshold(heatmap, t) if heatmap.max() > 0 else np.isfinite(heatmap) for t in QUARTERS
    ]
    expected = [jaccard_score(mask[known] == 1, foreground[known]) for foreground in foregrounds]
    np.testing.assert_allclose(mask_overlaps(heatmap, mask, QUARTERS), expected, rtol=1e-15)
