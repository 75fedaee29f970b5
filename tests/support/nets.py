"""Small classifiers whose maps can be computed independently."""

import torch
import torch.nn.functional as F
from torch import nn


class PooledNet(nn.Module):
    """Two convolutions, global average pooling, one linear layer; ReLUs are modules."""

    def __init__(self, channels=6, classes=4):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 5, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(5, channels, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.fc = nn.Linear(channels, classes)

    def forward(self, images):
        return self.fc(self.features(images).mean(dim=(2, 3)))


class FunctionalNet(PooledNet):
    """The same with a functional in-place ReLU, as in DenseNet."""

    def __init__(self):
        super().__init__()
        self.features = self.features[:3]

    def forward(self, images):
        return self.fc(F.relu(self.features(images), inplace=True).mean(dim=(2, 3)))


class DeepHeadNet(PooledNet):
    """A head other than pooling + linear: flatten, linear, ReLU, dropout, linear."""

    def __init__(self, size=8):
        super().__init__()
        grid = size // 4
        self.fc = nn.Sequential(nn.Linear(6 * grid * grid, 7), nn.ReLU(), nn.Dropout(), nn.Linear(7, 4))

    def forward(self, images):
        return self.fc(self.features(images).flatten(1))


class FrozenBackboneNet(DeepHeadNet):
    """A backbone that runs under no_grad, as frozen ones do."""

    def forward(self, images):
        with torch.no_grad():
            features = self.features(images)
        return self.fc(features.flatten(1))


def images(count=3, size=8, dtype=torch.float32):
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


def full_backward(model, layer, batch, classes):
    """Activations and gradients (B, C, K, h, w) by plain autograd through the whole model: the reference."""
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(
        lambda module, args, output: kept.append(output) or output.clone()
    )
    logits = model(batch)
    handle.remove()
    gradients = [
        torch.autograd.grad(logits.gather(1, one[:, None]).sum(), kept[0], retain_graph=True)[0]
        for one in classes.unbind(1)
    ]
    return kept[0].detach(), torch.stack(gradients, dim=1), logits.detach()
