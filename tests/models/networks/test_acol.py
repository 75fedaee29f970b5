"""Erasing in ACoL: positions, maps and gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused
from small_networks import built, network, one_hot, random_images
from torch import nn

from weakspot.cams import METHODS
from weakspot.models import compute_class_maps, compute_class_maps_of_methods, split_model
from weakspot.models.networks import Criterion
from weakspot.models.networks.acol import AcolHead, erase_regions

CLASSES = torch.tensor([[0, 3], [2, 1]])


class Given(nn.Module):
    """A branch with constant maps that records its input."""

    def __init__(self, *maps):
        super().__init__()
        self.maps = nn.Parameter(torch.tensor(maps)[None, :, None, :])  # (1, C, 1, w)
        self.seen = None

    def forward(self, activations):
        self.seen = activations
        return self.maps.expand(len(activations), -1, -1, -1) + 0 * activations.sum(dim=1, keepdim=True)


FEATURES = torch.arange(1.0, 13.0).view(1, 3, 1, 4)
# A predicts class 0; class 1 is the label and peaks elsewhere.
PREDICTED, LABEL = [9.0, 4.0, 1.0, 2.0], [-1.0, -2.0, 1.0, 3.0]


def head_of(*maps, **options):
    head = AcolHead(3, len(maps), width=4, **options).eval()
    head.branch_a, head.branch_b = Given(*maps), Given(*maps)
    return head


def shown(head, *places):
    """Return whether B got the features at these positions, and zeros at all others."""
    kept = torch.zeros(4).index_fill(0, torch.tensor(places, dtype=torch.long), 1)
    return torch.equal(head.branch_b.seen, FEATURES * kept)


def test_training_erases_by_the_label_and_testing_by_the_prediction():
    head = head_of(PREDICTED, LABEL)
    head.loss((FEATURES,), torch.tensor([[0.0, 1.0]]), Criterion())
    assert shown(head, 0, 1)  # the label's map, stretched: 0.2 0 0.6 1
    assert int(head(FEATURES).argmax()) == 0
    assert shown(head, 1, 2, 3)  # the prediction's: 1 0.375 0 0.125


@pytest.mark.parametrize(
    ("delta", "kept"),
    [
        pytest.param(0.125, [2], id="a low one erases more"),
        pytest.param(0.375, [2, 3], id="at it"),
        pytest.param(0.376, [1, 2, 3], id="just above"),
        pytest.param(1.0, [1, 2, 3], id="1 erases the peak"),
    ],
)
def test_features_are_erased_at_or_above_delta(delta, kept):
    head = head_of(PREDICTED, LABEL, delta=delta)
    head(FEATURES)
    assert shown(head, *kept)


def test_a_constant_map_erases_nothing():
    head = head_of([5.0] * 4, LABEL)
    head(FEATURES)
    assert shown(head, 0, 1, 2, 3)


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        pytest.param([0.0, 1.0, 0.0], [0, 1], id="one"),
        pytest.param([1.0, 1.0, 0.0], [1], id="the union of two"),
        pytest.param([0.3, 0.7, 0.0], [1], id="shares of CutMix"),
        pytest.param([0.0, 0.0, 0.0], [0, 1, 2, 3], id="none"),
    ],
)
def test_several_labels_erase_their_union_in_training(labels, kept):
    head = head_of(PREDICTED, LABEL, [0.0, 3.0, 0.0, 0.0])
    head.loss((FEATURES,), torch.tensor([labels]), Criterion(multi_label=True))
    assert shown(head, *kept)


@pytest.mark.parametrize(
    ("multi_label", "kept"),
    [pytest.param(True, [1], id="all that are there"), pytest.param(False, [1, 2, 3], id="one")],
)
def test_at_test_time_several_labels_erase_all_predicted_classes(multi_label, kept):
    """Logits are 4, 0.25 and -1: the third class would erase position 1."""
    head = head_of(PREDICTED, LABEL, [-2.0, 2.0, -2.0, -2.0], multi_label=multi_label)
    assert head(FEATURES).tolist() == [[4.0, 0.25, -1.0]]
    assert shown(head, *kept)


def test_at_test_time_the_predicted_class_is_erased_even_without_positive_logits():
    head = head_of([-1.0, -9.0, -9.0, -9.0], [-9.0, -9.0, -9.0, -8.0], multi_label=True)
    assert (head(FEATURES) < 0).all()
    assert shown(head, 1, 2, 3)


@given(st.integers(0, 2**32), st.floats(0.01, 1))
def test_erasing_equals_a_loop_over_images_classes_and_positions(seed, delta):
    random = np.random.default_rng(seed)
    seen, maps = random.normal(size=(3, 4, 2, 5)), random.normal(size=(3, 6, 2, 5))
    present = random.random((3, 6)) < 0.3
    expected = seen.copy()
    for b, c in np.argwhere(present):
        one = maps[b, c]
        expected[b][:, (one - one.min()) / (one.max() - one.min()) >= delta] = 0
    found = erase_regions(torch.from_numpy(seen), torch.from_numpy(maps), torch.from_numpy(present), delta)
    np.testing.assert_array_equal(found.numpy(), expected)


def test_the_features_are_not_modified():
    seen = FEATURES.clone()
    erase_regions(seen, torch.tensor([[PREDICTED]])[:, :, None, :], torch.tensor([[True]]), 0.1)
    assert torch.equal(seen, FEATURES)


def loss_of(head, part):
    """The loss of A or of B only: the criterion is called for A first."""
    calls = []

    def criterion(logits, targets):
        calls.append(logits)
        return Criterion()(logits, targets) * float(len(calls) == 1 + "ab".index(part))

    return criterion


@pytest.mark.parametrize(("part", "learns", "stays"), [("a", "branch_a", "branch_b"), ("b", "branch_b", "branch_a")])
def test_erasing_passes_no_gradient_between_branches(part, learns, stays):
    head, features = AcolHead(5, 4, width=6), torch.randn(2, 5, 6, 6, requires_grad=True)
    loss, _ = head.loss((features,), one_hot(1, 3), loss_of(head, part))
    loss.backward()
    assert all(parameter.grad.any() for parameter in getattr(head, learns).parameters())
    assert not any(p.grad is not None and p.grad.any() for p in getattr(head, stays).parameters())
    assert features.grad.any()


def test_erased_features_get_no_gradient_from_b():
    head, features = AcolHead(5, 4, width=6), torch.randn(1, 5, 8, 8, requires_grad=True)
    loss, _ = head.loss((features,), one_hot(1), loss_of(head, "b"))
    loss.backward()
    with torch.no_grad():
        one = head.branch_a(features)[0, 1]
    gone = (one - one.min()) / (one.max() - one.min()) >= 0.6
    assert gone.any()
    assert not gone.all()
    assert not features.grad[0][:, gone].any()
    assert features.grad[0][:, ~gone].any()


def test_loss_is_the_sum_of_both_branches_and_logits_are_those_of_a():
    head, targets = AcolHead(5, 4, width=6).double(), one_hot(1, 3).double()
    features = torch.randn(2, 5, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        loss, logits = head.loss((features,), targets, Criterion())
        maps_a = head.branch_a(features)
        kept = features.clone()
        for b, label in enumerate((1, 3)):
            one = maps_a[b, label]
            kept[b][:, (one - one.min()) / (one.max() - one.min()) >= 0.6] = 0
        scores = maps_a.mean(dim=(2, 3)), head.branch_b(kept).mean(dim=(2, 3))
    labels = torch.tensor([1, 3])
    entropies = [nn.functional.cross_entropy(one, labels) for one in scores]
    torch.testing.assert_close(loss, sum(entropies))
    torch.testing.assert_close(logits, scores[0])


def by_hand(model, batch):
    """Both branches' maps, from the network's modules and explicit erasing."""
    with torch.no_grad():
        features = model.trunk(batch)
        maps_a = model.head.branch_a(features)
        kept = features.clone()
        for b, winner in enumerate(maps_a.mean(dim=(2, 3)).argmax(dim=1)):
            one = maps_a[b, winner]
            kept[b][:, (one - one.min()) / (one.max() - one.min()) >= model.head.delta] = 0
        return maps_a, model.head.branch_b(kept)


def of_classes(maps):
    return maps[torch.arange(len(maps))[:, None], CLASSES]


def fused(maps_a, maps_b):
    stretched = [(m - m.amin((2, 3), True)) / (m.amax((2, 3), True) - m.amin((2, 3), True)) for m in (maps_a, maps_b)]
    return torch.stack(stretched).amax(dim=0)


@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet", "test_vit"])
def test_maps_of_both_branches_and_the_fused_map(backbone):
    size = 160 if backbone == "test_vit" else 96
    model, batch = network("acol", backbone, width=8, input_size=size), random_images(size=size)
    cut = split_model(model, batch[:1])
    found = compute_class_maps_of_methods(
        cut, batch, [METHODS[name] for name in ("acol_a", "acol_b", "acol")], classes=CLASSES
    )
    maps_a, maps_b = map(of_classes, by_hand(model, batch))
    for one, expected in zip(found, (maps_a, maps_b, fused(maps_a, maps_b)), strict=True):
        torch.testing.assert_close(one.maps, expected, rtol=1e-4, atol=1e-5)
    assert float(maps_b.amin()) < 0 or float(maps_a.amin()) < 0  # signs are kept
    assert torch.equal(found[0].logits, model(batch).detach())
    torch.testing.assert_close(found[0].maps.mean(dim=(2, 3)), found[0].logits.gather(1, CLASSES), rtol=1e-4, atol=1e-5)


def test_b_has_values_at_erased_positions():
    """Its convolutions use the neighborhood: the map is not 0 there, which fusion depends on."""
    model, batch = network("acol", width=8, input_size=96), random_images(size=96)
    cut, winner = split_model(model, batch[:1]), model(batch).argmax(dim=1, keepdim=True)
    one = compute_class_maps(cut, batch, METHODS["acol_a"], classes=winner).maps
    other = compute_class_maps(cut, batch, METHODS["acol_b"], classes=winner).maps
    stretched = (one - one.amin((2, 3), True)) / (one.amax((2, 3), True) - one.amin((2, 3), True))
    gone = stretched >= 0.6
    assert gone.any()
    assert (other[gone] != 0).all()
    with torch.no_grad():
        unerased = model.head.branch_b(model.trunk(batch))[torch.arange(2)[:, None], winner]
    assert (other[gone] != unerased[gone]).all()


def test_the_fused_map_covers_the_regions_of_both_branches():
    """A peaks on the head; B, from which it is erased, on the body."""
    head = AcolHead(1, 1, width=1).eval()
    for layer in head.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.dirac_(layer.weight)
            nn.init.zeros_(layer.bias)
    features, maps = torch.tensor([[[[9.0, 5.0, 1.0, 0.0]]]]), []
    for branch in (head.branch_a, head.branch_b):
        branch.register_forward_hook(lambda _module, _inputs, output: maps.append(output.detach()))
    head(features)
    assert [one.flatten().tolist() for one in maps] == [[9, 5, 1, 0], [0, 5, 1, 0]]
    torch.testing.assert_close(METHODS["acol"].function(*maps).flatten(), torch.tensor([1, 1, 0.2, 0]))


def test_several_methods_need_one_forward_pass():
    model, batch = network("acol", width=8), random_images()
    cut, runs = split_model(model, batch[:1]), []
    model.trunk.register_forward_hook(lambda *_: runs.append(1))
    compute_class_maps_of_methods(cut, batch, [METHODS[name] for name in ("acol", "acol_a", "acol_b")], classes=CLASSES)
    assert len(runs) == 1


@pytest.mark.parametrize("delta", [0.3, 0.9])
def test_delta_is_that_of_the_config(delta):
    found = built("acol", width=8, delta=delta)
    assert found.network.head.delta == found.config.delta == delta


@pytest.mark.parametrize("delta", [0.0, -0.1, 1.1, float("nan")])
def test_a_delta_out_of_range_is_refused(delta):
    with refused("out-of-range", delta):
        built("acol", delta=delta)


def test_branches_are_convolutions_whose_last_channels_are_the_classes():
    convolutions = [m for m in AcolHead(5, 7, width=6).branch_b.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels, m.kernel_size) for m in convolutions] == [
        (5, 6, (3, 3)),
        (6, 6, (3, 3)),
        (6, 7, (1, 1)),
    ]
