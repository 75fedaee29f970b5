import numpy as np
import pytest
import torch
from drawings import drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused
from torch.nn.functional import interpolate

from weakspot.ops import box_from_heatmap, boxes_from_heatmap, mask_from_heatmap, scale_boxes

TWO_REGIONS = drawn(  # the smaller one comes first
    "+....",
    "..###",
    "..###",
)


def blob(size, centre, spread):
    """Draw a smooth hill, as a bicubically enlarged class map is, of shape (size, size)."""
    rows, columns = np.mgrid[:size, :size]
    return np.exp(-((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / (2 * spread**2))


def bounds(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def test_mask_at_the_heatmaps_size_is_the_largest_region():
    assert mask_from_heatmap(TWO_REGIONS, 0.5, height=3, width=5).tolist() == (TWO_REGIONS == 1).tolist()


def test_enlarged_mask_follows_the_level_line_between_pixels():
    edge = np.array([[1.0, 0.0]])  # along 8 columns: 1, 1, 7/8, 5/8, 3/8, 1/8, 0, 0
    assert mask_from_heatmap(edge, 3 / 8, height=1, width=8).tolist() == [[True] * 5 + [False] * 3]
    assert mask_from_heatmap(edge, 0.4, height=1, width=8).tolist() == [[True] * 4 + [False] * 4]


def test_convention_mask_is_rows_by_columns():
    mask = mask_from_heatmap(np.array([[1.0, 0.0]]), height=2, width=6)
    assert mask.shape == (2, 6)
    assert mask.dtype == np.bool_
    assert mask[:, 0].all()
    assert not mask[:, -1].any()


def test_convention_threshold_is_inclusive_in_the_mask():
    assert mask_from_heatmap(np.array([[4.0, 2.0, 1.9]]), 0.5, height=1, width=3).tolist() == [[True, True, False]]


def test_threshold_is_a_fifth_of_the_peak_by_default():
    assert mask_from_heatmap(np.array([[10.0, 2.0, 1.9]]), height=1, width=3).tolist() == [[True, True, False]]


def test_outline_is_smooth_however_coarse_the_heatmap():
    ramp = np.add.outer(np.arange(8.0), np.arange(8.0))
    widths = mask_from_heatmap(ramp, 0.5, height=256, width=256).sum(axis=1)
    assert len(set(widths.tolist())) > 200  # 8 if pixels were blocks


@pytest.mark.parametrize(
    ("min_area", "expected"),
    [
        pytest.param(1.0, [True, False], id="the largest alone"),
        pytest.param(0.1, [True, False], id="a small region is blank"),
        pytest.param(0.0, [True, True], id="all regions"),
    ],
)
def test_mask_fills_the_regions_that_have_boxes(min_area, expected):
    mask = mask_from_heatmap(TWO_REGIONS, 0.4, height=30, width=50, min_area=min_area)
    assert [mask[25, 35], mask[4, 4]] == expected
    assert len(boxes_from_heatmap(TWO_REGIONS, 0.4, min_area=min_area)) == sum(expected)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_without_positive_values_the_result_is_the_whole_image(value):
    mask = mask_from_heatmap(np.full((3, 3), value), height=5, width=4)
    assert mask.tolist() == [[True] * 4] * 5


@pytest.mark.parametrize(
    ("heatmap", "options", "code", "value"),
    [
        pytest.param([[1.0]], {"threshold": 0.0}, "out-of-range", 0.0, id="threshold"),
        pytest.param([[1.0]], {"min_area": 2.0}, "out-of-range", 2.0, id="minimum area"),
        pytest.param([1.0], {}, "shape-mismatch", (1,), id="shape"),
    ],
)
def test_unusable_heatmap_or_option_is_refused(heatmap, options, code, value):
    with refused(code, value):
        mask_from_heatmap(np.array(heatmap), height=2, width=2, **options)


@given(
    st.tuples(st.floats(0, 13), st.floats(0, 13)),
    st.floats(1.5, 6),
    st.floats(0.1, 0.7),
    st.tuples(st.integers(14, 90), st.integers(14, 90)),
)
@settings(deadline=None)
def test_mask_agrees_with_its_box_to_within_a_heatmap_pixel(centre, spread, threshold, size):
    heatmap = blob(14, centre, spread)
    mask = mask_from_heatmap(heatmap, threshold, height=size[0], width=size[1])
    box = scale_boxes(boxes_from_heatmap(heatmap, threshold), from_size=(14, 14), to_size=size)[0]
    heatmap_pixel = np.array([size[1], size[0], size[1], size[0]]) / 14
    assert (np.abs(bounds(mask) - box) <= heatmap_pixel).all()


def test_mask_of_one_region_equals_torch_bilinear_and_a_threshold():
    heatmap = blob(14, (4, 8), 3)
    resized = interpolate(torch.from_numpy(heatmap)[None, None], (100, 60), mode="bilinear", align_corners=False)[0, 0]
    expected = (resized >= 0.3 * heatmap.max()).numpy()
    assert np.array_equal(mask_from_heatmap(heatmap, 0.3, height=100, width=60), expected)


@pytest.mark.parametrize("threshold", [0.1, 0.4, 0.7, 0.9])
def test_convention_threshold_is_inclusive_in_single_precision(threshold):
    heatmap = np.array([[1, threshold]], np.float32)
    assert box_from_heatmap(heatmap, threshold).tolist() == [0, 0, 2, 1]
    assert mask_from_heatmap(heatmap, threshold, height=1, width=2).tolist() == [[True, True]]


def test_negative_values_count_as_0_in_the_mask():
    masks = [mask_from_heatmap(np.array([[9.0, low]]), height=1, width=10).tolist() for low in (0.0, -9.0)]
    assert masks[0] == masks[1]


@pytest.mark.parametrize(
    ("threshold", "size"), [pytest.param(0.2, 20, id="image below the heatmap's size"), pytest.param(1.0, 448, id="1")]
)
def test_mask_is_never_empty(threshold, size):
    heatmap = np.zeros((224, 224))
    heatmap[3:5, 3:5] = 1
    heatmap[2, 2] = 2
    assert mask_from_heatmap(heatmap, threshold, height=size, width=size).any()


def test_mask_that_would_be_empty_contains_the_peak_of_the_region():
    heatmap = np.zeros((4, 12))
    heatmap[0, 1] = 1  # hotter, but too small to be kept
    heatmap[2, 8:10] = 0.5
    mask = mask_from_heatmap(heatmap, 0.5, height=2, width=3)
    assert mask.tolist() == [[False, False, False], [False, False, True]]


def test_regions_are_not_split_unless_asked_to():
    touching = np.array([[1.0, 0.6, 0.5, 0.9, 0.9]])
    assert mask_from_heatmap(touching, 0.5, height=1, width=5).all()
    assert mask_from_heatmap(touching, 0.5, height=1, width=5, split=True)[0].tolist() == [False] * 2 + [True] * 3


def test_evidence_chooses_the_region_that_is_filled():
    heatmap, evidence = np.array([[9.0, 0.0, 8.0, 8.0]]), np.array([[5, 0, 1, 1]])
    assert mask_from_heatmap(heatmap, 0.5, height=1, width=4, evidence=evidence).tolist() == [
        [True, False, False, False]
    ]
    assert mask_from_heatmap(heatmap, 0.5, height=1, width=4).tolist() == [[False, False, True, True]]
