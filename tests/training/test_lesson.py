import numpy as np
import pytest
import torch

from weakspot.models.class_directions import find_contrasts
from weakspot.models.object_head import ObjectHead
from weakspot.models.object_targets import ObjectTarget
from weakspot.training.lesson import _choose_share, _is_as_good, held_out_probabilities
from weakspot.training.refit import Comparison
from weakspot.training.teaching_pairs import TeachingPairs


def compared(score):
    return Comparison(0, score, 0, 0.5, (), improves=True)


@pytest.mark.parametrize(("score", "other", "count", "as_good"), [(95, 100, 20, True), (90, 100, 20, False)])
def test_a_score_of_all_right_boxes_has_an_error_too(score, other, count, as_good):
    assert _is_as_good(score, other, count) == as_good


@pytest.mark.parametrize(
    ("labels", "heads", "count", "share"),
    [
        pytest.param(80, {0.3: 85}, 45, 0.3, id="better"),
        pytest.param(80, {0.3: 76}, 45, 0.3, id="worse by less than a standard error of 6"),
        pytest.param(80, {0.3: 73}, 45, 0.0, id="worse by more"),
        pytest.param(80, {0.3: 82, 0.5: 84, 0.7: 84}, 100, 0.5, id="the best, and the smallest of equals"),
    ],
)
def test_the_head_is_left_out_only_if_it_is_clearly_worse(labels, heads, count, share):
    found = {0.0: compared(labels)} | {key: compared(score) for key, score in heads.items()}
    assert _choose_share(found, count) == share


def test_all_classes_of_an_image_are_held_out_together(monkeypatch):
    targets = [ObjectTarget()] * 6
    images, classes = np.array([0, 1, 2] * 2), np.repeat([0, 1], 3)
    features, maps = torch.zeros(6, 2, 2, 2), torch.zeros(6, 3, 2, 2)
    pairs = TeachingPairs(features, maps, maps[:, 0], maps[:, 0], targets, [], classes, images, images > 9, 2, (4, 4))
    contrasts = find_contrasts(features, targets, torch.from_numpy(classes))
    taught = []

    def fit(_self, chosen, *_, **__):
        taught.append({int(image) for image in pairs.images[chosen]})
        return ObjectHead(2, 2).eval().requires_grad_(False)

    monkeypatch.setattr(TeachingPairs, "fit", fit)
    held_out_probabilities(pairs, contrasts, 3, seed=0, on_progress=lambda *_: None)
    assert sorted(map(sorted, taught)) == [[0, 1], [0, 2], [1, 2]]
