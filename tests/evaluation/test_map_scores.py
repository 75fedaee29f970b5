import numpy as np
import pytest
from PIL import Image

from weakspot.data import Annotation
from weakspot.evaluation.map_scores import (
    baselines,
    regions_of_class_map,
    regions_of_heatmap,
    score_regions,
    unreadable_scores,
)
from weakspot.evaluation.targets import SIDE, make_target
from weakspot.metrics import mask_overlaps, pixel_counts, region_counts
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS, box_iou, reference_overlaps
from weakspot.ops import boxes_from_heatmap, evidence_per_pixel, heatmap_from_class_map, scale_boxes
from weakspot.ops.contours import THRESHOLDS


def class_map(seed=0, size=7):
    return np.random.default_rng(seed).normal(size=(size, size))


def of_map(class_map, **options):
    """Regions of a map that was not propagated."""
    return regions_of_class_map(class_map, class_map, **options)


def boxed(*boxes, height=90, width=130):
    return make_target(Annotation("cat", boxes=np.array(boxes, np.float64)), height=height, width=width)


@pytest.mark.parametrize("size", [(224, 224), (96, 96), (64, 128)])
def test_convention_plain_overlaps_are_those_of_the_box_that_localizing_gives(size):
    height, width = size
    boxes = np.array([[20, 10, 90, 60], [70, 40, 130, 90]], np.float64)
    found = score_regions(of_map(class_map(), height=height, width=width), boxed(*boxes))
    heatmap = heatmap_from_class_map(class_map(), height=height, width=width)
    evidence = evidence_per_pixel(class_map(), height=height, width=width)
    for i in range(0, 1000, 37):
        (box,) = boxes_from_heatmap(heatmap, NATIVE_THRESHOLDS[i], min_area=1.0, evidence=evidence)
        original = scale_boxes(box[None], from_size=size, to_size=(90, 130))
        assert found.native[i] == pytest.approx(box_iou(original, boxes).max(), abs=1e-12)
    assert len(np.unique(found.native)) > 5


@pytest.mark.parametrize("size", [224, 96])
def test_the_reference_scores_a_map_of_224_whatever_the_input_size(size):
    found = score_regions(of_map(class_map(1), height=size, width=size), boxed((20, 10, 90, 60)))
    score_map = heatmap_from_class_map(class_map(1), height=SIDE, width=SIDE).astype(np.float64)
    boxes = np.array([[int(20 * 224 / 130), int(10 * 224 / 90), int(90 * 224 / 130), int(60 * 224 / 90)]])
    assert np.array_equal(found.largest, reference_overlaps(score_map, boxes))
    assert np.array_equal(found.every, reference_overlaps(score_map, boxes, "all"))
    assert (found.every >= found.largest).any()
    assert found.mask is None
    assert found.pixels is None


def masked(tmp_path, pixels, boxes=()):
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    truth = Annotation("cat", boxes=np.array(boxes, np.float64).reshape(-1, 4), masks=(tmp_path / "mask.png",))
    return make_target(truth, height=SIDE, width=SIDE)


def test_masks_are_scored_in_the_224_frame(tmp_path):
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[50:120, 30:200] = 255
    found = score_regions(of_map(class_map(2), height=96, width=96), masked(tmp_path, pixels))
    score_map = heatmap_from_class_map(class_map(2), height=SIDE, width=SIDE)
    truth = (pixels > 0).astype(np.uint8)
    assert np.array_equal(found.mask, mask_overlaps(score_map, truth, NATIVE_THRESHOLDS))
    assert np.array_equal(found.pixels, pixel_counts(score_map, truth))
    assert found.largest is found.every is found.native is None


def test_a_calibrated_probability_weighs_what_compares_images_and_nothing_else(tmp_path):
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[50:120, 30:200] = 255
    regions, target = of_map(class_map(2), height=96, width=96), masked(tmp_path, pixels)
    plain = score_regions(regions, target)
    halved, calibrated = (score_regions(regions, target, 0.5, is_calibrated=known) for known in (False, True))
    score_map = heatmap_from_class_map(class_map(2), height=SIDE, width=SIDE) / 2
    weighted = pixel_counts(score_map.astype(float), (pixels > 0).astype(np.uint8))
    assert np.array_equal(calibrated.pixels, weighted)
    assert np.array_equal(calibrated.unweighted_pixels, plain.pixels)
    assert np.array_equal(halved.pixels, plain.pixels)
    assert plain.unweighted_pixels is halved.unweighted_pixels is None
    assert np.array_equal(halved.overlap_counts, calibrated.overlap_counts)
    for name in ("mask", "peak_distance"):
        assert np.array_equal(getattr(plain, name), getattr(calibrated, name))


def test_a_constant_map_is_the_whole_image_for_localizing_and_the_first_pixel_for_the_reference():
    found = score_regions(of_map(np.full((7, 7), 3.0), height=224, width=224), boxed((0, 0, 65, 90)))
    assert found.native == pytest.approx(0.5)
    assert found.largest == pytest.approx(1 / (113 * 225))


def test_convention_reference_metrics_depend_neither_on_evidence_nor_on_other_classes():
    one, margin = boxed((20, 10, 90, 60)), np.where(np.arange(7) < 3, 1.0, -1.0) * np.ones((7, 1))
    alone = score_regions(of_map(class_map(4), height=96, width=96), one)
    regions = regions_of_class_map(class_map(4), class_map(5), height=96, width=96, margin=margin)
    shared = score_regions(regions, one)
    assert np.array_equal(alone.largest, shared.largest)
    assert np.array_equal(alone.every, shared.every)
    assert not np.array_equal(alone.native, shared.native)
    assert regions.boxes[:, 2].max() <= 96 / 2  # only the left part is claimed


def test_what_is_missed_is_worth_nothing_and_still_counts(tmp_path):
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[:, :56] = 255
    found = unreadable_scores(masked(tmp_path, pixels, [(0, 0, 56, 224)]))
    for overlap, thresholds in (
        (found.largest, THRESHOLDS),
        (found.every, THRESHOLDS),
        (found.native, NATIVE_THRESHOLDS),
    ):
        assert overlap.tolist() == [0.0] * len(thresholds)
    assert found.mask.tolist() == [0.0] * 1000
    assert found.pixels.sum() == SIDE * SIDE
    assert found.pixels[0, 0] == 224 * 56  # all of the foreground in the lowest bin


def test_what_is_missed_has_only_what_its_truth_has():
    found = unreadable_scores(boxed((0, 0, 5, 5)))
    assert found.mask is found.pixels is None
    assert found.native.shape == (1000,)


def test_the_full_image_baseline_overlaps_by_the_area_of_the_truth():
    one = boxed((13, 9, 78, 54))
    found = score_regions(baselines()["full-image box"], one)
    assert found.native == pytest.approx(65 * 45 / (130 * 90), abs=1e-12)
    x1, y1, x2, y2 = one.reference_boxes[0]
    assert found.largest == pytest.approx((x2 - x1 + 1) * (y2 - y1 + 1) / 224**2, abs=1e-12)


def test_the_centred_baseline_is_a_round_hill_in_the_middle():
    hill = baselines()["centred Gaussian"].score_map
    assert hill.shape == (SIDE, SIDE)
    assert (hill.min(), hill.max()) == (0, 1)
    np.testing.assert_allclose(hill, hill[::-1], atol=1e-7)
    np.testing.assert_allclose(hill, hill.T, atol=1e-7)
    assert (np.diff(hill[111, 112:]) < 0).all()
    boxes = baselines()["centred Gaussian"].boxes
    for x1, y1, x2, y2 in boxes:
        assert (x1 + x2, y1 + y2) == (SIDE, SIDE)


def test_regions_of_a_map_from_a_file_are_its_own():
    score_map = heatmap_from_class_map(class_map(4), height=SIDE, width=SIDE).astype(np.float64)
    found = regions_of_heatmap(score_map, score_map)
    assert np.array_equal(found.score_map, score_map)
    assert found.boxes.shape == (1000, 4)
    assert found.tree.shape == (SIDE, SIDE)


def test_the_peak_is_compared_with_the_mask_and_without_one_with_the_boxes(tmp_path):
    heatmap = np.zeros((SIDE, SIDE), np.float32)
    heatmap[100, 50] = 1
    regions = regions_of_heatmap(heatmap, heatmap)
    assert score_regions(regions, boxed((60, 90, 80, 110), height=SIDE, width=SIDE)).peak_distance == 10
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[100, 45] = 255
    found = score_regions(regions, masked(tmp_path, pixels, [(60.0, 90.0, 80.0, 110.0)]))
    assert found.peak_distance == 5


def test_only_aupro_depends_on_the_weight(tmp_path):
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[20:60, 40:90] = 255
    target, regions = masked(tmp_path, pixels), of_map(class_map(2), height=SIDE, width=SIDE)
    whole, half = score_regions(regions, target), score_regions(regions, target, 0.5)
    assert np.array_equal(whole.overlap_counts, region_counts(regions.score_map, target.mask))
    assert np.array_equal(half.overlap_counts, region_counts(0.5 * regions.score_map, target.mask))
    assert np.array_equal(whole.pixels, half.pixels)
    assert whole.peak_distance == half.peak_distance


def test_an_image_without_a_prediction_has_no_peak_and_one_score_for_all_pixels(tmp_path):
    pixels = np.full((SIDE, SIDE), 255, np.uint8)
    pixels[:, :100] = 0
    lost = unreadable_scores(masked(tmp_path, pixels))
    assert lost.peak_distance == np.inf
    np.testing.assert_allclose(lost.overlap_counts[0], [1, *[0] * 1001])
    assert unreadable_scores(boxed((1, 2, 30, 40))).overlap_counts is None
