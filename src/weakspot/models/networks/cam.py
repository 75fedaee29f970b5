"""CAM: a network whose class map is there for the taking."""

import torch
from torch import Tensor, nn

from weakspot.models.networks.losses import Criterion


class CamHead(nn.Module):
    """Global average pooling and one linear layer: ``y_c = w_c . mean_ij A_ij + b_c``.

    A backbone that ended in fully connected layers gets a 3 x 3 convolution with 1024 channels in their place first,
    and so does a transformer. HaS, CutMix and ADL train this head, too.

    Args:
        channels: Channels of the activations.
        classes: Number of classes.
        width: Channels of the convolution; None for none.

    Source:
        Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, section 2 and, for the
        convolution, section 3.1 (VGGnet-GAP, GoogLeNet-GAP, AlexNet-GAP).

    Example:
        >>> CamHead(8, 3)(torch.zeros(2, 8, 7, 7)).shape
        torch.Size([2, 3])
    """

    network = ""
    branches: tuple[str, ...] = ()
    depth = 1

    def __init__(self, channels: int, classes: int, *, width: int | None = None) -> None:
        super().__init__()
        self.pools_first = width is None
        self.convolution = nn.Identity() if width is None else convolution(channels, width)
        self.classifier = nn.Linear(channels if width is None else width, classes)
        # Random weights would stay in directions in which pooled features do not vary, and show in the map.
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, activations: Tensor) -> Tensor:
        """Give logits (B, C) of activations (B, K, h, w)."""
        logits: Tensor = self.classifier(self.convolution(activations).mean(dim=(2, 3)))
        return logits

    @torch.no_grad()
    def centre(self) -> None:
        """Take from every class what all have in common: a softmax does not see it, but each class map would show it.

        Its gradient has no such part, but steps of Adam, which scales each weight by itself, add one.
        """
        for parameter in (self.classifier.weight, self.classifier.bias):
            parameter.sub_(parameter.mean(dim=0, keepdim=True))

    def loss(self, maps: tuple[Tensor, ...], targets: Tensor, criterion: Criterion) -> tuple[Tensor, Tensor]:
        """Give the loss and the logits of a batch; ``maps`` holds its activations."""
        logits = self(maps[-1])
        return criterion(logits, targets), logits


def convolution(channels: int, width: int) -> nn.Sequential:
    """A 3 x 3 convolution and a ReLU."""
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU())
