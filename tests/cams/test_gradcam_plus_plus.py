import pytest
import torch
from torch import nn

from weakspot.cams import gradcam_plus_plus, gradcam_plus_plus_weights


def derivatives_of_exp(head, activations):
    """First, second and third derivatives of Y = exp(y) for each entry of (1, K, h, w) activations, by autograd."""
    leaf = activations.clone().requires_grad_()
    (first,) = torch.autograd.grad(head(leaf).exp(), leaf, create_graph=True)
    second, third = torch.zeros_like(leaf), torch.zeros_like(leaf)
    for i in range(leaf.numel()):
        (row,) = torch.autograd.grad(first.flatten()[i], leaf, create_graph=True)
        second.view(-1)[i] = row.flatten()[i].detach()
        (row,) = torch.autograd.grad(row.flatten()[i], leaf, retain_graph=True)
        third.view(-1)[i] = row.flatten()[i]
    return first.detach(), second, third


def test_the_weights_are_those_of_the_paper_taken_with_true_derivatives():
    activations = torch.rand(1, 4, 3, 3, dtype=torch.float64)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 5), nn.ReLU(), nn.Linear(5, 1)).double()

    def head(a):
        return net(a).squeeze()

    leaf = activations.clone().requires_grad_()
    (gradients,) = torch.autograd.grad(head(leaf), leaf)
    first, second, third = derivatives_of_exp(head, activations)

    total = activations.sum(dim=(2, 3), keepdim=True)
    alpha = second / (2 * second + total * third)  # equation (10)
    weights = (alpha * first.relu()).sum(dim=(2, 3))  # equation (5)
    ours = gradcam_plus_plus_weights(activations, gradients) * head(activations).exp()
    torch.testing.assert_close(ours, weights.detach(), rtol=1e-10, atol=0)


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6])
def test_small_gradients_are_exact(scale):
    """Peers add 1e-6 to the denominator, which moves the weights of small gradients by up to 71 %."""
    activations, gradients = torch.rand(1, 3, 4, 4, dtype=torch.float64), torch.rand(1, 3, 4, 4, dtype=torch.float64)
    g = gradients * scale
    exact = (g**2 / (2 * g**2 + activations.sum(dim=(2, 3), keepdim=True) * g**3) * g).sum(dim=(2, 3))
    torch.testing.assert_close(gradcam_plus_plus_weights(activations, g), exact, rtol=1e-9, atol=0)


def test_channels_are_summed_apart():
    """One peer sums A g^3 over all channels together: then the first channel's weight would feel the second."""
    activations, gradients = torch.rand(1, 2, 3, 3), torch.rand(1, 2, 3, 3)
    together = gradcam_plus_plus_weights(activations, gradients)
    alone = gradcam_plus_plus_weights(activations[:, :1], gradients[:, :1])
    torch.testing.assert_close(together[:, :1], alone)


def test_a_gradient_of_zero_weighs_nothing():
    activations = torch.rand(1, 2, 3, 3)
    assert gradcam_plus_plus_weights(activations, torch.zeros_like(activations)).tolist() == [[0.0, 0.0]]
    assert not gradcam_plus_plus(activations, torch.zeros_like(activations)).any()
