import torch

from weakspot.models.class_directions import find_contrasts
from weakspot.models.object_head import ObjectHead, fit_object_head
from weakspot.models.object_targets import ObjectTarget, grid_boxes


def objects(count, seed=0):
    """Squares that the second feature channel shows with noise; the maps show only a part of each."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 4, 12, 12, generator=generator)
    maps, targets = torch.zeros(count, 3, 12, 12), []
    for i in range(count):
        x, y = torch.randint(0, 7, (2,), generator=generator).tolist()
        features[i, 1, y : y + 5, x : x + 5] += 5
        maps[i, :, y : y + 2, x : x + 2] = 1
        targets.append(ObjectTarget(torch.tensor([[x, y, x + 5, y + 5]]) / 12))
    return features, maps, targets


def fitted(count, seed):
    features, maps, targets = objects(count)
    contrasts = find_contrasts(features, targets, torch.zeros(count, dtype=torch.long))
    return fit_object_head(features, maps, targets, contrasts, num_classes=1, seed=seed)


def test_boxes_teach_what_the_maps_do_not_show():
    head = fitted(24, seed=0)
    features, maps, targets = objects(8, seed=1)
    found = head(features, maps[:, None], torch.zeros(8, 1, dtype=torch.long))[:, 0] > 0
    expected = torch.zeros_like(found)
    for image, target in zip(expected, targets, strict=True):
        ((x1, y1, x2, y2),) = grid_boxes(target.boxes, (12, 12))
        image[y1:y2, x1:x2] = True
    union = (found | expected).sum()
    assert ((found & expected).sum() / union).item() > 0.8
    assert ((maps[:, 0] > 0) & expected).sum() / union < 0.2


def test_fitting_is_a_function_of_the_seed_and_of_nothing_else():
    torch.manual_seed(5)
    first = fitted(9, seed=3).state_dict()
    state = torch.get_rng_state()
    second = fitted(9, seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = fitted(9, seed=4).state_dict()
    assert not torch.equal(first["output.weight"], other["output.weight"])


def test_each_class_has_a_map_of_its_own_and_the_share_weighs_the_head():
    head = ObjectHead(4, 3).eval().requires_grad_(False)
    head.directions.weights[2] = torch.randn(4, generator=torch.Generator().manual_seed(0))
    classes = torch.tensor([[0, 2], [2, 0]])
    features, maps, _ = objects(2)
    both = torch.stack([maps, 1 - maps], dim=1)
    logits = head(features, both, classes)
    assert logits.shape == (2, 2, 12, 12)
    torch.testing.assert_close(logits[:, 1], head(features, (1 - maps)[:, None], classes[:, 1:])[:, 0])
    same = head(features, both[:, :1].expand(-1, 2, -1, -1, -1), classes)
    assert not torch.equal(same[:, 0], same[:, 1])  # by their directions
    head.share.fill_(0.25)
    expected = 0.75 * both[:, :, 0] + 0.25 * torch.sigmoid(logits)
    torch.testing.assert_close(head.combine(features, both, classes), expected)
