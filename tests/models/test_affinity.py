import torch

from weakspot.cams import self_correlation, unit_features
from weakspot.models import ForegroundHead
from weakspot.models.affinity import FeatureAffinity, concat_features, correlation_grid, feature_affinity

FEATURES = (torch.randn(2, 3, 8, 8), torch.randn(2, 5, 4, 4))
CLASS_MAPS = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))


def test_positions_are_compared_on_the_coarsest_grid():
    assert correlation_grid(FEATURES) == (4, 4)
    assert concat_features(FEATURES, (4, 4)).shape == (2, 8, 4, 4)
    assert feature_affinity(FEATURES, None).grid == (4, 4)


def test_without_a_head_maps_are_only_propagated():
    units = unit_features(FEATURES, (4, 4))
    maps = torch.randn(2, 1, 4, 4)
    assert torch.equal(feature_affinity(FEATURES, None).propagate(maps), self_correlation(maps, units))


def test_maps_of_another_grid_are_resampled():
    assert feature_affinity(FEATURES, None).propagate(CLASS_MAPS).shape == (2, 3, 4, 4)
    assert feature_affinity(FEATURES, None).propagate(torch.randn(2, 1, 32, 32)).shape == (2, 1, 4, 4)


def test_evidence_counts_only_in_the_foreground():
    two_sides = torch.tensor([[[[1.0, 1.0, -1.0, -1.0]]]])
    foreground = torch.tensor([[[[1.0, 1.0, 0.0, 0.0]]]])
    evidence = torch.tensor([[[[0.6, 0.0, 1.0, 0.0]]]])
    found = FeatureAffinity(unit_features([two_sides], (1, 4)), foreground).propagate(evidence)
    assert found.tolist() == [[[[1.0, 1.0, 0.0, 0.0]]]]


def test_a_map_without_evidence_stays_zero_in_the_foreground():
    affinity = feature_affinity(FEATURES, ForegroundHead(8).eval())
    maps = torch.stack([torch.zeros(2, 4, 4), torch.eye(4).expand(2, 4, 4)], dim=1)
    found = affinity.propagate(maps)
    assert not found[:, 0].any()
    assert (found[:, 1] > 0).all()


def test_propagating_twice_covers_at_least_as_much():
    level = torch.linspace(-1, 1, 9).view(1, 1, 1, 9).repeat(1, 2, 1, 1)
    level[:, 1] = level[:, 1] ** 2
    affinity = feature_affinity([level], None)
    seed = torch.zeros(1, 1, 1, 9)
    seed[..., 0] = 1
    assert (affinity.propagate_twice(seed) > 0.5).sum() >= (affinity.propagate(seed) > 0.5).sum()
    assert affinity.propagate_twice(seed).max() == 1
