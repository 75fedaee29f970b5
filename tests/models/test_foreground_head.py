import pytest
import torch

from weakspot.models import ForegroundHead, fit_foreground, from_state_dict


def training_data(images=24, seed=0):
    """Channel 0 is high in a square of each image; the maps are wrong at a random tenth of the positions."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.zeros(images, 8, 8)
    for one in truth:
        y, x = torch.randint(0, 5, (2,), generator=generator)
        one[y : y + 4, x : x + 4] = 1
    features = torch.randn(images, 6, 8, 8, generator=generator)
    features[:, 0] += 4 * truth
    wrong = torch.rand(truth.shape, generator=generator) < 0.1
    return features, torch.where(wrong, 1 - truth, truth), truth


def test_a_head_learns_what_maps_have_in_common():
    features, maps, truth = training_data(96)
    head = fit_foreground(features, maps, seed=0)
    others, _, there = training_data(24, seed=1)
    right = ((head(others)[:, 0] > 0) == (there > 0)).float().mean()
    assert ((maps > 0.5) == (truth > 0)).float().mean() < 0.92
    assert right > 0.93


def test_the_same_seed_gives_the_same_head_and_leaves_the_generator_alone():
    features, maps, _ = training_data(4)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second, other = (fit_foreground(features, maps, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.layers[1].weight, other.layers[1].weight)


def test_a_head_is_fitted_in_inference_mode_and_frozen():
    features, maps, _ = training_data(4)
    with torch.inference_mode():
        head = fit_foreground(features, maps, seed=0)
    assert not head.training
    assert not any(parameter.requires_grad for parameter in head.parameters())


def test_maps_without_objects_yield_no_head():
    features, maps, _ = training_data(4)
    assert fit_foreground(features, torch.zeros_like(maps), seed=0) is None


def test_a_head_is_rebuilt_from_its_weights():
    head = fit_foreground(*training_data(4)[:2], seed=0)
    again = from_state_dict(head.state_dict())
    features = training_data(2, seed=3)[0]
    assert again.channels == 6
    assert torch.equal(again(features), head(features))


def test_other_weights_are_refused():
    with pytest.raises(KeyError):
        from_state_dict({"fc.weight": torch.zeros(3, 3)})
    weights = ForegroundHead(4).state_dict() | {"layers.5.bias": torch.zeros(9)}
    with pytest.raises(RuntimeError):
        from_state_dict(weights)
