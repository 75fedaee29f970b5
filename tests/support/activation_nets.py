"""Random small classifiers whose activations and head are known apart, and their class maps by plain autograd."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


def masked(values):
    return values * (values > 0)


def set_to_zero(values):
    values[values < 0] = 0
    return values


def swish(values):
    return values * torch.sigmoid(values)


# How a model may apply an activation function to a feature map, and the function, written in another way.
RELU, RELU6 = (lambda a: a.clamp(min=0)), (lambda a: a.clamp(0, 6))
ACTIVATIONS = {
    "F.relu": (F.relu, RELU),
    "F.relu in place": (lambda a: F.relu(a, inplace=True), RELU),
    "torch.relu_": (torch.relu_, RELU),
    "Tensor.relu": (torch.Tensor.relu, RELU),
    "clamp": (lambda a: a.clamp(min=0), RELU),
    "clamp_": (lambda a: a.clamp_(min=0.0), RELU),
    "threshold": (lambda a: F.threshold(a, 0.0, 0.0), RELU),
    "maximum": (lambda a: torch.maximum(a, torch.zeros_like(a)), RELU),
    "where": (lambda a: torch.where(a > 0, a, 0.0), RELU),
    "mask": (masked, RELU),
    "float mask": (lambda a: a.mul((a > 0).to(a)), RELU),
    "mask in place": (lambda a: a.mul_(a > 0), RELU),
    "masked_fill": (lambda a: a.masked_fill(a < 0, 0), RELU),
    "indexed": (set_to_zero, RELU),
    "F.relu6": (F.relu6, RELU6),
    "F.relu6 in place": (lambda a: F.relu6(a, inplace=True), RELU6),
    "hardtanh": (lambda a: F.hardtanh(a, 0.0, 6.0), RELU6),
    "leaky": (lambda a: F.leaky_relu(a, 0.2), lambda a: a.clamp(min=0) + 0.2 * a.clamp(max=0)),
    "leaky in place": (
        lambda a: F.leaky_relu_(a, negative_slope=0.1),
        lambda a: a.clamp(min=0) + 0.1 * a.clamp(max=0),
    ),
    "silu": (F.silu, swish),
    "silu in place": (lambda a: F.silu(a, inplace=True), swish),
    "swish by hand": (swish, swish),
    "hardswish": (F.hardswish, lambda a: a * (a + 3).clamp(0, 6) / 6),
    "gelu": (lambda a: F.gelu(a, approximate="tanh"), lambda a: F.gelu(a, approximate="tanh")),
    "elu": (F.elu, lambda a: torch.where(a > 0, a, a.exp() - 1)),
    "mish": (F.mish, lambda a: a * torch.tanh(F.softplus(a))),
    "tanh": (torch.tanh, torch.tanh),
    "nn.ReLU": (nn.ReLU(), RELU),
    "nn.ReLU in place": (nn.ReLU(inplace=True), RELU),
    "nn.SiLU": (nn.SiLU(), swish),
}
POOLINGS = {
    "average": lambda a: a.mean(dim=(2, 3)),
    "adaptive": lambda a: torch.flatten(F.adaptive_avg_pool2d(a, 1), 1),
    "maximum": lambda a: a.amax(dim=(2, 3)),
    "flatten": lambda a: a.flatten(1),
    "both": lambda a: torch.cat([a.mean(dim=(2, 3)), F.adaptive_max_pool2d(a, 1).flatten(1)], dim=1),
    "squares": lambda a: (a * a).mean(dim=(2, 3)),
}
CHANNELS, GRID, CLASSES = 5, 4, 4
WIDTHS = {"flatten": CHANNELS * GRID * GRID, "both": 2 * CHANNELS}


@dataclass(frozen=True)
class Recipe:
    """What a classifier is made of."""

    activation: str
    pooling: str
    hidden: int  # number of layers before the last linear one
    normalized: bool
    scale: float
    seed: int


class ActivationNet(nn.Module):
    """Convolutions, an activation, a pooling, and linear layers with ReLUs."""

    def __init__(self, recipe, dtype=torch.float64):
        super().__init__()
        generator = torch.random.get_rng_state()
        torch.manual_seed(recipe.seed)
        layers = [nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, CHANNELS, 3, stride=2, padding=1)]
        layers += [nn.BatchNorm2d(CHANNELS)] if recipe.normalized else []
        self.function, self.reference = ACTIVATIONS[recipe.activation]
        self.features = nn.Sequential(*layers)
        self.pool = POOLINGS[recipe.pooling]
        width = WIDTHS.get(recipe.pooling, CHANNELS)
        hidden = [layer for _ in range(recipe.hidden) for layer in (nn.Linear(width, width), nn.ReLU(inplace=True))]
        self.head = nn.Sequential(*hidden, nn.Linear(width, CLASSES))
        self.eval().to(dtype).requires_grad_(False)
        for parameter in self.features.parameters():
            parameter.mul_(recipe.scale)
        torch.random.set_rng_state(generator)

    def forward(self, images):
        return self.head(self.pool(self.function(self.features(images))))

    def activations(self, images):
        return self.reference(self.features(images))

    def after(self, activations):
        return self.head(self.pool(activations))


def plain_autograd(model, images, classes):
    """Activations A (B, K, h, w) and dy/dA (B, C, K, h, w) of (B, C) classes."""
    leaf = model.activations(images).detach().requires_grad_()
    logits = model.after(leaf)
    rows = [
        torch.autograd.grad(logits.gather(1, column[:, None]).sum(), leaf, retain_graph=True)[0]
        for column in classes.unbind(1)
    ]
    return leaf.detach(), torch.stack(rows, dim=1)


def reference_maps(a, g):
    """Class maps (B, C, h, w) of the methods that need gradients, each written out from its paper."""
    a = a[:, None]
    area = a.shape[-1] * a.shape[-2]
    alpha = g.sum((-1, -2), keepdim=True) / area
    positive = g.clamp(min=0)
    plus = (positive / (2 + a.sum((-1, -2), keepdim=True) * positive)).sum((-1, -2), keepdim=True)
    total = a.sum((-1, -2), keepdim=True)
    x = torch.where(total == 0, 0.0, (g * a).sum((-1, -2), keepdim=True) / total)
    return {
        "gradcam": (alpha * a).sum(2).clamp(min=0),
        "counterfactual": (-alpha * a).sum(2).clamp(min=0),
        "gradcam++": (plus * a).sum(2).clamp(min=0),
        "xgradcam": (x * a).sum(2).clamp(min=0),
        "hirescam": (g * a).sum(2),
        "layercam": (positive * a).sum(2).clamp(min=0),
    }
