"""The functions of regions.js in a browser, compared with weakspot.ops."""

from importlib.resources import files

import numpy as np
import pytest
from chromium import needs_chromium

from weakspot.inference.wide_boxes import is_wide
from weakspot.ops import boxes_from_heatmap, mask_from_heatmap
from weakspot.ops.evidence import evidence_in_box
from weakspot.ops.iou import box_iou
from weakspot.ops.resizing import resize

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def run(browser, tmp_path_factory):
    """Runs a line of JavaScript with the functions of regions.js for each list of arguments ``a``."""
    script = files("weakspot.report").joinpath("regions.js").read_text()
    page = tmp_path_factory.mktemp("regions") / "page.html"
    page.write_text(f"<!doctype html><script>{script}</script>")
    browser.get(page.as_uri())
    return lambda line, cases: browser.execute_script(f"return arguments[0].map((a) => {line})", cases)


CUT = """((cut) => ({boxes: cut.boxes, mask: [...cut.labels].map((label) => cut.isKept[label])}))
    (cutHeatmap(a[0], a[1], a[2]))"""


def as_heatmap(values, peak=None):
    array = np.asarray(values)
    height, width = array.shape
    peak = array.max().item() if peak is None else peak
    return {"values": array.ravel().tolist(), "width": width, "height": height, "peak": peak}


def cut(run, values, threshold, peak=None, **options):
    return run(CUT, [[as_heatmap(values, peak), threshold, options]])[0]


def random_heatmap(rng):
    """Gray values, smooth with several peaks or rough with many ties."""
    height, width = rng.integers(1, 24, 2)
    if rng.random() < 0.5:
        return rng.integers(0, 6, (height, width)).astype(float)
    y, x = np.mgrid[:height, :width]
    centers = rng.random((4, 2)) * (height, width)
    hills = [np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / rng.uniform(2, 40)) for cy, cx in centers]
    return np.round(255 * np.sum(hills, axis=0) / 4)


def random_box(rng, height, width):
    (x1, x2), (y1, y2) = (np.sort(rng.choice(side + 1, 2, replace=False)).tolist() for side in (width, height))
    return [x1, y1, x2, y2]


def test_random_heatmaps_have_the_boxes_and_masks_of_weakspot(run):
    rng = np.random.default_rng(0)
    cases, expected = [], []
    for _ in range(300):
        heatmap = random_heatmap(rng)
        box, threshold = random_box(rng, *heatmap.shape), float(rng.choice([rng.uniform(0.05, 1), 0.5, 1.0]))
        min_area, min_activation = float(rng.choice([0, 0.02, 1])), float(rng.choice([0, 0, rng.uniform(0, 1)]))
        cases.append(
            [as_heatmap(heatmap), threshold, {"minArea": min_area, "minActivation": min_activation, "box": box}]
        )
        evidence = evidence_in_box(np.array(box), heatmap.shape, heatmap.shape) * heatmap
        options = {"min_area": min_area, "min_activation": min_activation, "evidence": evidence}
        height, width = heatmap.shape
        mask = mask_from_heatmap(heatmap, threshold, height=height, width=width, **options)
        expected.append((boxes_from_heatmap(heatmap, threshold, **options).tolist(), mask.ravel().tolist()))
    found = [(result["boxes"], result["mask"]) for result in run(CUT, cases)]
    assert [boxes for boxes, _ in found] == [boxes for boxes, _ in expected]
    assert [mask for _, mask in found] == [mask for _, mask in expected]


def test_pixels_touch_at_corners_and_the_threshold_is_reached(run):
    values = [[5, 0, 0, 4], [0, 10, 0, 0], [0, 0, 0, 9]]
    assert cut(run, values, 0.5, minArea=0)["boxes"] == [[0, 0, 2, 2], [3, 2, 4, 3]]
    assert cut(run, values, 0.5)["mask"] == [True, *[False] * 4, True, *[False] * 6]


def test_the_region_of_the_box_comes_first_else_the_largest_else_the_first(run):
    values = [[9, 9, 0, 9, 0, 8]]
    left, middle = [0, 0, 2, 1], [3, 0, 4, 1]
    assert cut(run, values, 0.5)["boxes"] == [left]
    assert cut(run, values, 0.5, box=[3, 0, 4, 1])["boxes"] == [middle]
    assert cut(run, values, 0.5, box=[1, 0, 5, 1])["boxes"] == [left], "of equal sums, the larger one"
    assert cut(run, values, 0.5, box=[2, 0, 3, 1])["boxes"] == [left], "nothing is in the box"
    assert cut(run, values, 0.5, box=middle, minArea=1 / 3)["boxes"] == [middle, left]


def test_an_empty_heatmap_is_the_whole_image_unless_it_must_have_activation(run):
    assert cut(run, [[0, 0]], 0.5) == {"boxes": [[0, 0, 2, 1]], "mask": [True, True]}
    assert cut(run, [[0, 0]], 0.5, minActivation=0.1) == {"boxes": [], "mask": [False, False]}


def test_a_peak_that_was_lost_still_counts_but_never_leaves_nothing(run):
    assert cut(run, [[100, 200, 90]], 0.4, peak=255)["boxes"] == [[1, 0, 2, 1]]
    assert cut(run, [[100, 200, 90]], 1.0, peak=255)["boxes"] == [[1, 0, 2, 1]]


def test_enlarging_is_bilinear(run):
    rng = np.random.default_rng(1)
    arrays = [rng.integers(0, 256, size) for size in [(1, 1), (1, 5), (4, 1), (7, 6)]]
    larger = run("((h) => [[...h.values], h.width, h.height, h.peak])(enlarge(a))", [as_heatmap(one) for one in arrays])
    for array, (values, width, height, peak) in zip(arrays, larger, strict=True):
        assert (height, width, peak) == (2 * array.shape[0], 2 * array.shape[1], 16 * array.max())
        expected = resize(array.astype(float), height=height, width=width, kernel="bilinear")
        np.testing.assert_allclose(np.reshape(values, (height, width)) / 16, expected, atol=1e-3)


def test_overlaps_and_wide_boxes_are_those_of_weakspot(run):
    rng = np.random.default_rng(2)
    pairs = [(random_box(rng, 8, 10), random_box(rng, 8, 10)) for _ in range(100)] + [([3, 3, 3, 3], [3, 3, 3, 3])]
    ious = [box_iou(np.array([a]), np.array([b])).item() for a, b in pairs]
    assert run("boxIou(a[0], a[1])", pairs) == pytest.approx(ious)
    boxes = [box for pair in pairs for box in pair]
    assert run("isWide(a, {width: 10, height: 8})", boxes) == [is_wide(box, 10, 8) for box in boxes]


def test_a_box_has_at_least_one_pixel_of_a_heatmap(run):
    image, heatmap = {"width": 100, "height": 50}, {"width": 10, "height": 5}
    cases = [[[20, 10, 50, 30], image, heatmap], [[98, 49, 100, 50], image, heatmap], [[0, 0, 100, 50], image, heatmap]]
    assert run("pixelBox(a[0], a[1], a[2])", cases) == [[2, 1, 5, 3], [9, 4, 11, 6], [0, 0, 10, 5]]
