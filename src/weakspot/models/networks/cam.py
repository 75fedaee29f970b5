"""CAM head: global average pooling and one linear layer."""

import torch
from torch import Tensor, nn

from weakspot.models.networks.losses import Criterion


class CamHead(nn.Module):
    """Global average pooling and one linear layer: ``y_c = w_c . mean_ij A_ij + b_c``.

    If the backbone originally had fully connected layers, or is a transformer, a 3 x 3 convolution with 1024 channels
    precedes the pooling. HaS, CutMix and ADL train this head, too.

    Args:
        channels: Number of channels of the activations.
        classes: Number of classes.
        width: Number of channels of the convolution; None for no convolution.

    Source:
        Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, section 2 and, for the
        convolution, section 3.1 (VGGnet-GAP, GoogLeNet-GAP, AlexNet-GAP).
    """

    network = ""
    branches: tuple[str, ...] = ()
    depth = 1

    def __init__(self, channels: int, classes: int, *, width: int | None = None) -> None:
        super().__init__()
        self.pools_first = width is None
        self.convolution = nn.Identity() if width is None else conv3x3_relu(channels, width)
        self.classifier = nn.Linear(channels if width is None else width, classes)
        # Random weights would persist in directions in which pooled features do not vary, and would appear in the map.
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, activations: Tensor) -> Tensor:
        """Return logits (B, C) of activations (B, K, h, w)."""
        logits: Tensor = self.classifier(self.convolution(activations).mean(dim=(2, 3)))
        return logits

    @torch.no_grad()
    def center(self) -> None:
        """Subtract the mean over the classes from the weights: it changes no softmax, but every class map.

        Its gradient is zero, but steps of Adam, which scales each weight separately, add such a mean.
        """
        for parameter in (self.classifier.weight, self.classifier.bias):
            parameter.sub_(parameter.mean(dim=0, keepdim=True))

    def loss(self, maps: tuple[Tensor, ...], targets: Tensor, criterion: Criterion) -> tuple[Tensor, Tensor]:
        """Return the loss and the logits of a batch, given its feature maps."""
        logits = self(maps[-1])
        return criterion(logits, targets), logits


def conv3x3_relu(channels: int, width: int) -> nn.Sequential:
    """Build a 3 x 3 convolution with a ReLU."""
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU())
