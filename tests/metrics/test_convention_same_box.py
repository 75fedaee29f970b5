"""What is evaluated is what localizing gives: the same box, to the pixel, at every threshold."""

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from nets import DeepHeadNet, FunctionalNet, PooledNet

import weakspot as ws
from weakspot.metrics import box_iou
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.ops import boxes_from_heatmap, component_tree, evidence_per_pixel, scale_boxes

SOME = np.random.default_rng(0).choice(1000, 25, replace=False)
NETS = [
    pytest.param(PooledNet, {"method": "cam", "input_size": 32}, id="pooled"),
    pytest.param(FunctionalNet, {"method": "gradcam++", "input_size": (24, 40)}, id="functional"),
    pytest.param(lambda: DeepHeadNet(16), {"method": "gradcam", "input_size": 16}, id="deep head"),
]
VALUES = st.one_of(
    st.floats(0, 1, width=32),
    st.sampled_from([i / 20 for i in range(21)]).map(lambda value: float(np.float32(value))),  # on thresholds, rounded
)
HEATMAPS = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=VALUES)


def picture(seed=0, width=90, height=50):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def tree_of(found):
    height, width = found.heatmap.shape
    decisive = found.evidence if found.uncontested is None else found.uncontested
    evidence = evidence_per_pixel(decisive, height=height, width=width)
    return component_tree(found.heatmap, NATIVE_THRESHOLDS, evidence=evidence)


def assert_same_boxes(found_at, image):
    """``found_at(threshold)`` localizes in the image."""
    heatmap = found_at(0.5).heatmap
    assert heatmap.any()
    tree = tree_of(found_at(0.5))
    boxes = scale_boxes(tree.best_boxes(), from_size=heatmap.shape, to_size=image.shape[:2])
    distinct = set()
    for i in SOME:
        found = found_at(NATIVE_THRESHOLDS[i])
        assert np.array_equal(found.heatmap, heatmap)
        assert found.box.tolist() == boxes[i].tolist()
        distinct.add(tuple(found.box))
        itself = scale_boxes(found.boxes[:1], from_size=image.shape[:2], to_size=heatmap.shape)
        assert box_iou(tree.best_boxes()[i : i + 1], itself).max() == pytest.approx(1, abs=1e-12)
    assert len(distinct) > 3  # else the thresholds would not matter


@pytest.mark.parametrize(("net", "options"), NETS)
def test_convention_same_box_when_localizing_and_when_evaluating(net, options):
    model, image = net(), picture()
    assert_same_boxes(lambda threshold: ws.Localizer(model, threshold=threshold, **options)(image, classes=[1]), image)


def test_convention_same_box_on_an_image_with_real_weights(lite0):
    image = skimage.data.chelsea()
    found = lite0(image)
    tree = tree_of(found)
    (i,) = np.flatnonzero(found.threshold == NATIVE_THRESHOLDS)
    boxes = scale_boxes(tree.best_boxes(), from_size=found.heatmap.shape, to_size=image.shape[:2])
    assert found.box.tolist() == boxes[i].tolist()
    for other in SOME:
        expected = boxes_from_heatmap(found.heatmap, NATIVE_THRESHOLDS[other])[0]
        assert tree.largest_boxes()[other].tolist() == expected.tolist()


def test_convention_same_boxes_of_all_regions():
    model, image = PooledNet(), picture(1)
    options = {"method": "cam", "input_size": 32, "boxes": "all", "min_area": 0.0}
    counts = set()
    for i in SOME[:8]:
        found = ws.Localizer(model, threshold=NATIVE_THRESHOLDS[i], **options)(image, classes=[2])
        tree = tree_of(found)
        boxes = scale_boxes(tree.boxes_at(NATIVE_THRESHOLDS[i]), from_size=(32, 32), to_size=(50, 90))
        assert found.boxes.tolist() == boxes.tolist()
        counts.add(len(boxes))
    assert len(counts) > 1


@given(HEATMAPS, st.lists(st.integers(0, 999), min_size=1, max_size=10))
def test_convention_same_box_of_any_heatmap(heatmap, indices):
    boxes = component_tree(heatmap, NATIVE_THRESHOLDS).largest_boxes()
    for i in indices:
        assert boxes[i].tolist() == boxes_from_heatmap(heatmap, NATIVE_THRESHOLDS[i])[0].tolist()


@given(HEATMAPS)
def test_convention_same_box_at_every_twentieth(heatmap):
    """Where a heatmap's values are the thresholds themselves, rounded to single precision."""
    boxes = component_tree(heatmap, NATIVE_THRESHOLDS).largest_boxes()
    for i in range(49, 1000, 50):
        assert boxes[i].tolist() == boxes_from_heatmap(heatmap, round(0.001 * (i + 1), 3))[0].tolist()
