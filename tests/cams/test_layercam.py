import torch
from hypothesis import given
from hypothesis import strategies as st

from weakspot.cams import fuse, layercam


def test_each_position_is_weighted_by_its_own_positive_gradient():
    activations = torch.tensor([[[[1.0, 1.0]], [[0.0, 2.0]]]])
    gradients = torch.tensor([[[[3.0, -1.0]], [[5.0, 2.0]]]])
    assert layercam(activations, gradients).tolist() == [[[3.0, 4.0]]]


def test_a_single_layer_is_unchanged():
    maps = torch.randn(2, 1, 3, 3)
    assert fuse([maps]) is maps


def test_fuse_returns_the_maximum_normalized_value_on_the_finest_grid():
    coarse = torch.tensor([[[[10.0, 30.0]]]])  # normalised 0, 1; at four columns 0, .25, .75, 1
    fine = torch.tensor([[[[2.0, 4.0, 2.0, 2.0]]]])  # normalised 0, 1, 0, 0
    assert fuse([coarse, fine]).tolist() == [[[[0.0, 1.0, 0.75, 1.0]]]]


def test_the_finest_grid_is_the_one_of_most_places():
    grids = [(4, 1), (2, 3), (1, 5)]
    assert fuse([torch.rand(1, 1, *grid) for grid in grids]).shape == (1, 1, 2, 3)


def test_a_layer_without_evidence_adds_nothing():
    fine = torch.rand(1, 1, 4, 4)
    low, high = fine.min(), fine.max()
    torch.testing.assert_close(fuse([torch.full((1, 1, 2, 2), 7.0), fine]), (fine - low) / (high - low))


@given(st.permutations([7, 14, 28]), st.integers(0, 2**32))
def test_the_order_of_layers_does_not_matter(sizes, seed):
    def layer(size):
        return torch.rand(2, 1, size, size, generator=torch.Generator().manual_seed(seed + size))

    torch.testing.assert_close(fuse([layer(s) for s in sizes]), fuse([layer(s) for s in (7, 14, 28)]))
