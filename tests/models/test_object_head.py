import math

import pytest
import torch

from weakspot.models.object_head import ObjectHead, box_loss, fit_object_head, grid_boxes

SOFT = math.log(2)  # cross entropy of a logit of 0


def test_loss_of_logits_of_zero_is_that_outside_and_that_of_the_projections():
    assert box_loss(torch.zeros(1, 4, 4), [[(1, 1, 3, 4)]]).item() == pytest.approx(2 * SOFT)


def test_loss_is_small_if_each_row_and_column_of_a_box_holds_an_object_and_nothing_is_outside():
    logits = torch.full((1, 4, 4), -20.0)
    logits[0, [1, 2], [2, 1]] = 20.0  # a diagonal reaches all sides of the box
    assert box_loss(logits, [[(1, 1, 3, 3)]]).item() < 1e-6
    assert box_loss(logits, [[(1, 1, 4, 3)]]).item() > 3  # the last column of the box is empty
    assert box_loss(logits, [[(1, 1, 2, 3)]]).item() > 1  # an object is outside


def test_an_image_without_a_box_is_background():
    assert box_loss(torch.zeros(2, 3, 3), [[], []]).item() == pytest.approx(SOFT)


def test_a_box_that_is_the_whole_image_leaves_no_background():
    assert box_loss(torch.full((1, 2, 2), 20.0), [[(0, 0, 2, 2)]]).item() < 1e-6


@pytest.mark.parametrize(
    ("box", "cells"),
    [
        ((0.0, 0.0, 1.0, 1.0), (0, 0, 8, 4)),
        ((0.5, 0.5, 0.51, 0.51), (4, 2, 5, 3)),
        ((1.0, 1.0, 1.0, 1.0), (7, 3, 8, 4)),
        ((-0.2, 0.1, 1.3, 0.4), (0, 0, 8, 2)),
    ],
)
def test_boxes_have_at_least_one_cell_and_lie_in_the_grid(box, cells):
    assert grid_boxes(torch.tensor([box]), (4, 8)) == [cells]


def objects(count, seed=0):
    """Squares that the second feature channel shows with noise; the maps show only a part of each."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 4, 12, 12, generator=generator)
    maps, boxes = torch.zeros(count, 3, 12, 12), []
    for i in range(count):
        x, y = torch.randint(0, 7, (2,), generator=generator).tolist()
        features[i, 1, y : y + 5, x : x + 5] += 5
        maps[i, :, y : y + 2, x : x + 2] = 1
        boxes.append(torch.tensor([[x, y, x + 5, y + 5]]) / 12)
    return features, maps, boxes


def test_boxes_teach_what_the_maps_do_not_show():
    head = fit_object_head(*objects(24), seed=0)
    features, maps, boxes = objects(8, seed=1)
    found = head(features, maps[:, None])[:, 0] > 0
    expected = torch.zeros_like(found)
    for image, box in zip(expected, boxes, strict=True):
        ((x1, y1, x2, y2),) = grid_boxes(box, (12, 12))
        image[y1:y2, x1:x2] = True
    union = (found | expected).sum()
    assert ((found & expected).sum() / union).item() > 0.8
    assert ((maps[:, 0] > 0) & expected).sum() / union < 0.2


def test_fitting_is_a_function_of_the_seed_and_of_nothing_else():
    torch.manual_seed(5)
    first = fit_object_head(*objects(9), seed=3).state_dict()
    state = torch.get_rng_state()
    second = fit_object_head(*objects(9), seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = fit_object_head(*objects(9), seed=4).state_dict()
    assert not torch.equal(first["output.weight"], other["output.weight"])


def test_each_class_has_a_map_of_its_own_and_the_share_weighs_the_head():
    head = ObjectHead(4).eval().requires_grad_(False)
    features, maps, _ = objects(2)
    both = torch.stack([maps, 1 - maps], dim=1)
    logits = head(features, both)
    assert logits.shape == (2, 2, 12, 12)
    torch.testing.assert_close(logits[:, 1], head(features, (1 - maps)[:, None])[:, 0])
    head.share.fill_(0.25)
    expected = 0.75 * both[:, :, 0] + 0.25 * torch.sigmoid(logits)
    torch.testing.assert_close(head.combine(features, both), expected)
