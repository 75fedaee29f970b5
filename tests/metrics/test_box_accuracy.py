import pickle

import numpy as np
import pytest
import torch
from drawings import drawn
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference_loop import best_overlap, best_overlaps, box_accuracy
from refusals import refused

from weakspot.metrics import GTKnownLoc, MaxBoxAcc, MaxBoxAccV2, TopKLoc
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.ops import boxes_from_heatmap
from weakspot.ops.contours import THRESHOLDS

# '.' is 0, '-' 63, '+' 127 and '#' 255 of 255.
HALO = drawn("......", ".++++.", ".+##+.", ".+##+.", ".++++.", "......")
SPOT = drawn("......", "......", "..##..", "..##..", "......", "......")
TWO = drawn("......", ".##.+.", ".##...", "......", "......", "......")
MAPS = np.stack([HALO, SPOT, TWO])
BOXES = [[[1, 1, 5, 5]], [[2, 2, 4, 4], [0, 0, 0, 0]], [[4, 1, 5, 2]]]
THREE = np.array([0.1, 0.25, 0.6])
IMAGES = st.lists(
    st.tuples(
        arrays(np.uint8, (6, 6), elements=st.sampled_from([0, 0, 60, 127, 128, 255]), fill=st.nothing()).map(
            lambda map_: map_ / 255
        ),
        st.lists(st.sampled_from([(0, 0, 5, 5), (1, 1, 3, 4), (2, 0, 5, 2), (3, 3, 4, 4)]), min_size=1, max_size=2),
    ),
    min_size=1,
    max_size=4,
)


def filled(metric, maps=MAPS, boxes=BOXES, **options):
    metric.update(maps, boxes, **options)
    return metric


def curves(metric):
    return metric.details()["curves"]


def test_max_box_acc_uses_the_best_threshold_of_all_images():
    """Below 127 of 255 the halo is right, above it is not; the spot is right at all, the other object at none."""
    metric = filled(MaxBoxAcc())
    assert metric.compute().item() == pytest.approx(200 / 3)
    assert metric.best() == (0,)
    curve = curves(metric)[0]
    assert set(curve[:499].round(6)) == {66.666667}
    assert set(curve[499:].round(6)) == {33.333333}


def test_v2_counts_every_contour_and_means_over_three_overlaps():
    metric = filled(MaxBoxAccV2())
    assert metric.compute().item() == 100.0
    # The halo's own core, 3 x 3 of 5 x 5 inclusive, is right at .3 only.
    assert curves(metric)[:, 600].round(6).tolist() == [66.666667, 33.333333, 33.333333]
    assert metric.details()["curves"].shape == (3, 1000)
    assert metric.correct_boxes.overlaps == (0.3, 0.5, 0.7)


def test_convention_an_overlap_of_exactly_a_half_is_right():
    """Inclusive corners: [0, 0, 1, 0] is half of [0, 0, 3, 0]."""
    half = np.array([[[1.0, 0, 0, 0, 0]]])
    assert filled(MaxBoxAcc(), half, [[[0, 0, 3, 0]]]).compute() == 100
    assert filled(MaxBoxAcc((np.nextafter(0.5, 1),)), half, [[[0, 0, 3, 0]]]).compute() == 0


def test_convention_thresholds_are_exclusive_in_the_reference_and_inclusive_in_native():
    """A quarter of the peak at the threshold of a quarter: 63 of 255 is not above int(.25 * 255) = 63."""
    quarter = np.array([[[1.0, 0.25, 0.25, 0.25, 0.25, 0.25]]])
    at = {"thresholds": np.array([0.25])}
    assert filled(MaxBoxAcc(**at), quarter, [[[0, 0, 5, 0]]]).compute() == 0
    assert filled(MaxBoxAcc(protocol="native", **at), quarter, [[[0, 0, 6, 1]]]).compute() == 100


def test_convention_a_tie_goes_to_the_last_in_the_reference_and_to_the_first_in_native():
    tie = drawn("##.##", "##.##")[None]
    right, left = [[[3, 0, 4, 1]]], [[[0, 0, 2, 2]]]
    assert filled(MaxBoxAcc(), tie, right).compute() == 100
    assert filled(MaxBoxAcc(), tie, left).compute() == 0
    assert filled(GTKnownLoc(0.5), tie, left).compute() == 100
    assert filled(GTKnownLoc(0.5), tie, right).compute() == 0


def test_gt_known_loc_scores_the_box_of_a_localizer():
    boxes = [[boxes_from_heatmap(map_, 0.6)[0]] for map_ in MAPS]
    assert filled(GTKnownLoc(0.6), MAPS, boxes).compute() == 100
    assert filled(GTKnownLoc(0.4), MAPS, boxes).compute() == pytest.approx(200 / 3)  # 4 of 16 of the halo
    assert filled(GTKnownLoc(), MAPS, boxes).details()["best_threshold"].tolist() == [0.501]


def test_protocols_have_their_own_thresholds():
    assert np.array_equal(MaxBoxAcc().thresholds, THRESHOLDS)
    assert np.array_equal(MaxBoxAccV2(protocol="native").thresholds, NATIVE_THRESHOLDS)
    assert np.array_equal(GTKnownLoc().thresholds, NATIVE_THRESHOLDS)
    assert np.array_equal(GTKnownLoc(protocol="reference").thresholds, THRESHOLDS)
    assert MaxBoxAcc(thresholds=[0.1, 0.2]).thresholds.tolist() == [0.1, 0.2]


LOGITS = [[0.9, 0.5, 0.1], [0.1, 0.9, 0.5], [0.9, 0.5, 0.1]]


@pytest.mark.parametrize(
    ("k", "labels", "percent"),
    [
        pytest.param(1, [0, 1, 0], 200 / 3, id="all classes are right: as GT-known"),
        pytest.param(1, [1, 1, 0], 100 / 3, id="one is second"),
        pytest.param(2, [1, 1, 0], 200 / 3, id="and among the first two"),
        pytest.param(2, [2, 0, 0], 0, id="both boxes are right, and no class"),
        pytest.param(5, [2, 0, 2], 200 / 3, id="more than there are classes"),
        pytest.param(1, [0, 0, 0], 100 / 3, id="right class, wrong box does not count"),
    ],
)
def test_top_k_loc_wants_box_and_class(k, labels, percent):
    metric = filled(
        TopKLoc(k, 0.4), boxes=[[[1, 1, 5, 5]], [[2, 2, 4, 4]], [[4, 1, 5, 2]]], logits=LOGITS, labels=labels
    )
    assert metric.compute().item() == pytest.approx(percent)


def test_top_k_loc_is_top_1_loc_and_keeps_its_threshold():
    assert TopKLoc().k == 1
    assert TopKLoc(threshold=0.4).thresholds.tolist() == TopKLoc(5, 0.4).thresholds.tolist() == [0.4]


def test_top_k_loc_with_the_reference_protocol():
    metric = filled(TopKLoc(1, protocol="reference"), logits=torch.tensor(LOGITS), labels=torch.tensor([0, 2, 0]))
    assert metric.compute().item() == pytest.approx(100 / 3)


def test_k_below_1_is_refused():
    with refused("out-of-range", "k", 0):
        TopKLoc(0)


def test_each_map_needs_a_label():
    metric = TopKLoc()
    with refused("length-mismatch", 3, 2):
        metric.update(MAPS, BOXES, logits=LOGITS[:2], labels=[0, 1])
    assert metric.total == 0


@pytest.mark.parametrize(
    ("maps", "boxes", "code", "value"),
    [
        pytest.param(MAPS, BOXES[:2], "length-mismatch", 2, id="too few lists"),
        pytest.param(MAPS[:1], [[]], "shape-mismatch", (0,), id="an image without boxes"),
        pytest.param(MAPS[:1], [[1, 1, 4, 4]], "shape-mismatch", (4,), id="not a list of boxes"),
        pytest.param(MAPS[:1] * 2, BOXES[:1], "out-of-range", "0 to 2", id="not normalized"),
        pytest.param(MAPS[0], BOXES[:1], "shape-mismatch", (6, 6), id="one map"),
    ],
)
@pytest.mark.parametrize("metric", [MaxBoxAcc, MaxBoxAccV2])
def test_unusable_maps_and_boxes_are_refused_and_not_counted(metric, maps, boxes, code, value):
    metric = metric()
    with refused(code, value):
        metric.update(maps, boxes)
    assert metric.total == 0


@pytest.mark.parametrize("metric", [MaxBoxAcc, MaxBoxAccV2, GTKnownLoc])
def test_tensors_arrays_lists_and_precisions_give_the_same(metric):
    expected = curves(filled(metric()))
    for maps in (torch.from_numpy(MAPS), torch.from_numpy(MAPS).float(), MAPS.astype(np.float16), MAPS.tolist()):
        for boxes in (BOXES, [torch.tensor(one) for one in BOXES], [np.array(one, np.int16) for one in BOXES]):
            np.testing.assert_array_equal(curves(filled(metric(), maps, boxes)), expected)


def test_groups_equal_separate_metrics():
    groups = np.array([1, 0, 1])
    together = filled(MaxBoxAccV2(groups=3), groups=groups)
    for group in (0, 1):
        chosen = np.flatnonzero(groups == group)
        alone = filled(MaxBoxAccV2(), MAPS[chosen], [BOXES[i] for i in chosen])
        assert together.per_group()[group] == pytest.approx(alone.compute().item(), rel=1e-6)
        assert together.per_group(at=[600] * 3)[group] == pytest.approx(alone.at([600] * 3))
    assert np.isnan(together.per_group()[2])


def test_groups_of_top_k_loc():
    metric = filled(TopKLoc(1, 0.4, groups=2), logits=LOGITS, labels=[0, 0, 0], groups=np.array([0, 1, 1]))
    assert metric.per_group().tolist() == [100, 0]


def test_batches_reset_pickling_and_merging_give_the_whole():
    whole = filled(MaxBoxAccV2())
    part, rest = filled(MaxBoxAccV2(), MAPS[:1], BOXES[:1]), filled(MaxBoxAccV2(), MAPS[:2], BOXES[:2])
    rest.reset()
    rest.update(MAPS[1:], BOXES[1:])
    part.merge_state(pickle.loads(pickle.dumps(rest)))
    np.testing.assert_array_equal(curves(part), curves(whole))
    one_by_one = MaxBoxAccV2()
    for map_, boxes in zip(MAPS, BOXES, strict=True):
        one_by_one.update(map_[None], [boxes])
    np.testing.assert_array_equal(curves(one_by_one), curves(whole))


def test_calling_a_metric_gives_the_batch_and_adds_it():
    metric = MaxBoxAcc()
    assert [metric(MAPS[i : i + 1], BOXES[i : i + 1]).item() for i in range(3)] == [100, 100, 0]
    np.testing.assert_array_equal(curves(metric), curves(filled(MaxBoxAcc())))


def test_calling_a_metric_counts_the_images_of_each_batch_anew():
    """Else all batches had the same bootstrap counts, and a batch of one image would leave no width at all."""
    boxes = [BOXES[1], [[0, 0, 0, 0]]] * 20
    called, updated = MaxBoxAcc(samples=200), MaxBoxAcc(samples=200)
    for one in boxes:
        called(SPOT[None], [one])
        updated.update(SPOT[None], [one])
    assert called.interval() == updated.interval()


def test_interval_contains_the_metric():
    metric = MaxBoxAcc(samples=500)
    metric.update(np.stack([SPOT] * 40), [BOXES[1], BOXES[2]] * 20)
    low, high = metric.interval()
    assert 30 < low < metric.compute() == 50 < high < 70


def test_convention_thresholds_in_single_precision_equal_those_of_a_localizer():
    """0.7 in single precision is below 0.7 in double, but it is at the threshold 0.7 of its own map."""
    heatmap = np.array([[1.0, 0.7, 0.7, 0.7]], np.float32)
    box = boxes_from_heatmap(heatmap, 0.7)
    assert box.tolist() == [[0, 0, 4, 1]]
    assert filled(GTKnownLoc(0.7), heatmap[None], [box]).compute() == 100


@given(IMAGES, st.sampled_from([MaxBoxAcc, MaxBoxAccV2]))
def test_reference_metrics_equal_a_loop_over_opencv(images, kind):
    maps, boxes = zip(*images, strict=True)
    metric = filled(kind(thresholds=THREE), np.stack(maps), boxes)
    found = [best_overlaps(map_, true, metric.correct_boxes.regions, THREE) for map_, true in images]
    expected = np.array([box_accuracy(found, least) for least in metric.correct_boxes.overlaps])
    np.testing.assert_allclose(curves(metric), expected, rtol=1e-15)
    assert metric.compute().item() == pytest.approx(expected.max(axis=1).mean(), rel=1e-6)


@given(IMAGES)
def test_gt_known_loc_equals_localizing_image_by_image(images):
    maps, boxes = zip(*images, strict=True)
    metric = filled(GTKnownLoc(0.25), np.stack(maps), boxes)
    right = [best_overlap(boxes_from_heatmap(map_, 0.25)[:1].tolist(), true, more=0) >= 0.5 for map_, true in images]
    assert metric.compute().item() == pytest.approx(100 * sum(right) / len(right), rel=1e-6)


@given(IMAGES, st.data())
def test_top_1_is_never_above_top_2_nor_that_above_gt_known(images, data):
    maps, boxes = zip(*images, strict=True)
    logits = data.draw(arrays(np.float64, (len(maps), 3), elements=st.integers(0, 3)))
    labels = data.draw(arrays(np.int64, len(maps), elements=st.integers(0, 2)))
    tops = [filled(TopKLoc(k, 0.25), np.stack(maps), boxes, logits=logits, labels=labels).compute() for k in (1, 2, 3)]
    assert tops == sorted(tops)
    assert tops[2] == filled(GTKnownLoc(0.25), np.stack(maps), boxes).compute()


def test_the_seed_is_that_of_the_interval():
    maps, boxes = np.zeros((20, 224, 224)), [[[0, 0, 112, 224]]] * 20
    maps[:9, :, :112] = 1
    intervals = []
    for seed in (1, 2, 1):
        metric = MaxBoxAcc(samples=60, seed=seed)
        metric.update(maps, boxes)
        intervals.append(metric.interval())
    assert intervals[0] == intervals[2] != intervals[1]
