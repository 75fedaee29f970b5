import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from weakspot.cams import self_correlation, unit_features
from weakspot.cams.self_correlation import resample


def plainly(class_map, levels, power):
    """The formula of the docstring, place by place, in float64."""
    n = class_map.size
    seeds = (class_map.ravel() - class_map.min()) / (class_map.max() - class_map.min())
    alike = np.zeros((n, n))
    for level in levels:
        places = level.reshape(len(level), n).T
        centred = places - places.mean(axis=0)
        for i in range(n):
            for j in range(n):
                lengths = np.linalg.norm(centred[i]) * np.linalg.norm(centred[j])
                alike[i, j] += centred[i] @ centred[j] / lengths / len(levels)
    alike = np.maximum(alike, 0) ** power
    return np.array([alike[i] @ seeds / alike[i].sum() for i in range(n)]).reshape(class_map.shape)


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_it_is_the_formula(power):
    random = np.random.default_rng(0)
    levels = [random.normal(size=(1, k, 3, 4)) for k in (5, 2)]
    maps = random.normal(size=(1, 2, 3, 4))
    found = self_correlation(
        torch.tensor(maps), unit_features([torch.tensor(one) for one in levels], (3, 4)), power=power
    )
    for c in range(2):
        np.testing.assert_allclose(found[0, c], plainly(maps[0, c], [one[0] for one in levels], power), rtol=1e-9)


def test_evidence_on_the_head_propagates_to_the_body_but_not_beyond():
    body = torch.zeros(1, 1, 4, 6)
    body[..., 1:3, 1:5] = 1
    head = torch.zeros(1, 1, 4, 6)
    head[..., 1, 1] = 5
    found = self_correlation(head, unit_features([body], (4, 6)))[0, 0]
    assert torch.equal(found > 0, body[0, 0] > 0)
    assert found[body[0, 0] > 0].unique().numel() == 1


def test_evidence_of_another_image_of_the_batch_does_not_matter():
    generator = torch.Generator().manual_seed(0)
    features, maps = torch.randn(2, 3, 4, 4, generator=generator), torch.randn(2, 1, 4, 4, generator=generator)
    alone = [self_correlation(maps[i : i + 1], unit_features([features[i : i + 1]], (4, 4))) for i in range(2)]
    torch.testing.assert_close(self_correlation(maps, unit_features([features], (4, 4))), torch.cat(alone))


def test_where_all_places_are_the_same_the_map_stays():
    maps = torch.tensor([[[[0.0, 1.0, 2.0]]]])
    found = self_correlation(maps, unit_features([torch.full((1, 7, 1, 3), 0.1)], (1, 3)))
    assert found.tolist() == [[[[0.0, 0.5, 1.0]]]]


def test_a_constant_map_holds_no_evidence():
    features = unit_features([torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(0))], (2, 2))
    assert not self_correlation(torch.full((1, 1, 2, 2), 3.0), features).any()


def test_unit_features_need_a_level():
    with pytest.raises(ValueError, match="must not be empty"):
        unit_features([], (2, 2))


def test_adding_to_a_level_or_scaling_it_changes_nothing():
    level = torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = unit_features([3 * level + torch.arange(4.0)[:, None, None]], (3, 3))
    torch.testing.assert_close(moved, unit_features([level], (3, 3)))


def test_convention_finer_levels_are_averaged_and_coarser_ones_interpolated():
    fine = torch.arange(16.0).view(1, 1, 4, 4)
    assert resample(fine, (2, 2)).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]
    assert resample(fine, (4, 4)) is fine
    coarse = torch.tensor([[[[0.0, 1.0]]]])
    expected = torch.nn.functional.interpolate(coarse, size=(1, 4), mode="bicubic", align_corners=False)
    assert torch.equal(resample(coarse, (1, 4)), expected)


@pytest.mark.parametrize("size", [(2, 4), (3, 4), (2, 6), (1, 3)])
def test_a_layer_that_is_finer_on_one_side_is_averaged(size):
    level = torch.randn(1, 2, 3, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(resample(level, size), torch.nn.functional.adaptive_avg_pool2d(level, size))


@pytest.mark.parametrize("size", [(4, 4), (2, 7), (6, 12)])
def test_a_layer_that_is_coarser_on_one_side_is_interpolated(size):
    level = torch.randn(1, 2, 3, 6, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.interpolate(level, size=size, mode="bicubic", align_corners=False)
    assert torch.equal(resample(level, size), expected)


def test_the_product_of_two_places_is_the_mean_of_the_levels_cosines():
    levels = [torch.tensor([[[[3.0, 1.0]]]]), torch.tensor([[[[1.0, 2.0]], [[5.0, 5.0]]]]), torch.ones(1, 4, 1, 2)]
    units = unit_features(levels, (1, 2)).flatten(2)[0]  # opposite in two levels, the third says nothing
    torch.testing.assert_close(units.T @ units, torch.tensor([[2.0, -2.0], [-2.0, 2.0]]) / 3)


def test_a_constant_layer_changes_no_map():
    maps, level = torch.tensor([[[[1.0, 0.0, 3.0, 0.0]]]]), torch.tensor([[[[1.0, 1.0, 5.0, 5.0]]]])
    alone = self_correlation(maps, unit_features([level], (1, 4)))
    with_others = self_correlation(maps, unit_features([level, *[torch.full((1, 3, 1, 4), 0.1)] * 3], (1, 4)))
    torch.testing.assert_close(with_others, alone)


@pytest.mark.parametrize("value", [0.0, 0.1, 1000.1])
def test_a_constant_layer_has_no_features_despite_rounding(value):
    varies = torch.randn(1, 7, 1, 3, generator=torch.Generator().manual_seed(0))
    features = unit_features([torch.cat([torch.full((1, 7, 1, 3), value), varies])], (1, 3))
    assert not features[0].any()
    torch.testing.assert_close(features[1].norm(dim=0), torch.ones(1, 3))


def test_a_faint_image_next_to_a_strong_one_keeps_its_features():
    faint = torch.randn(1, 5, 2, 3, generator=torch.Generator().manual_seed(0))
    together = unit_features([torch.cat([faint, 1e6 + 1e6 * faint])], (2, 3))
    torch.testing.assert_close(together[:1], unit_features([faint], (2, 3)))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(2, 5), st.floats(0.5, 3))
def test_the_result_lies_between_0_and_1(seed, channels, side, power):
    generator = torch.Generator().manual_seed(seed)
    features = unit_features([torch.randn(1, channels, side, side, generator=generator)], (side, side))
    found = self_correlation(torch.randn(1, 2, side, side, generator=generator), features, power=power)
    assert found.isfinite().all()
    assert found.min() >= 0
    assert found.max() <= 1 + 1e-5


HALF_ALIKE = torch.tensor([[[[1.0, 0.5, 0.0]], [[0.0, 0.75**0.5, 1.0]]]])  # cosines 1/2 and 3/4 ** (1/2)
PEAK = torch.tensor([[[[0.0, 3.0, 0.0]]]])


def test_the_power_is_one_and_a_half_by_default():
    found = self_correlation(PEAK, HALF_ALIKE)
    assert found.flatten().tolist() == pytest.approx(
        [0.5**1.5 / (1 + 0.5**1.5), found[..., 1].item(), 0.75**0.75 / (1 + 0.75**0.75)]
    )
    assert found[..., 1].item() == pytest.approx(1 / (1 + 0.5**1.5 + 0.75**0.75))


def test_autocast_does_not_reduce_precision():
    plain = self_correlation(PEAK, HALF_ALIKE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(self_correlation(PEAK, HALF_ALIKE), plain)


def test_features_may_be_less_precise_than_the_map():
    found = self_correlation(PEAK, HALF_ALIKE.bfloat16())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, self_correlation(PEAK, HALF_ALIKE), rtol=0.02, atol=0)
