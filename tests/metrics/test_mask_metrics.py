import pickle

import numpy as np
import pytest
import torch
from drawings import drawn
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference_loop import histograms, pixel_average_precision
from refusals import refused
from sklearn.metrics import average_precision_score, jaccard_score

from weakspot.metrics import MaskIoU, PxAP
from weakspot.ops import mask_from_heatmap

MAPS = np.stack([drawn("##+.", "#+-."), drawn("-...", "..##")])
MASKS = np.array([[[1, 1, 0, 0], [1, 255, 1, 0]], [[0, 0, 0, 0], [0, 0, 1, 1]]], np.uint8)
PAIRS = st.integers(1, 4).flatmap(
    lambda images: st.tuples(
        arrays(np.float64, (images, 3, 4), elements=st.integers(0, 8).map(lambda n: n / 8)),
        arrays(np.uint8, (images, 3, 4), elements=st.sampled_from([0, 1, 255])),
    )
)


def filled(metric, maps=MAPS, masks=MASKS, **options):
    metric.update(maps, masks, **options)
    return metric


def exactly(metric):
    """The figure in double precision."""
    return float(metric.compute_from_sums(metric.sums.numpy(), metric.total.numpy()))


def test_pixels_of_all_images_are_pooled():
    """At 1: 5 of 6 found, none wrong; at a half: one wrong; at a quarter: all found, two wrong."""
    metric = filled(PxAP())
    assert exactly(metric) == pytest.approx(100 * (5 / 6 + 1 / 6 * 6 / 8), abs=1e-12)
    assert metric.compute().item() == pytest.approx(exactly(metric), rel=1e-6)


def test_pooling_is_not_the_mean_of_the_images():
    maps = np.array([[[1.0, 0.5]], [[0.4, 0.3]]])
    masks = np.array([[[0, 1]], [[1, 0]]], np.uint8)
    each = [exactly(filled(PxAP(), maps[i : i + 1], masks[i : i + 1])) for i in (0, 1)]
    assert each == [50, 100]
    assert exactly(filled(PxAP(), maps, masks)) == pytest.approx(100 * (0.5 * 1 / 2 + 0.5 * 2 / 3), abs=1e-12)


def test_details_of_px_ap_run_from_the_highest_score_down():
    details = filled(PxAP(0.25)).details()
    assert details["scores"].tolist() == [2.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    np.testing.assert_allclose(details["recall"], [0, 5 / 6, 5 / 6, 5 / 6, 1, 1], rtol=1e-15)
    np.testing.assert_allclose(details["precision"], [np.nan, 1, 1, 5 / 6, 6 / 8, 6 / 15], rtol=1e-15)


def test_px_ap_without_any_foreground_is_refused():
    with refused("masks-empty"):
        filled(PxAP(), masks=0 * MASKS).compute()


def test_px_ap_without_images_is_nan():
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert PxAP().compute().isnan()


def test_an_image_without_foreground_counts_as_background():
    some = filled(PxAP(), MAPS[:1], MASKS[:1])
    more = filled(PxAP(), np.stack([MAPS[0], MAPS[1]]), np.stack([MASKS[0], 0 * MASKS[0]]))
    assert exactly(more) < exactly(some)


def test_group_without_foreground_is_nan_and_the_others_equal_separate_metrics():
    maps, masks = np.stack([*MAPS, MAPS[0]]), np.stack([*MASKS, 0 * MASKS[0]])
    metric = filled(PxAP(groups=3), maps, masks, groups=np.array([0, 2, 1]))
    expected = [exactly(filled(PxAP(), MAPS[i : i + 1], MASKS[i : i + 1])) for i in (0, 1)]
    np.testing.assert_allclose(metric.per_group(), [expected[0], np.nan, expected[1]], rtol=1e-15)


def test_mask_iou_is_the_mean_over_images_at_the_best_threshold():
    """Foregrounds of 3, 5 and 6 known pixels, and of 2, 2 and 3: thresholds above a half, a half and a quarter."""
    metric = filled(MaskIoU())
    curve = metric.details()["curves"][0]
    assert curve[[200, 400, 800]].tolist() == pytest.approx([100 * (4 / 5 + 2 / 3) / 2, 100 * (3 / 5 + 1) / 2, 87.5])
    assert metric.compute().item() == pytest.approx(87.5)
    assert metric.details()["best_threshold"].tolist() == [0.501]


def test_groups_and_interval_of_mask_iou_are_those_of_its_options():
    groups = np.array([1, 0])
    metric = filled(MaskIoU(0.5, groups=3, samples=200, seed=3), groups=groups)
    alone = [filled(MaskIoU(0.5), MAPS[groups == i], MASKS[groups == i]).compute().item() for i in (0, 1)]
    np.testing.assert_allclose(metric.per_group(), [*alone, np.nan])
    assert metric.interval() == filled(MaskIoU(0.5, samples=200, seed=3)).interval()
    assert metric.sample_totals.tolist() == filled(MaskIoU(0.5, samples=200, seed=3)).sample_totals.tolist()
    assert metric.sample_totals.tolist() != filled(MaskIoU(0.5, samples=200)).sample_totals.tolist()


@pytest.mark.parametrize("metric", [MaskIoU, PxAP])
def test_mask_metrics_have_no_groups_and_no_samples_by_default(metric):
    made = metric()
    assert (made.group_totals.shape, made.sample_totals.shape) == ((0,), (0,))
    same = [metric(samples=50, **seed) for seed in ({}, {"seed": 0})]
    assert filled(same[0]).sample_totals.tolist() == filled(same[1]).sample_totals.tolist()


def test_convention_mask_iou_includes_the_threshold():
    for threshold, percent in [(0.25, 4 / 5), (0.26, 3 / 5), (0.5, 3 / 5), (0.51, 3 / 4)]:
        metric = filled(MaskIoU(threshold), MAPS[:1], MASKS[:1])
        assert metric.compute().item() == pytest.approx(100 * percent)


def test_mask_iou_counts_every_region_as_localizing_all_does():
    heatmap = drawn("##...", ".....", "...+.")
    mask = mask_from_heatmap(heatmap, 0.5, height=3, width=5, min_area=0.0)
    assert filled(MaskIoU(0.5), heatmap[None], mask[None].astype(np.uint8)).compute() == 100


@pytest.mark.parametrize("metric", [PxAP, MaskIoU])
@pytest.mark.parametrize(
    ("maps", "masks", "code", "value"),
    [
        pytest.param(MAPS, MASKS[:1], "length-mismatch", 1, id="number"),
        pytest.param(MAPS, MASKS[:, :, :2], "shape-mismatch", (2, 2), id="size"),
        pytest.param(MAPS, MASKS * 2, "mask-invalid", 2, id="values"),
        pytest.param(MAPS[0], MASKS[0], "shape-mismatch", (2, 4), id="one map"),
    ],
)
def test_unusable_maps_and_masks_are_refused_and_not_counted(metric, maps, masks, code, value):
    metric = metric()
    with refused(code, value):
        metric.update(maps, masks)
    assert metric.total == 0


def test_mask_iou_of_a_mask_without_foreground_is_refused_by_its_index():
    with refused("mask-empty", 1):
        filled(MaskIoU(), masks=MASKS * np.array([1, 0], np.uint8)[:, None, None])


@pytest.mark.parametrize("value", [np.nan, -0.5, 1.5])
def test_px_ap_refuses_unusable_score_maps(value):
    with refused("not-finite" if np.isnan(value) else "out-of-range"):
        filled(PxAP(), np.full((1, 2, 4), value), MASKS[:1])


@pytest.mark.parametrize("metric", [PxAP, MaskIoU])
def test_tensors_lists_and_precisions_give_the_same(metric):
    expected = filled(metric()).sums.tolist()
    for maps in (torch.from_numpy(MAPS), torch.from_numpy(MAPS).float(), MAPS.astype(np.float16), MAPS.tolist()):
        for masks in (MASKS, torch.from_numpy(MASKS)):
            assert filled(metric(), maps, masks).sums.tolist() == expected


@pytest.mark.parametrize("kind", [PxAP, MaskIoU])
def test_batches_reset_pickling_and_merging_give_the_whole(kind):
    whole = filled(kind())
    part, rest = filled(kind(), MAPS[:1], MASKS[:1]), filled(kind())
    rest.reset()
    rest.update(MAPS[1:], MASKS[1:])
    part.merge_state(pickle.loads(pickle.dumps(rest)))
    assert part.sums.tolist() == whole.sums.tolist()
    one_by_one = kind()
    one_by_one.update(MAPS[:1], MASKS[:1])
    one_by_one.update(MAPS[1:], MASKS[1:])
    assert exactly(one_by_one) == exactly(part) == exactly(whole)


def test_interval_of_px_ap_equals_that_of_a_plain_bootstrap():
    random = np.random.default_rng(0)
    masks = (random.random((60, 4, 5)) < 0.4).astype(np.uint8)
    maps = np.clip(0.3 * masks + 0.7 * random.random(masks.shape), 0, 1)
    low, high = filled(PxAP(samples=2000), maps, masks).interval()
    counts = np.stack([np.stack(histograms(*pair, 0.001)) for pair in zip(maps, masks, strict=True)])
    drawn_ = [pixel_average_precision(*counts[random.integers(0, 60, 60)].sum(axis=0)) for _ in range(500)]
    np.testing.assert_allclose([low, high], np.percentile(drawn_, [2.5, 97.5]), atol=0.12 * (high - low))


@given(PAIRS, st.sampled_from([0.001, 0.125, 0.3]))
def test_px_ap_equals_pooled_histograms(pairs, interval):
    maps, masks = pairs
    masks[0, 0, 0] = 1
    metric = filled(PxAP(interval), maps, masks)
    counts = np.sum([histograms(*pair, interval) for pair in zip(maps, masks, strict=True)], axis=0)
    assert metric.sums.tolist() == counts.ravel().tolist()
    assert exactly(metric) == pytest.approx(pixel_average_precision(*counts), abs=1e-10)


@given(PAIRS)
def test_px_ap_equals_scikit_learn_where_no_bin_has_two_scores(pairs):
    maps, masks = pairs
    masks[0, 0, 0] = 1
    known = masks != 255
    expected = 100 * average_precision_score(masks[known] == 1, maps[known])
    assert exactly(filled(PxAP(), maps, masks)) == pytest.approx(expected, abs=1e-9)


@given(PAIRS)
def test_mask_iou_equals_scikit_learn(pairs):
    maps, masks = pairs
    masks[:, 0, 0] = 1
    expected = []
    for map_, mask in zip(maps, masks, strict=True):
        foreground = map_ >= 0.5 * map_.max()
        expected.append(100 * jaccard_score(mask[mask != 255] == 1, foreground[mask != 255]))
    assert exactly(filled(MaskIoU(0.5), maps, masks)) == pytest.approx(np.mean(expected), rel=1e-12)


@pytest.mark.parametrize("metric", [PxAP, MaskIoU])
def test_masks_may_be_bools(metric):
    bools, bytes_ = metric(), metric()
    bools.update(MAPS, MASKS == 1)
    bytes_.update(MAPS, (MASKS == 1).astype(np.uint8))
    assert bools.compute() == bytes_.compute()


def test_masks_of_another_type_are_refused():
    with refused("dtype-mismatch", "float64"):
        PxAP().update(MAPS, MASKS.astype(float))
