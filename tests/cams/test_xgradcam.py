import torch

from weakspot.cams import hirescam, xgradcam


def test_gradients_are_averaged_by_activation():
    activations = torch.tensor([[[[1.0, 3.0]]]])
    assert xgradcam(activations, torch.tensor([[[[4.0, 0.0]]]])).tolist() == [[[1.0, 3.0]]]  # alpha = 4 * 1 / 4


def test_a_channel_that_sums_to_zero_has_no_weight():
    activations = torch.tensor([[[[1.0, -1.0]], [[1.0, 1.0]]]])
    gradients = torch.ones(1, 2, 1, 2)
    assert xgradcam(activations, gradients).tolist() == [[[1.0, 1.0]]]


def test_only_a_sum_of_zero_takes_a_channels_weight():
    activations = torch.tensor([[[[1.0, -1.0]], [[1.0, 0.0]]]])  # sums 0 and 1
    gradients = torch.tensor([[[[3.0, 1.0]], [[5.0, 4.0]]]])  # g A sums to 2 and 5
    assert xgradcam(activations, gradients).tolist() == [[[5.0, 0.0]]]


def test_conservation_holds_for_positive_evidence():
    """The sum of the map is the sum of gradient times activation (the paper's axiom), as no value is cut off."""
    activations, gradients = torch.rand(1, 4, 3, 3), torch.rand(1, 4, 3, 3)
    torch.testing.assert_close(xgradcam(activations, gradients).sum(), (gradients * activations).sum())


def test_hirescam_keeps_every_position_and_the_sign():
    activations = torch.tensor([[[[1.0, 1.0]], [[0.0, 2.0]]]])
    gradients = torch.tensor([[[[3.0, -1.0]], [[9.0, -2.0]]]])
    assert hirescam(activations, gradients).tolist() == [[[3.0, -5.0]]]
