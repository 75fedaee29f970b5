import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from small_networks import one_hot

from weakspot.models.networks import Criterion
from weakspot.models.networks.losses import class_weights

LOGITS = torch.tensor([[2.0, 0.0, -1.0, 0.5], [0.0, 0.0, 0.0, 0.0], [-3.0, 1.0, 4.0, 4.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 3, 2])
ONE_HOT = one_hot(0, 3, 2).double()
MIXED = torch.tensor([[0.75, 0.25, 0, 0], [0, 0, 0.5, 0.5], [1, 0, 0, 0]], dtype=torch.float64)
SEVERAL = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=torch.float64)
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64)


def test_one_class_is_torchs_cross_entropy():
    torch.testing.assert_close(Criterion()(LOGITS, ONE_HOT), F.cross_entropy(LOGITS, LABELS))


def test_probabilities_as_targets_are_torchs_cross_entropy():
    torch.testing.assert_close(Criterion()(LOGITS, MIXED), F.cross_entropy(LOGITS, MIXED))


def test_weighted_losses_are_summed_and_divided_by_the_number_of_images():
    """Unlike torch's own mean, which divides by the weights of the batch: it is not a mean over processes."""
    found = Criterion(weights=WEIGHTS)(LOGITS, ONE_HOT)
    torch.testing.assert_close(found, F.cross_entropy(LOGITS, LABELS, weight=WEIGHTS, reduction="sum") / 3)
    soft = Criterion(weights=WEIGHTS)(LOGITS, MIXED)
    torch.testing.assert_close(soft, F.cross_entropy(LOGITS, MIXED, weight=WEIGHTS, reduction="sum") / 3)


def test_several_labels_are_torchs_binary_cross_entropy_summed_over_the_classes():
    expected = F.binary_cross_entropy_with_logits(LOGITS, SEVERAL, reduction="sum") / 3
    torch.testing.assert_close(Criterion(multi_label=True)(LOGITS, SEVERAL), expected)


def test_several_labels_weigh_presence_by_hand():
    """A logit of 0 means one half: -log(1/2) = 0.693 for each class, times its weight where it is present."""
    targets = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    found = Criterion(multi_label=True, weights=WEIGHTS.float())(torch.zeros(1, 4), targets)
    assert float(found) == pytest.approx((0.5 + 1 + 2 + 1) * np.log(2), rel=1e-6)


@pytest.mark.parametrize("multi_label", [False, True])
def test_extreme_logits_give_finite_losses_and_gradients(multi_label):
    logits = torch.tensor([[1e4, -1e4, 0.0, 50.0]], requires_grad=True)
    loss = Criterion(multi_label=multi_label)(logits, one_hot(1))
    loss.backward()
    # BCE: 1e4 for the present class and 1e4, log 2, 50 for the absent ones.
    assert float(loss.detach()) == pytest.approx(2e4 + np.log(2) + 50 if multi_label else 2e4)
    assert logits.grad.isfinite().all()


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 3), st.booleans(), st.sampled_from([None, WEIGHTS]))
def test_the_mean_over_the_parts_of_a_batch_is_the_loss_of_the_whole(seed, half, parts, multi_label, weights):
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(half * parts, 4, generator=random, dtype=torch.float64)
    targets = torch.rand(half * parts, 4, generator=random, dtype=torch.float64)
    criterion = Criterion(multi_label=multi_label, weights=weights)
    shares = zip(logits.split(half), targets.split(half), strict=True)
    of_parts = torch.stack([criterion(*share) for share in shares])
    torch.testing.assert_close(of_parts.mean(), criterion(logits, targets))


def test_weights_follow_the_module_and_are_not_saved():
    criterion = Criterion(weights=torch.ones(4))
    assert criterion.double().weights.dtype == torch.float64
    assert not criterion.state_dict()


def test_class_weights_of_one_class_an_image_by_hand():
    """6 images, 4 classes, 3 + 1 + 2 + 0 of them: 6 / (4 n)."""
    weights = class_weights(one_hot(0, 0, 0, 1, 2, 2), multi_label=False)
    assert weights.tolist() == [0.5, 1.5, 0.75, 1.0]


def test_class_weights_of_several_labels_are_the_clamped_ratio_of_absent_to_present():
    targets = torch.zeros(40, 4)
    targets[:8, 0] = 1  # 32 / 8
    targets[:30, 1] = 1  # 10 / 30 is below 1
    targets[:1, 2] = 1  # 39 is above 10
    assert class_weights(targets, multi_label=True).tolist() == [4.0, 1.0, 10.0, 1.0]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_each_present_class_has_the_same_total_weight(labels):
    labels = [0, 1, 2, 3, *labels]
    weights = class_weights(one_hot(*labels), multi_label=False)
    of_images = weights[torch.tensor(labels)]
    assert float(of_images.mean()) == pytest.approx(1, rel=1e-5)
    in_all = [float(of_images[torch.tensor(labels) == c].sum()) for c in range(4)]
    assert in_all == pytest.approx([len(labels) / 4] * 4, rel=1e-5)
