import numpy as np
import pytest
import torch

from weakspot.models.class_directions import find_contrasts, fit_directions, held_out_probabilities
from weakspot.models.object_targets import ObjectTarget

SIDE = 12


def images(count, seed=0, num_classes=2):
    """Squares that the feature channel of their class shows with noise."""
    generator = torch.Generator().manual_seed(seed)
    features, targets = torch.randn(count, 5, SIDE, SIDE, generator=generator), []
    classes = torch.arange(count) % num_classes
    for i in range(count):
        x, y = torch.randint(0, 7, (2,), generator=generator).tolist()
        features[i, classes[i], y : y + 5, x : x + 5] += 4
        targets.append(ObjectTarget(torch.tensor([[x, y, x + 5, y + 5]]) / SIDE))
    return features, targets, classes


def share_right(probability, targets):
    found = [(p > 0.5).float() for p in probability]
    expected = torch.zeros(len(found), SIDE, SIDE)
    for image, target in zip(expected, targets, strict=True):
        x1, y1, x2, y2 = (target.boxes[0] * SIDE).round().int().tolist()
        image[y1:y2, x1:x2] = 1
    return (torch.stack(found) == expected).float().mean().item()


def test_directions_are_fishers_linear_discriminant():
    """Of one class and without images of others: against the textbook in numpy."""
    features, targets, classes = images(6, num_classes=1)
    found = fit_directions(find_contrasts(features, targets, classes), 1)
    differences, middles = [], []
    for image, target in zip(features.double().numpy(), targets, strict=True):
        x1, y1, x2, y2 = (target.boxes[0].numpy() * SIDE).round().astype(int)
        inside = np.zeros((SIDE, SIDE), bool)
        inside[y1:y2, x1:x2] = True
        on, off = image[:, inside].mean(axis=1), image[:, ~inside].mean(axis=1)
        differences.append(on - off)
        middles.append((on + off) / 2)
    covariance = np.cov(np.moveaxis(features.numpy(), 1, -1).reshape(-1, 5).T, bias=True)
    covariance += 0.1 * covariance.trace() / 5 * np.eye(5)
    weights = np.linalg.solve(covariance, np.mean(differences, axis=0))
    assert found.weights[0].numpy() == pytest.approx(weights, rel=1e-3)
    assert found.offsets[0].item() == pytest.approx(-weights @ np.mean(middles, axis=0), rel=1e-3)


def test_each_class_has_a_direction_of_its_own_on_new_images():
    found = fit_directions(find_contrasts(*images(20)), 2)
    features, targets, classes = images(8, seed=1)
    own = found(features, classes[:, None])[:, 0]
    other = found(features, 1 - classes[:, None])[:, 0]
    assert share_right(own, targets) > 0.9
    assert share_right(own, targets) > share_right(other, targets) + 0.1


def test_a_class_without_images_has_the_common_direction():
    features, targets, classes = images(8, num_classes=1)
    found = fit_directions(find_contrasts(features, targets, classes), 3)
    assert found.weights[2].equal(found.weights[1])
    torch.testing.assert_close(found.weights[2], found.weights[0])


def test_held_out_probabilities_are_those_of_the_other_images():
    features, targets, classes = images(7)
    contrasts = find_contrasts(features, targets, classes)
    found = held_out_probabilities(features, contrasts)
    for i in (0, 3):
        others = np.delete(np.arange(7), i)
        expected = fit_directions(contrasts.of(others), 2)(features[i : i + 1], classes[i : i + 1, None])
        torch.testing.assert_close(found[i], expected[0, 0])


def test_images_of_which_object_or_background_is_not_known_are_left_out():
    features, targets, classes = images(6)
    everywhere = ObjectTarget(torch.tensor([[0.0, 0.0, 1.0, 1.0]]))
    unknown = [everywhere, ObjectTarget(), ObjectTarget(is_complete=False)]
    more = torch.cat([features, torch.randn(3, 5, SIDE, SIDE)])
    contrasts = find_contrasts(more, [*targets, *unknown], torch.cat([classes, torch.tensor([0, 0, 1])]))
    assert contrasts.is_known[:, 0].tolist() == [1] * 6 + [0] * 3
    found = fit_directions(contrasts, 2)
    known = fit_directions(contrasts.of(np.arange(6)), 2)
    torch.testing.assert_close(found.weights, known.weights)


def test_without_any_contrast_no_position_is_more_probable_than_another():
    features, _, classes = images(2)
    found = fit_directions(find_contrasts(features, [ObjectTarget()] * 2, classes), 2)
    assert found(features, classes[:, None]).unique().tolist() == [0.5]
