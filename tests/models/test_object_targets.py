import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from weakspot.models.object_targets import ObjectTarget, background, coverage, grid_boxes, object_loss

SOFT = math.log(2)  # cross entropy of a logit of 0


def boxed(*cells, side=4, **known):
    """A target with boxes in cells of a grid of ``side`` x ``side``."""
    return ObjectTarget(torch.tensor(cells).reshape(-1, 4) / side, **known)


def loss(logits, *targets):
    return object_loss(logits, targets).item()


def test_logits_of_zero_have_the_loss_of_a_coin_outside_and_for_the_objects():
    assert loss(torch.zeros(1, 4, 4), boxed((1, 1, 3, 4))) == pytest.approx(2 * SOFT)
    assert loss(torch.zeros(1, 4, 4), boxed((1, 1, 3, 4), (0, 0, 1, 1))) == pytest.approx(2 * SOFT)


def test_each_row_and_column_of_a_box_holds_an_object():
    logits = torch.full((1, 4, 4), -20.0)
    logits[0, [1, 2], [2, 1]] = 20.0  # a diagonal reaches all sides of the box
    full = torch.full((1, 4, 4), -20.0)
    full[0, 1:3, 1:3] = 20.0
    assert loss(full, boxed((1, 1, 3, 3))) < 1e-6
    assert loss(full, boxed((1, 1, 3, 3))) < loss(logits, boxed((1, 1, 3, 3))) < 2  # half of its inside is empty
    assert loss(logits, boxed((1, 1, 4, 3))) > 3  # so is its last column
    assert loss(full, boxed((1, 1, 2, 3))) > 2  # an object is outside


def test_an_image_without_an_object_is_background_and_one_of_which_nothing_is_known_has_no_loss():
    assert loss(torch.zeros(2, 3, 3), ObjectTarget(), ObjectTarget()) == pytest.approx(SOFT)
    assert loss(torch.zeros(1, 3, 3), ObjectTarget(is_complete=False)) == 0


def test_a_box_that_is_the_whole_image_leaves_no_background():
    assert loss(torch.full((1, 2, 2), 20.0), boxed((0, 0, 2, 2), side=2)) < 1e-6


def test_outside_boxes_of_some_objects_nothing_is_known():
    logits = torch.zeros(1, 4, 4)
    logits[0, 3, 3] = 20.0  # another object, which has no box
    assert loss(logits, boxed((0, 0, 2, 2), is_complete=False)) == pytest.approx(SOFT)
    assert loss(logits, boxed((0, 0, 2, 2))) > 2


def test_a_point_lies_on_an_object_and_says_nothing_of_other_positions():
    point = ObjectTarget(points=torch.tensor([[0.6, 0.1]]), is_complete=False)
    logits = torch.zeros(1, 4, 4)
    logits[0, 0, 2] = 20.0
    assert loss(logits, point) < 1e-6
    assert loss(-logits, point) == pytest.approx(20)
    assert loss(logits, ObjectTarget(points=torch.tensor([[1.0, 1.0]]), is_complete=False)) == pytest.approx(SOFT)


def test_a_mask_teaches_position_by_position():
    mask = torch.tensor([[1.0, 0.0], [0.5, 0.0]])
    logits = torch.tensor([[[2.0, -1.0], [0.0, 3.0]]])
    softplus = torch.nn.functional.softplus
    inside = (softplus(torch.tensor(-2.0)) + 0.5 * SOFT) / 1.5
    outside = (softplus(torch.tensor(-1.0)) + softplus(torch.tensor(3.0)) + 0.5 * SOFT) / 2.5
    assert loss(logits, ObjectTarget(mask=mask)) == pytest.approx((inside + outside).item())
    assert loss(logits, ObjectTarget(mask=mask, is_complete=False)) == pytest.approx(inside.item())
    assert loss(logits, ObjectTarget(mask=torch.zeros(2, 2))) == pytest.approx(softplus(logits).mean().item())


@given(
    st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=3),
    st.lists(st.tuples(*[st.floats(0, 1)] * 2), max_size=3),
    st.booleans(),
)
def test_a_target_and_its_image_mirrored_have_the_same_loss(boxes, points, is_complete):
    sides = torch.tensor([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in boxes]).reshape(-1, 4)
    sides = (sides * 8).round() / 8  # a side in the middle of a cell may go either way
    cells = ((torch.tensor(points).reshape(-1, 2) * 7).round() + 0.5) / 8
    target = ObjectTarget(sides, cells, is_complete=is_complete)
    thin = ((sides[:, 2:] - sides[:, :2]) == 0).any()  # a box without area gets a cell on its right
    covered = coverage(target, (8, 8))
    assert background(target, (8, 8)).equal(1 - covered if is_complete else torch.zeros(8, 8))
    if not thin:
        assert coverage(target.flip(), (8, 8)).equal(covered.flip(-1))
        logits = torch.linspace(-3, 3, 64).view(1, 8, 8)
        assert loss(logits.flip(-1), target.flip()) == pytest.approx(loss(logits, target), abs=1e-5)


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
