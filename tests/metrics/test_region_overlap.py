import pickle

import numpy as np
import pytest
from drawings import drawn
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from refusals import refused
from skimage.measure import label
from sklearn.metrics import auc, roc_curve

from weakspot.metrics import AUPRO, area_under_overlap, region_counts
from weakspot.metrics.region_overlap import per_region_overlap

# Two regions, of four pixels (a corner connects) and of one, and a background of ten.
MAP = drawn("##..-", "#-...", ".....")
MASK = (drawn("##...", "#....", ".#..#") > 0).astype(np.uint8)
PAIRS = st.integers(1, 3).flatmap(
    lambda images: st.tuples(
        arrays(np.float64, (images, 5, 6), elements=st.integers(0, 8).map(lambda n: n / 8)),
        arrays(np.uint8, (images, 5, 6), elements=st.sampled_from([0, 0, 1, 255])),
    )
)


def plain_aupro(maps, masks, limit):
    """As published: every distinct score is a threshold, regions by scikit-image, one after the other."""
    regions = [
        (score_map, labels == number)
        for score_map, mask in zip(maps, masks, strict=True)
        for labels in [label(mask == 1, connectivity=2)]
        for number in range(1, labels.max() + 1)
    ]
    background = np.concatenate([score_map[mask == 0] for score_map, mask in zip(maps, masks, strict=True)])
    rates, overlaps = [0.0], [0.0]
    for threshold in np.unique(maps)[::-1]:
        rates.append(np.mean(background >= threshold))
        overlaps.append(np.mean([np.mean(score_map[region] >= threshold) for score_map, region in regions]))
    inside = np.array(rates) <= limit
    # The curve is cut at the limit, where it is linear between its points.
    upper = np.searchsorted(rates, limit, side="right")
    at_limit = np.interp(limit, rates[upper - 1 : upper + 1], overlaps[upper - 1 : upper + 1])
    x, y = [*np.array(rates)[inside], limit], [*np.array(overlaps)[inside], at_limit]
    return 100 * auc(x, y) / limit


def filled(metric, maps, masks, **options):
    metric.update(maps, masks, **options)
    return metric


def test_every_region_counts_as_one_by_hand():
    """Three of the four pixels of the first region are at 1, one at 0, where the only pixel of the second one is."""
    counts = region_counts(MAP, MASK, 0.25)
    assert counts[0].tolist() == [1.25, 0.0, 0.0, 0.0, 0.75, 0.0]
    assert counts[1].tolist() == [8.0, 2.0, 0.0, 0.0, 0.0, 0.0]


def test_convention_regions_are_8_connected():
    mask = (drawn("#..", ".#.", "...") > 0).astype(np.uint8)
    assert region_counts(drawn("#..", "...", "..."), mask, 0.5)[0].tolist() == [0.5, 0.0, 0.5, 0.0]


def test_ignored_pixels_count_neither_way():
    counts = region_counts(np.ones((1, 3)), np.array([[1, 255, 1]], np.uint8), 0.5)
    assert counts.tolist() == [[0, 0, 2, 0], [0, 0, 0, 0]]


def test_area_of_a_curve_by_hand():
    """Points (0, 0), (0.1, 0.5), (0.5, 1): up to 0.3 a triangle of 0.025, and a trapezoid from 0.5 to 0.75 of 0.125."""
    counts = np.array([[0.0, 1.0, 1.0, 0.0], [5.0, 4.0, 1.0, 0.0]])
    rate, overlap = per_region_overlap(counts)
    assert (rate.tolist(), overlap.tolist()) == ([0, 0.1, 0.5, 1], [0, 0.5, 1, 1])
    assert area_under_overlap(counts) == pytest.approx(100 * 0.15 / 0.3)
    assert area_under_overlap(counts, 1) == pytest.approx(100 * (0.025 + 0.3 + 0.5))


@pytest.mark.parametrize("limit", [0.05, 0.3, 1])
def test_a_constant_map_has_half_of_the_limit(limit):
    metric = filled(AUPRO(limit), np.full((1, 3, 5), 0.4), MASK[None])
    assert float(metric.compute()) == pytest.approx(50 * limit)


def test_perfect_maps_have_100_percent_and_inverted_ones_none():
    maps = np.stack([MASK.astype(float), np.zeros((3, 5))])
    masks = np.stack([MASK, np.zeros_like(MASK)])
    assert filled(AUPRO(), maps, masks).compute() == 100
    assert filled(AUPRO(), 1 - maps, masks).compute() == 0


def test_images_without_an_object_count_as_background():
    alone = filled(AUPRO(), MAP[None], MASK[None])
    quiet = filled(AUPRO(), np.stack([MAP, 0 * MAP]), np.stack([MASK, 0 * MASK]))
    loud = filled(AUPRO(), np.stack([MAP, 0 * MAP + 1]), np.stack([MASK, 0 * MASK]))
    assert loud.compute() < alone.compute() < quiet.compute()
    assert quiet.regions() == alone.regions() == 2


@given(PAIRS, st.sampled_from([0.05, 0.3, 1.0]))
def test_it_equals_regions_of_scikit_image_where_no_bin_has_two_scores(pairs, limit):
    maps, masks = pairs
    masks[0, 0, 0], masks[0, 4, 5] = 1, 0
    metric = filled(AUPRO(limit), maps, masks)
    assert float(metric.compute()) == pytest.approx(plain_aupro(maps, masks, limit), abs=1e-9)


@given(PAIRS)
def test_with_one_region_the_curve_is_the_roc_curve_of_its_pixels(pairs):
    maps, masks = pairs
    mask = np.zeros_like(masks[0])
    mask[1:4, 1:3] = 1
    details = filled(AUPRO(1.0), maps[:1], mask[None]).details()
    rate, recall, _ = roc_curve(mask.ravel(), maps[0].ravel(), drop_intermediate=False)
    np.testing.assert_allclose(np.unique(details["false_positive_rate"]), np.unique(rate))
    assert auc(details["false_positive_rate"], details["overlap"]) == pytest.approx(auc(rate, recall))


@given(PAIRS)
def test_batches_and_merging_give_the_whole(pairs):
    maps, masks = pairs
    masks[0, 0, 0], masks[0, 4, 5] = 1, 0
    whole, part = filled(AUPRO(), maps, masks), filled(AUPRO(), maps[:1], masks[:1])
    for i in range(1, len(maps)):
        part.merge_state(pickle.loads(pickle.dumps(filled(AUPRO(), maps[i : i + 1], masks[i : i + 1]))))
    assert float(part.compute()) == pytest.approx(float(whole.compute()), abs=1e-9)


def test_a_group_has_its_regions_and_the_background_of_all_images():
    maps, masks = np.stack([MAP, 1 - MAP]), np.stack([MASK, MASK])
    metric = filled(AUPRO(groups=3, samples=50), maps, masks, groups=np.array([0, 1]))
    metric.update(0.5 + 0 * MAP[None], np.zeros((1, 3, 5), np.uint8))
    for group, kept in enumerate(masks):
        others = np.where(np.arange(2)[:, None, None] == group, kept, masks * 255)  # no region, and no background
        others[1 - group][MASK == 0] = 0
        everything = np.concatenate([maps, 0.5 + 0 * MAP[None]]), np.concatenate([others, 0 * MASK[None]])
        assert metric.per_group()[group] == pytest.approx(plain_aupro(*everything, 0.3))
    assert np.isnan(metric.per_group()[2])
    low, high = metric.interval()
    assert low <= float(metric.compute()) <= high


def test_without_regions_or_without_background_it_is_nan():
    assert filled(AUPRO(), MAP[None], 0 * MASK[None]).compute().isnan()
    assert filled(AUPRO(), MAP[None], 0 * MASK[None] + 1).compute().isnan()
    assert region_counts(MAP, 0 * MASK)[0].sum() == 0


@pytest.mark.parametrize("limit", [0, -0.1, 1.5, np.nan])
def test_a_limit_out_of_range_is_refused(limit):
    with refused("out-of-range", limit):
        AUPRO(limit)


@pytest.mark.parametrize("interval", [0, 1.5, np.nan])
def test_a_bin_out_of_range_is_refused(interval):
    with refused("out-of-range", interval):
        AUPRO(interval=interval)
    with refused("out-of-range", interval):
        region_counts(MAP, MASK, interval)


@pytest.mark.parametrize(
    ("maps", "masks", "code"),
    [
        pytest.param(MAP[None], np.stack([MASK, MASK]), "length-mismatch", id="number"),
        pytest.param(MAP[None], MASK[None, :2], "shape-mismatch", id="size"),
        pytest.param(MAP[None], 2 * MASK[None], "mask-invalid", id="values"),
        pytest.param(MAP[None] + 1, MASK[None], "out-of-range", id="scores"),
    ],
)
def test_unusable_maps_and_masks_are_refused_and_not_counted(maps, masks, code):
    metric = AUPRO()
    with refused(code):
        metric.update(maps, masks)
    assert metric.total == 0
