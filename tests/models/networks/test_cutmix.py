import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from weakspot.models.networks import cutmix as module
from weakspot.models.networks.cutmix import cutmix

SIDES = st.integers(1, 40)


def numbered(count, height, width):
    """Images whose pixels are their index, with one class each."""
    images = torch.arange(float(count)).view(-1, 1, 1, 1).expand(count, 3, height, width).clone()
    return images, torch.eye(count, dtype=torch.float64)


def with_kept(monkeypatch, kept):
    """Replace the random lambda by a constant."""
    given_to = []

    class Fixed:
        def __init__(self, first, second):
            given_to.append((first, second))

        def sample(self):
            return torch.tensor(kept, dtype=torch.float64)

    monkeypatch.setattr(module, "Beta", Fixed)
    return given_to


@given(st.integers(0, 2**32), st.integers(1, 6), SIDES, SIDES)
def test_targets_are_mixed_by_the_fraction_of_pixels(seed, count, height, width):
    torch.manual_seed(seed)
    mixed, shares = cutmix(*numbered(count, height, width))
    for image, row in zip(mixed, shares, strict=True):
        pixels = torch.bincount(image[0].long().flatten(), minlength=count)
        np.testing.assert_allclose(row, pixels / (height * width), rtol=0, atol=1e-7)
        assert torch.equal(image[0], image[1])


def test_one_box_is_pasted_into_all_images():
    torch.manual_seed(5)
    images = torch.rand(6, 3, 32, 32)
    mixed, _ = cutmix(images, torch.eye(6))
    changed = (mixed != images).any(dim=1)
    others = changed[changed.any(dim=(1, 2))]
    assert len(others) >= 2
    assert (others == others[0]).all()
    rows, columns = (np.flatnonzero(others[0].any(dim=axis)) for axis in (1, 0))
    assert int(others[0].sum()) == len(rows) * len(columns)
    assert (np.diff(rows) == 1).all()
    assert (np.diff(columns) == 1).all()


def test_the_box_has_the_sides_of_the_paper_by_hand(monkeypatch):
    """lambda = 3/4: half as high and half as wide, around the random center."""
    drawn_from = with_kept(monkeypatch, 0.75)
    centers = iter((torch.tensor(10), torch.tensor(30)))
    monkeypatch.setattr(torch, "randint", lambda *_: next(centers))
    monkeypatch.setattr(torch, "randperm", lambda count: torch.tensor([1, 0]))
    mixed, shares = cutmix(*numbered(2, 24, 40), alpha=0.5)
    expected = np.zeros((24, 40))
    expected[4:16, 20:40] = 1
    np.testing.assert_array_equal(mixed[0, 0], expected)
    np.testing.assert_array_equal(mixed[1, 2], 1 - expected)
    assert shares.tolist() == [[0.75, 0.25], [0.25, 0.75]]
    assert drawn_from == [(0.5, 0.5)]


@pytest.mark.parametrize(
    ("center", "box"),
    [
        pytest.param((0, 0), (slice(0, 4), slice(0, 4)), id="top left"),
        pytest.param((15, 15), (slice(11, 16), slice(11, 16)), id="bottom right"),
    ],
)
def test_a_box_beyond_the_border_is_clipped_and_so_are_the_targets(monkeypatch, center, box):
    with_kept(monkeypatch, 0.75)
    centers = iter(torch.tensor(center))
    monkeypatch.setattr(torch, "randint", lambda *_: next(centers))
    monkeypatch.setattr(torch, "randperm", lambda count: torch.tensor([1, 0]))
    mixed, shares = cutmix(*numbered(2, 16, 16))
    expected = np.zeros((16, 16))
    expected[box] = 1
    np.testing.assert_array_equal(mixed[0, 0], expected)
    assert float(shares[0, 1]) == expected.mean()


@given(st.integers(0, 2**32), st.floats(0, 1), SIDES, SIDES)
def test_the_area_is_one_minus_lambda_up_to_clipping_and_rounding(seed, kept, height, width):
    torch.manual_seed(seed)
    with pytest.MonkeyPatch.context() as monkeypatch:
        with_kept(monkeypatch, kept)
        monkeypatch.setattr(torch, "randperm", lambda count: torch.tensor([1, 0]))
        mixed, shares = cutmix(*numbered(2, height, width))
    assert float(shares[0, 1]) <= 1 - kept + 1e-6
    pasted = mixed[0, 0].numpy() == 1
    cut_off = pasted[[0, -1]].any() or pasted[:, [0, -1]].any()
    sides = height * np.sqrt(1 - kept) - 2, width * np.sqrt(1 - kept) - 2
    assert cut_off or pasted.sum() >= max(sides[0], 0) * max(sides[1], 0)


def test_inputs_are_not_modified_and_a_seed_repeats_the_result():
    images, targets = torch.randn(4, 3, 16, 16), torch.eye(4)
    before = images.clone(), targets.clone()
    torch.manual_seed(1)
    first = cutmix(images, targets)
    torch.manual_seed(1)
    second = cutmix(images, targets)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert not torch.equal(first[0], images)
    assert torch.equal(images, before[0])
    assert torch.equal(targets, before[1])


def test_labels_of_several_classes_are_mixed_too(monkeypatch):
    with_kept(monkeypatch, 0.75)
    centers = iter((torch.tensor(8), torch.tensor(8)))
    monkeypatch.setattr(torch, "randint", lambda *_: next(centers))
    monkeypatch.setattr(torch, "randperm", lambda count: torch.tensor([1, 0]))
    _, shares = cutmix(torch.rand(2, 3, 16, 16), torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]]))
    assert shares.tolist() == [[0.75, 1.0, 0.0], [0.25, 1.0, 0.0]]
