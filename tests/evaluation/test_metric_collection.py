import numpy as np
import pytest

from weakspot.evaluation.map_scores import Scores
from weakspot.evaluation.metric_collection import METRICS, MetricCollection
from weakspot.metrics import average_precision
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.ops.contours import THRESHOLDS

GROUPS = np.array([[0, 3], [1, 3], [0, 2], [2, 4], [0, 3], [1, 4]])
RANKS = [0, 3, 5, 1, 4, 0]


def overlaps(seed):
    """Overlaps that rise and fall with the threshold, best at a place of their own."""
    best = np.random.default_rng(seed).uniform(0.1, 0.9)
    return np.clip(0.95 - 4 * (np.linspace(0, 1, 1000) - best) ** 2, 0, 1)


def pixels(seed):
    return np.random.default_rng(seed).integers(0, 50, (2, 1002), dtype=np.int32)


def scores(seed, boxes=True, masks=True):
    curves = [overlaps(10 * seed + i) for i in range(4)]
    return Scores(
        largest=curves[0] if boxes else None,
        every=curves[1] if boxes else None,
        native=curves[2] if boxes else None,
        mask=curves[3] if masks else None,
        pixels=pixels(seed) if masks else None,
    )


def filled(rows, ranks=RANKS, members=GROUPS, **options):
    tally = MetricCollection(**options)
    for start in range(0, len(rows), 4):
        part = slice(start, start + 4)
        tally.update(rows[part], ranks[part], members[part])
    return tally


ROWS = [scores(i) for i in range(6)]
AT = {"MaxBoxAcc": (300,), "MaxBoxAccV2": (100, 400, 700), "GT-known Loc": (250,), "mask IoU": (600,)}
AT |= dict.fromkeys(("Top-1 Loc", "Top-5 Loc"), (250,))


def curve(values, least):
    return 100 * np.mean([one >= least for one in values], axis=0)


def expected():
    """Each metric's curves, worked out image by image."""
    plain = np.array([one.native >= 0.5 for one in ROWS])
    hits = np.array(RANKS)[:, None]
    return {
        "MaxBoxAcc": [curve([one.largest for one in ROWS], 0.5)],
        "MaxBoxAccV2": [curve([one.every for one in ROWS], least) for least in (0.3, 0.5, 0.7)],
        "GT-known Loc": [100 * plain.mean(axis=0)],
        "Top-1 Loc": [100 * (plain & (hits < 1)).mean(axis=0)],
        "Top-5 Loc": [100 * (plain & (hits < 5)).mean(axis=0)],
        "mask IoU": [100 * np.mean([one.mask for one in ROWS], axis=0)],
    }


def test_figures_are_those_of_counting_by_hand():
    figures = filled(ROWS).compute(AT)
    assert list(figures) == list(METRICS)
    for name, curves in expected().items():
        known = THRESHOLDS if name.startswith("MaxBox") else NATIVE_THRESHOLDS
        figure = figures[name]
        assert figure.images == 6
        assert figure.oracle == pytest.approx(np.mean([one.max() for one in curves]), abs=1e-4)
        assert figure.oracle_thresholds == tuple(known[one.argmax()] for one in curves)
        assert figure.fixed == pytest.approx(np.mean([one[at] for one, at in zip(curves, AT[name], strict=True)]))
        assert figure.fixed_thresholds == tuple(known[list(AT[name])])
        assert figure.oracle_interval is figure.fixed_interval is None


def test_pxap_pools_the_pixels_of_all_images_and_has_no_threshold():
    figure = filled(ROWS).compute(AT)["PxAP"]
    pooled = float(average_precision(np.sum([one.pixels for one in ROWS], axis=0)))
    assert figure.oracle == figure.fixed == pytest.approx(pooled, abs=1e-4)
    assert figure.oracle_thresholds == figure.fixed_thresholds == ()


def test_oracle_is_never_below_fixed():
    for name, figure in filled(ROWS).compute(AT).items():
        assert figure.oracle >= figure.fixed, name


def test_at_the_same_threshold_oracle_and_fixed_are_the_same_to_the_last_digit():
    rows = [Scores(*(np.full(1000, right),) * 3, None, None) for right in (1.0, 0.0, 0.0)]
    figure = filled(rows, [0, 0, 0], GROUPS[:3]).compute({"GT-known Loc": (0,)})["GT-known Loc"]
    assert figure.oracle == figure.fixed == 100 / 3


def test_without_a_fixed_threshold_there_is_no_fixed_figure():
    figures = filled(ROWS).compute({})
    assert np.isnan(figures["MaxBoxAcc"].fixed)
    assert figures["MaxBoxAcc"].fixed_thresholds == ()
    assert figures["MaxBoxAcc"].oracle > 0


def test_each_metric_counts_only_the_images_that_it_is_about():
    rows = [scores(0, masks=False), scores(1), scores(2, boxes=False), scores(3, masks=False)]
    figures = filled(rows, [0, 0, 0, None], GROUPS[:4]).compute({})
    assert {name: figure.images for name, figure in figures.items()} == {
        "MaxBoxAcc": 3,
        "MaxBoxAccV2": 3,
        "GT-known Loc": 3,
        "Top-1 Loc": 2,
        "Top-5 Loc": 2,
        "mask IoU": 2,
        "PxAP": 2,
    }


def test_what_no_image_has_is_not_measured():
    assert filled([scores(0, masks=False)], [None], GROUPS[:1]).measured() == [
        "MaxBoxAcc",
        "MaxBoxAccV2",
        "GT-known Loc",
    ]
    assert filled([scores(0, boxes=False)], [0], GROUPS[:1]).measured() == ["mask IoU", "PxAP"]


def test_convention_best_thresholds_are_the_middle_of_those_with_the_best_values_and_loc_shares_them():
    best = filled(ROWS).best_thresholds()
    for name, curves in expected().items():
        if not name.startswith("Top"):
            ties = [np.flatnonzero(one == one.max()) for one in curves]
            assert best[name] == tuple(one[(len(one) - 1) // 2] for one in ties)
    assert best["Top-1 Loc"] == best["Top-5 Loc"] == best["GT-known Loc"]
    assert "PxAP" not in best


def test_groups_are_the_figures_of_their_images_alone():
    of_groups = filled(ROWS, groups=5).compute_groups(AT)
    assert set(of_groups) == set(METRICS)
    for group in range(5):
        members = [i for i, row in enumerate(GROUPS) if group in row]
        alone = filled([ROWS[i] for i in members], [RANKS[i] for i in members], GROUPS[members]).compute(AT)
        for name, values in of_groups.items():
            assert values[group] == pytest.approx(alone[name].fixed, abs=1e-4), (name, group)


def test_a_group_without_images_has_no_figure():
    of_groups = filled(ROWS[:2], groups=5, ranks=[0, 1]).compute_groups(AT)
    assert np.isnan(of_groups["GT-known Loc"][4])
    assert np.isnan(of_groups["PxAP"][2])
    assert not np.isnan(of_groups["PxAP"][3])


def test_intervals_hold_their_figure_and_come_again_with_the_seed():
    one, same, other = (filled(ROWS, samples=300, seed=seed).compute(AT) for seed in (1, 1, 2))
    assert one == same
    assert one["mask IoU"].fixed_interval != other["mask IoU"].fixed_interval
    for name, figure in one.items():
        low, high = figure.fixed_interval
        assert low <= figure.fixed <= high, name
        assert 0 <= low < high <= 100, name


def test_one_mask_without_an_object_does_not_take_the_figure_of_all_others():
    empty = Scores(None, None, None, np.full(1000, np.nan), pixels(7))
    figures = filled([scores(0), empty, scores(1)], [0, 0, 0], GROUPS[:3]).compute({"mask IoU": (400,)})
    expected_figure = 50 * (scores(0).mask[400] + scores(1).mask[400])
    assert figures["mask IoU"].fixed == pytest.approx(expected_figure)
