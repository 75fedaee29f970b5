import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch.nn.functional import interpolate

from weakspot.cams.normalization import apply_class_thresholds
from weakspot.ops import heatmap_from_class_map, normalize, resize
from weakspot.ops.heatmaps import move_threshold

CENTRE = np.array([[0.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 0.0]])
SILENT = [
    pytest.param([[3.0, 3.0], [3.0, 3.0]], id="constant"),
    pytest.param([[-3.0, -3.0], [-3.0, -3.0]], id="negative constant"),
    pytest.param([[0.0, 0.0], [0.0, 0.0]], id="zero"),
    pytest.param([[7.0]], id="one pixel"),
    pytest.param([[0.0, np.nan], [1.0, 2.0]], id="NaN"),
    pytest.param([[0.0, np.inf], [1.0, 2.0]], id="infinity"),
    pytest.param([[0.0, -np.inf], [1.0, 2.0]], id="minus infinity"),
    pytest.param([[1.0, 1.0 + 5e-7], [1.0, 1.0]], id="rounding noise"),
    pytest.param([[-1e6, -1e6 - 0.5], [-1e6, -1e6]], id="rounding noise of large negatives"),
]
SPEAKING = [
    pytest.param([[1.0, 1.0 + 1.1e-6]], id="just above the noise"),
    pytest.param([[0.0, 1e-30]], id="tiny, but beside zero"),
    pytest.param([[-1e-30, 0.0]], id="all negative"),
]
WHOLE_NUMBERS = arrays(np.int64, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(-99, 99))


def test_normalize_scales_the_minimum_to_0_and_the_maximum_to_1():
    stretched = normalize(np.array([[-3.0, -1.0], [1.0, 5.0]]))
    assert stretched.tolist() == [[0.0, 0.25], [0.5, 1.0]]
    assert stretched.dtype == np.float32


@pytest.mark.parametrize("values", SILENT)
def test_convention_constant_or_nan_map_becomes_zeros(values):
    class_map = np.array(values)
    assert np.array_equal(normalize(class_map), np.zeros(class_map.shape, np.float32))
    heatmap = heatmap_from_class_map(class_map, height=4, width=6)
    assert np.array_equal(heatmap, np.zeros((4, 6)))
    assert heatmap.dtype == np.float32


@pytest.mark.parametrize("values", SPEAKING)
def test_faint_evidence_is_stretched(values):
    assert normalize(np.array(values)).tolist() == [[0.0, 1.0]]


def test_convention_resize_first_min_max_after():
    heatmap = heatmap_from_class_map(CENTRE, height=8, width=8)
    assert np.array_equal(heatmap, normalize(resize(CENTRE, height=8, width=8)))
    assert (heatmap.min(), heatmap.max()) == (0, 1)
    assert resize(normalize(CENTRE), height=8, width=8).max() < 0.95  # the other order loses the peak


def test_convention_heatmap_is_rows_by_columns():
    heatmap = heatmap_from_class_map(np.array([[0.0, 1.0], [0.0, 1.0]]), height=4, width=6)
    assert heatmap.shape == (4, 6)
    assert heatmap.dtype == np.float32
    assert (heatmap[:, 0] < heatmap[:, -1]).all()


def test_heatmap_equals_torch_bicubic_and_min_max():
    class_map = np.random.default_rng(0).normal(size=(7, 9))
    resized = interpolate(torch.from_numpy(class_map)[None, None], (64, 50), mode="bicubic", align_corners=False)[0, 0]
    expected = (resized - resized.min()) / (resized.max() - resized.min())
    np.testing.assert_allclose(heatmap_from_class_map(class_map, height=64, width=50), expected, atol=1e-6)


@given(WHOLE_NUMBERS)
def test_normalised_map_reaches_0_and_1_or_is_blank(values):
    stretched = normalize(values)
    assert (stretched.min(), stretched.max()) == (0, int(np.ptp(values) > 0))


@given(WHOLE_NUMBERS, st.integers(1, 20), st.integers(1, 20))
@settings(deadline=None)
def test_heatmap_ignores_scale_and_offset_of_the_class_map(values, height, width):
    heatmap = heatmap_from_class_map(values, height=height, width=width)
    np.testing.assert_allclose(heatmap_from_class_map(8 * values - 5, height=height, width=width), heatmap, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_widest_maps_are_stretched_too(dtype):
    largest = np.finfo(dtype).max
    assert normalize(np.array([[-largest, largest]], dtype)).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(("old", "new"), [(0.2, 0.7), (0.7, 0.2), (0.5, 0.5)])
def test_moving_a_threshold_keeps_the_order_and_can_be_undone(old, new):
    values = np.linspace(0, 1, 101)
    moved = move_threshold(values, old, new)
    assert (np.diff(moved) > 0).all()
    assert (moved[0], moved[-1]) == (0, 1)
    np.testing.assert_array_equal(moved[values >= old] >= new - 1e-12, True)
    np.testing.assert_allclose(move_threshold(moved, new, old), values, atol=1e-12)


def test_moving_a_threshold_is_how_torch_calibrates_maps():
    values = np.random.default_rng(0).random((4, 5))
    values.flat[:2] = 0, 1
    expected = apply_class_thresholds(torch.from_numpy(values), torch.tensor(0.3), 0.6)
    np.testing.assert_allclose(move_threshold(values, 0.3, 0.6), expected.numpy(), atol=1e-12)
