import torch
from hypothesis import given
from hypothesis import strategies as st

from weakspot.cams import cam


def test_each_channel_is_weighted_and_added():
    activations = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 2.0]]]])
    assert cam(activations, torch.tensor([[3.0, -1.0]])).tolist() == [[[3.0, 0.0], [0.0, -2.0]]]


@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 4))
def test_the_mean_of_the_map_is_the_logit_without_its_bias(seed, images, classes):
    random = torch.Generator().manual_seed(seed)
    activations = torch.randn(images, 5, 3, 4, generator=random, dtype=torch.float64)
    rows = torch.randn(images, classes, 5, generator=random, dtype=torch.float64)
    logits = torch.stack([activations[b].mean(dim=(1, 2)) @ rows[b].T for b in range(images)])
    torch.testing.assert_close(cam(activations, rows).mean(dim=(-2, -1)), logits)


def test_several_classes_are_the_classes_one_by_one():
    activations, rows = torch.rand(2, 5, 3, 3), torch.randn(2, 4, 5)
    one_by_one = torch.stack([cam(activations, rows[:, c]) for c in range(4)], dim=1)
    torch.testing.assert_close(cam(activations, rows), one_by_one)
