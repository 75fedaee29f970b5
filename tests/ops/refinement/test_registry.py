import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from refusals import refused

from weakspot.ops.refinement import REFINEMENTS, check_refinement, find_refinement, refine
from weakspot.ops.refinement.rescale import remap, remap_with_mask

NAMES = tuple(REFINEMENTS)
THRESHOLD = 0.5
SHADES = [0.0, 0.1, 0.25, 0.4, 0.5, 0.75, 1.0]
UNIT = st.floats(0, 1, width=32)


def disc(size, center, radius):
    rows, columns = np.mgrid[:size, :size] + 0.5
    return np.hypot(rows - center[0], columns - center[1]) <= radius


@pytest.fixture
def scene():
    """A red disc on blue with some noise, and a heatmap that lies on it a little askew and is too wide."""
    random = np.random.default_rng(0)
    truth = disc(64, (30, 34), 14)
    image = np.where(truth[..., None], (200, 60, 40), (40, 60, 160)) + random.normal(0, 6, (64, 64, 3))
    rows, columns = np.mgrid[:64, :64]
    heatmap = np.exp(-((rows - 31) ** 2 + (columns - 30) ** 2) / (2 * 15**2)).astype(np.float32)
    heatmap -= heatmap.min()
    return image.clip(0, 255).astype(np.uint8), heatmap / heatmap.max(), truth


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize("name", ["grabcut", "random_walker"])
def test_refined_region_is_nearer_to_the_object(name, scene):
    image, heatmap, truth = scene
    before, after = (iou(one >= THRESHOLD, truth) for one in (heatmap, refine(name, image, heatmap, THRESHOLD)))
    assert before < 0.75
    assert after > before + 0.05


def test_grabcut_finds_the_object_by_its_color(scene):
    image, heatmap, truth = scene
    assert iou(refine("grabcut", image, heatmap, THRESHOLD) >= THRESHOLD, truth) > 0.95


def test_superpixels_give_every_patch_of_one_colour_one_value():
    image, heatmap = np.zeros((60, 60, 3), np.uint8), np.zeros((60, 60), np.float32)
    image[:, 30:], heatmap[:, 32:] = 255, 1.0
    found = refine("superpixels", image, heatmap, THRESHOLD)
    assert found[:, :30].max() < 0.05
    assert found[:, 30:32].mean() > 0.4  # 0 before


@pytest.mark.parametrize("name", NAMES)
def test_same_input_gives_the_same_result_whatever_came_before(name, scene):
    image, heatmap, _ = scene
    first = refine(name, image, heatmap, THRESHOLD)
    refine(name, image[::-1], heatmap, THRESHOLD)
    assert np.array_equal(refine(name, image, heatmap, THRESHOLD), first)


@pytest.mark.parametrize("name", NAMES)
def test_image_at_another_size_is_brought_to_the_heatmaps(name, scene):
    image, heatmap, _ = scene
    large = image.repeat(5, axis=0).repeat(3, axis=1)
    assert np.allclose(refine(name, large, heatmap, THRESHOLD), refine(name, image, heatmap, THRESHOLD))


def test_large_maps_are_refined_at_a_smaller_size():
    truth = disc(448, (210, 238), 98)
    image = np.where(truth[..., None], (200, 60, 40), (40, 60, 160)).astype(np.uint8)
    rows, columns = np.mgrid[:448, :448]
    heatmap = np.exp(-((rows - 217) ** 2 + (columns - 210) ** 2) / (2 * 105**2)).astype(np.float32)
    found = refine("grabcut", image, (heatmap - heatmap.min()) / np.ptp(heatmap), THRESHOLD)
    assert found.shape == (448, 448)
    assert iou(found >= THRESHOLD, truth) > 0.95


@pytest.mark.parametrize("name", NAMES)
def test_gray_image_equals_three_equal_channels(name, scene):
    image, heatmap, _ = scene
    gray = image[..., :1]
    assert np.array_equal(
        refine(name, gray, heatmap, THRESHOLD), refine(name, gray.repeat(3, axis=2), heatmap, THRESHOLD)
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_map_without_evidence_is_unchanged(name, value, scene):
    constant = np.full((64, 64), value, np.float32)
    assert np.array_equal(refine(name, scene[0], constant, THRESHOLD), constant)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 2), (3, 1)])
@pytest.mark.parametrize("image", [np.full((9, 9, 3), 100, np.uint8), np.eye(3, dtype=np.uint8)[..., None] * 255])
def test_tiny_maps_are_no_error(name, size, image):
    heatmap = np.linspace(0, 1, size[0] * size[1], dtype=np.float32).reshape(size)
    found = refine(name, image, heatmap, THRESHOLD)
    assert found.shape == size
    assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(
    arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.sampled_from(SHADES)),
    st.floats(0.05, 1.0),
    st.integers(0, 3),
)
def test_refined_is_a_heatmap_of_the_same_shape(name, heatmap, level, seed):
    image = np.random.default_rng(seed).integers(0, 256, (12, 7, 3)).astype(np.uint8)
    found = refine(name, image, heatmap, level)
    assert found.shape == heatmap.shape
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert 0 <= found.min() <= found.max() <= 1


def test_colours_that_mislead_are_not_followed(scene):
    """All of the image has the object's colour but for a corner: the heatmap knows better."""
    _, heatmap, _ = scene
    image = np.full((64, 64, 3), 120, np.uint8)
    image[:6, :6] = 10
    assert iou(refine("grabcut", image, heatmap, THRESHOLD) >= THRESHOLD, heatmap >= THRESHOLD) >= 0.5


def test_unknown_refinement_is_refused_with_a_suggestion():
    with refused("unknown-refinement", "grabcutt", "grabcut?"):
        find_refinement("grabcutt")


def test_grabcut_needs_opencv(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with refused("not-installed", "grabcut", "weakspot[refine]"):
        check_refinement("grabcut")
    check_refinement("superpixels")


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, (4, 5), elements=UNIT), arrays(np.bool_, (4, 5)), st.floats(0.05, 0.95))
def test_foreground_at_the_threshold_is_the_mask(heatmap, mask, level):
    found = remap_with_mask(heatmap, mask, level)
    assert np.array_equal(found >= np.float32(level), mask)
    for part in (mask, ~mask):
        order = np.argsort(heatmap[part], kind="stable")
        assert (np.diff(found[part][order]) >= 0).all()


@given(arrays(np.float64, (3, 4), elements=st.floats(0, 1)), st.floats(0.05, 0.95))
def test_bending_keeps_the_order_and_puts_a_half_at_the_level(likely, level):
    found = remap(likely, level)
    assert (np.diff(found.ravel()[np.argsort(likely.ravel())]) >= 0).all()
    assert remap(np.array([[0.0, 0.5, 1.0]]), level)[0] == pytest.approx([0, level, 1])
