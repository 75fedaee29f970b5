import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused
from small_networks import network, one_hot, random_images

from weakspot.cams import METHODS
from weakspot.errors import ModelError
from weakspot.models import compute_class_maps, split_model
from weakspot.models.networks import Criterion
from weakspot.models.networks.spg import SpgHead, guided_loss

BOUNDS = (0.75, 0.25)


def row(*values, **options):
    return torch.tensor([[[list(map(float, values))]]], **options)


def bce(logits, labels):
    """Binary cross entropy of each pixel, in float64 numpy."""
    return np.logaddexp(0, np.where(labels, -logits, logits))


def test_only_confident_pixels_count():
    """Foreground at logit 2, background at -1; a guide of 0.5 is ignored."""
    found = guided_loss(row(2, -1, 30), row(0.9, 0.0, 0.5), BOUNDS)
    assert float(found) == pytest.approx((np.log1p(np.exp(-2)) + np.log1p(np.exp(-1))) / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("guide", "loss"),
    [
        pytest.param(0.75, np.log1p(np.exp(-2)), id="at the upper bound: foreground"),
        pytest.param(0.25, 0, id="at the lower bound: ignored"),
        pytest.param(0.125, np.log1p(np.exp(2)), id="below it: background"),
        pytest.param(0.5, 0, id="between: ignored"),
    ],
)
def test_convention_the_upper_bound_belongs_to_the_foreground(guide, loss):
    assert float(guided_loss(row(2), row(guide), BOUNDS)) == pytest.approx(loss, rel=1e-6)


def test_ignored_pixels_get_no_gradient_and_neither_does_the_guide():
    mask = row(1, -2, 3, 0.5, requires_grad=True)
    guide = row(0.9, 0.5, 0.3, 0.1, requires_grad=True)
    guided_loss(mask, guide, BOUNDS).backward()
    sigmoid = 1 / (1 + np.exp(-np.array([1, 0.5])))
    np.testing.assert_allclose(mask.grad.flatten(), [(sigmoid[0] - 1) / 2, 0, 0, sigmoid[1] / 2], rtol=1e-6)
    assert guide.grad is None


def test_without_confident_pixels_loss_and_gradient_are_0():
    mask = row(5, -5, requires_grad=True)
    loss = guided_loss(mask, row(0.5, 0.5), BOUNDS)
    loss.backward()
    assert float(loss.detach()) == 0
    assert not mask.grad.any()


def test_the_guide_is_resized_to_the_mask_first():
    """0, 1 becomes 0, 1/4, 3/4, 1: pixel centers are aligned."""
    found = guided_loss(row(1, 2, 3, 4), row(0, 1), (0.75, 0.2))
    assert float(found) == pytest.approx(bce(np.array([1.0, 3, 4]), np.array([False, True, True])).mean(), rel=1e-6)


@given(st.integers(0, 2**32), st.floats(0.5, 1), st.floats(0, 0.5))
def test_the_loss_equals_a_loop_over_all_pixels(seed, upper, lower):
    random = np.random.default_rng(seed)
    mask, guide = random.normal(scale=9, size=(2, 1, 3, 4)), random.random((2, 1, 3, 4))
    losses = [
        bce(logit, sure >= upper)
        for logit, sure in zip(mask.flat, guide.flat, strict=True)
        if sure >= upper or sure < lower
    ]
    found = guided_loss(torch.from_numpy(mask), torch.from_numpy(guide), (upper, lower))
    assert float(found) == pytest.approx(np.mean(losses) if losses else 0, rel=1e-9)


def stretched(one):
    return (one - one.min()) / (one.max() - one.min())


def sure_mean(logits, guide, upper, lower):
    known = (guide >= upper) | (guide < lower)
    return bce(logits, guide >= upper)[known].sum() / max(known.sum(), 1)


def test_the_loss_of_the_head_is_that_of_the_paper_in_float64():
    head = SpgHead((3, 4, 5), 4, width=6).double()
    for parameter in head.parameters():
        parameter.data *= 3  # masks with a wide range of values
    maps = tuple(torch.randn(2, channels, 6, 6, dtype=torch.float64) for channels in (3, 4, 5))
    targets = one_hot(2, 0).double()
    with torch.no_grad():
        loss, logits = head.loss(maps, targets, Criterion())
        class_map = head.classifier(maps[2]).numpy()
        # Both side branches share their last layers; all three return mask logits.
        b1 = head.shared_b(head.branch_b1(maps[0])).numpy()
        b2 = head.shared_b(head.branch_b2(maps[1])).numpy()
        c = head.branch_c(maps[2]).numpy()
    mean_1, mean_2 = 1 / (1 + np.exp(-b1)), 1 / (1 + np.exp(-b2))
    assert ((mean_2 > 0.5) & (mean_2 < 0.7)).any()
    assert ((mean_2 > 0.05) & (mean_2 < 0.1)).any()
    attention = np.stack([stretched(class_map[0, 2]), stretched(class_map[1, 0])])[:, None]
    guidance = (
        sure_mean(b2, attention, 0.7, 0.1)
        + sure_mean(b1, mean_2, 0.5, 0.05)
        + sure_mean(c, (mean_1 + mean_2) / 2, 0.7, 0.1)
    )
    scores = class_map.mean(axis=(2, 3))
    np.testing.assert_allclose(logits, scores, rtol=1e-12)
    entropy = np.mean([np.log(np.exp(scores[b]).sum()) - scores[b, label] for b, label in enumerate((2, 0))])
    assert float(loss) == pytest.approx(entropy + guidance, rel=1e-9)
    assert guidance > 0.1


def test_several_labels_guide_by_the_maximum_of_their_maps():
    head = SpgHead((2, 2, 2), 2, width=3)
    with torch.no_grad():
        head.classifier.weight.copy_(torch.eye(2)[:, :, None, None])
        head.classifier.bias.zero_()
    last = torch.tensor([[[[4.0, 0.0, 0.0, 2.0]], [[0.0, 0.0, 2.0, 1.0]]]])  # stretched: 1 0 0 .5 and 0 0 1 .5
    b2, seen = row(1, -1, 2, 9), []
    head.shared_b = torch.nn.Module()
    head.shared_b.forward = lambda features: seen.append(features) or b2
    head.branch_c = torch.nn.Module()
    head.branch_c.forward = lambda features: torch.zeros(1, 1, 1, 4)

    def guidance(*labels):
        loss, _ = head.loss((last, last, last), torch.tensor([labels], dtype=torch.float32), lambda *_: 0)
        sigmoid = 1 / (1 + np.exp(-np.array([1.0, -1, 2, 9])))
        others = sure_mean(np.array([1.0, -1, 2, 9]), sigmoid, 0.5, 0.05)
        others += sure_mean(np.zeros(4), sigmoid, 0.7, 0.1)
        return float(loss.detach()) - others

    both = bce(np.array([1.0, -1, 2]), np.array([True, False, True])).mean()
    first = bce(np.array([1.0, -1, 2]), np.array([True, False, False])).mean()
    assert guidance(1, 1) == pytest.approx(both, abs=1e-5)
    assert guidance(1, 0) == pytest.approx(first, abs=1e-5)
    nothing = bce(np.array([1.0, -1, 2, 9]), np.zeros(4, bool)).mean()
    assert guidance(0, 0) == pytest.approx(nothing, abs=1e-5)


def test_guides_get_no_gradient():
    head = SpgHead((3, 4, 5), 4, width=6)
    for parameter in head.parameters():
        parameter.data *= 5  # masks with confident pixels
    maps = tuple(torch.randn(2, channels, 6, 6, requires_grad=True) for channels in (3, 4, 5))
    loss, _ = head.loss(maps, one_hot(1, 3), lambda logits, _: logits.sum() * 0)
    loss.backward()
    assert not any(parameter.grad.any() for parameter in head.classifier.parameters())
    for branch in (head.branch_b1, head.branch_b2, head.branch_c):
        assert any(parameter.grad.any() for parameter in branch.parameters())
    assert all(one.grad.any() for one in maps)  # but the backbone learns from all three


def test_branches_do_not_run_at_test_time():
    model, batch = network("spg", width=8), random_images()
    before = model(batch)
    for name in ("branch_b1", "branch_b2", "shared_b", "branch_c"):
        delattr(model.head, name)
    assert torch.equal(model(batch), before)


@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet", "test_vit"])
def test_cam_returns_the_class_maps_whose_means_are_the_logits(backbone):
    size = 160 if backbone == "test_vit" else 64
    model, batch = network("spg", backbone, width=8, input_size=size), random_images(size=size)
    classes = torch.tensor([[0, 2], [3, 1]])
    found = compute_class_maps(split_model(model, batch[:1]), batch, METHODS["cam"], classes=classes)
    with torch.no_grad():
        expected = model.head.classifier(model.trunk(batch))[torch.arange(2)[:, None], classes]
        logits = model(batch).gather(1, classes)
    torch.testing.assert_close(found.maps, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.maps.mean(dim=(2, 3)), logits, rtol=1e-4, atol=1e-5)


def test_a_backbone_without_intermediate_maps_is_refused():
    with refused("backbone-mismatch", "torchvision/resnet18", kind=ModelError):
        network("spg", "torchvision/resnet18")
