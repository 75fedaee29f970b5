import numpy as np
import pytest
import torch
from scipy.ndimage import convolve1d
from sklearn.covariance import EmpiricalCovariance

from weakspot.models.object_targets import ObjectTarget
from weakspot.models.position_head import PositionHead, blur, fit_position_head, mean_of_groups, pool, smooth

BACKGROUND = 1


def images(count, seed=0):
    """Features of images in turns without an object, and with one of class 0 or 2 at a single position each."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 6, 10, 10, generator=generator)
    targets, places = torch.zeros(count, 3), []
    for i in range(count):
        label = (BACKGROUND, 0, BACKGROUND, 2)[i % 4]
        targets[i, label] = 1
        y, x = torch.randint(1, 9, (2,), generator=generator).tolist()
        places.append((y, x))
        if label != BACKGROUND:
            features[i, label, y, x] += 12
    return features, targets, places


@pytest.fixture(scope="module")
def fitted():
    features, targets, _ = images(96)
    return fit_position_head(features, targets, BACKGROUND, seed=0)


@pytest.mark.parametrize("label", [0, 2])
def test_the_peak_is_on_an_object_of_one_position_or_beside_it(label, fitted):
    features, targets, places = images(32, seed=1)
    chosen = [i for i in range(32) if targets[i, label] == 1]
    maps = fitted(features[chosen], torch.full((len(chosen), 1), label))[:, 0]
    peaks = np.array([divmod(int(peak), 10) for peak in maps.flatten(1).argmax(dim=1)])
    offsets = np.abs(peaks - np.array([places[i] for i in chosen])).max(axis=1)  # both terms are averages of positions
    assert offsets.max() <= 1
    assert (offsets == 0).mean() >= 0.7


def test_no_position_is_below_the_mean_of_normal_ones(fitted):
    maps = fitted(images(8, seed=3)[0], torch.tensor([[0, 2]] * 8))
    assert maps.min() == 0
    assert (maps == 0).float().mean() > 0.3


def test_logits_are_blurred(fitted):
    features = images(4, seed=3)[0]
    logits = fitted.logits(features)
    expected = blur(logits - logits[:, BACKGROUND : BACKGROUND + 1])
    torch.testing.assert_close(fitted.terms(features)[:, :-1], expected)


def test_a_blur_equals_scipys_inside_and_keeps_constants():
    maps = torch.randn(2, 3, 7, 6, generator=torch.Generator().manual_seed(0))
    expected = convolve1d(convolve1d(maps.numpy(), [0.25, 0.5, 0.25], axis=2), [0.25, 0.5, 0.25], axis=3)
    np.testing.assert_allclose(blur(maps)[..., 1:-1, 1:-1].numpy(), expected[..., 1:-1, 1:-1], atol=1e-6)
    assert blur(torch.full((1, 1, 3, 4), 5.0)).tolist() == torch.full((1, 1, 3, 4), 5.0).tolist()


def test_maps_tell_the_classes_apart_where_the_distance_cannot(fitted):
    features, targets, places = images(32, seed=1)
    for i in range(32):
        if targets[i, 0] == 1:
            right, wrong = fitted(features[i : i + 1], torch.tensor([[0, 2]]))[0, :, places[i][0], places[i][1]]
            assert right > wrong + 3


def test_terms_are_standardized_at_normal_positions(fitted):
    features, targets, _ = images(96)
    normal = fitted.terms(features[targets[:, BACKGROUND] == 1])
    standardized = (normal - fitted.shift[:, None, None]) / fitted.scale[:, None, None]
    assert standardized.mean(dim=(0, 2, 3)).abs().max() < 1e-4
    assert standardized.std(dim=(0, 2, 3))[[0, 2, 3]].numpy() == pytest.approx(1, abs=1e-3)
    assert not standardized[:, BACKGROUND].any()


def test_the_distance_equals_scikit_learns(fitted):
    """Up to the shrinkage; scikit-learn returns the squared distance, summed over the channels."""
    features, targets, _ = images(96)
    normal = smooth(features[targets[:, BACKGROUND] == 1]).permute(0, 2, 3, 1).reshape(-1, 6).numpy()
    reference = EmpiricalCovariance().fit(normal)
    tested = smooth(images(4, seed=2)[0]).permute(0, 2, 3, 1).reshape(-1, 6).numpy()
    found = fitted.distance(images(4, seed=2)[0]).flatten().exp().numpy() * 6
    np.testing.assert_allclose(found, reference.mahalanobis(tested), rtol=0.01)


def with_companions(count, seed=0):
    """As images, but the object of class 0 always has a companion at another position, which is as distinct."""
    features, targets, places = images(count, seed)
    for i in range(count):
        if targets[i, 0] == 1:
            features[i, 4, 9 - places[i][0], 9 - places[i][1]] += 12
    return features, targets, places


@pytest.mark.parametrize("kind", ["box", "mask", "point"])
def test_some_located_objects_tell_the_object_from_its_companion(kind):
    features, targets, places = with_companions(96)
    chosen = [i for i in range(96) if targets[i, 0] == 1]
    located = [located_at(kind, *places[i]) if i in chosen[:8] else None for i in range(96)]
    assert share_on_objects(fit_position_head(features, targets, BACKGROUND, seed=0, located=located)) >= 0.9
    assert share_on_objects(fit_position_head(features, targets, BACKGROUND, seed=0)) <= 0.8


def located_at(kind, y, x):
    if kind == "mask":
        mask = torch.zeros(10, 10)
        mask[y, x] = 1
        return ObjectTarget(mask=mask)
    if kind == "point":
        return ObjectTarget(points=torch.tensor([[x + 0.5, y + 0.5]]) / 10)
    return ObjectTarget(torch.tensor([[x, y, x + 1.0, y + 1.0]]) / 10)


def share_on_objects(head):
    """Share of new images whose peak is nearer to the object than to its companion."""
    features, targets, places = with_companions(64, seed=1)
    chosen = [i for i in range(64) if targets[i, 0] == 1]
    maps = head(features[chosen], torch.zeros(len(chosen), 1, dtype=torch.long))[:, 0]
    near = []
    for one, (y, x) in zip(maps, [places[i] for i in chosen], strict=True):
        row, column = divmod(int(one.argmax()), 10)
        near.append(abs(row - y) + abs(column - x) < abs(row - 9 + y) + abs(column - 9 + x))
    return np.mean(near)


def test_an_image_has_half_the_mean_and_half_that_of_its_best_positions():
    logits = torch.zeros(1, 1, 10, 10)
    logits[0, 0, 3, 4], logits[0, 0, 7, 7], logits[0, 0, 0, 0] = 10, 6, 4
    assert pool(logits).item() == pytest.approx((20 / 100 + (10 + 6) / 2) / 2)


@pytest.mark.parametrize("groups", [1, 4])
def test_groups_are_merged_to_their_mean(groups):
    layer, merged = torch.nn.Conv2d(8 * groups, 3 * groups, 1, groups=groups), torch.nn.Conv2d(8 * groups, 3, 1)
    merged.load_state_dict(mean_of_groups(layer))
    inputs = torch.randn(2, 8 * groups, 5, 4, generator=torch.Generator().manual_seed(0))
    expected = sum(layer(inputs)[:, 3 * i : 3 * i + 3] for i in range(groups)) / groups
    torch.testing.assert_close(merged(inputs), expected)


def test_fitting_is_a_function_of_the_seed_and_of_nothing_else():
    features, targets, _ = images(12)
    torch.manual_seed(5)
    first = fit_position_head(features, targets, BACKGROUND, seed=3).state_dict()
    state = torch.get_rng_state()
    second = fit_position_head(features, targets, BACKGROUND, seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    other = fit_position_head(features, targets, BACKGROUND, seed=4).state_dict()
    assert not torch.equal(first["hidden.weight"], other["hidden.weight"])


def test_constant_features_of_normal_images_give_finite_maps():
    features, targets, _ = images(8)
    features[targets[:, BACKGROUND] == 1] = 0.5
    head = fit_position_head(features, targets, BACKGROUND, seed=0)
    assert head(features, torch.zeros(8, 1, dtype=torch.long)).isfinite().all()


def test_a_head_that_is_not_fitted_has_maps_of_each_class_that_is_asked_for():
    head = PositionHead(6, 3).eval()
    features = images(2)[0]
    several = head(features, torch.tensor([[2, 0], [1, 2]]))
    assert several.shape == (2, 2, 10, 10)
    assert torch.equal(
        several[:, 0], torch.stack([head(features[i : i + 1], torch.tensor([[c]]))[0, 0] for i, c in ((0, 2), (1, 1))])
    )
