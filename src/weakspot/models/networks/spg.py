"""SPG: a map teaches the layers before it where foreground and background are."""

import torch.nn.functional as F
from torch import Tensor, nn

from weakspot.cams.normalization import min_max
from weakspot.models.networks.cam import convolution
from weakspot.models.networks.losses import Criterion

# Above the first of a pair is foreground, below the second background; what lies between teaches nothing.
LAST_MAP, SECOND_BRANCH, BOTH_BRANCHES = (0.7, 0.1), (0.5, 0.05), (0.7, 0.1)


class SpgHead(nn.Module):
    """A class map, and three branches that learn object masks from each other, the surest pixels first.

    The class map's surest pixels teach branch B2 on the features before the last, those of B2 teach B1 on the features
    before these, and those of both teach C on the last features. In this way the backbone learns where the object
    ends. Branches run in training only: at test the class map is what is read.

    Args:
        channels: Channels of the feature maps: two mid-level ones, and the last.
        classes: Number of classes.
        width: Channels within the branches. The paper has 512.

    Source:
        Zhang et al., "Self-produced Guidance for Weakly-supervised Object Localization", ECCV 2018, arXiv
        1807.08902, section 3 and equation (3).

    Example:
        >>> import torch
        >>> SpgHead((4, 6, 8), 3, width=4)(torch.zeros(2, 8, 7, 7)).shape
        torch.Size([2, 3])
    """

    network = ""
    branches: tuple[str, ...] = ()
    depth = 3
    pools_first = False

    def __init__(self, channels: tuple[int, int, int], classes: int, *, width: int = 512) -> None:
        super().__init__()
        first, second, last = channels
        self.classifier = nn.Conv2d(last, classes, 1)
        self.branch_b1 = convolution(first, width)
        self.branch_b2 = convolution(second, width)
        self.shared_b = _mask_layer(width, width)
        self.branch_c = _mask_layer(last, width)

    def forward(self, activations: Tensor) -> Tensor:
        """Give logits (B, C) of the last activations (B, K, h, w): the means of the class maps."""
        logits: Tensor = self.classifier(activations).mean(dim=(2, 3))
        return logits

    def loss(self, maps: tuple[Tensor, ...], targets: Tensor, criterion: Criterion) -> tuple[Tensor, Tensor]:
        """Give the loss and the logits of a batch; ``maps`` holds its two mid-level feature maps and the last."""
        first, second, last = maps
        class_maps = self.classifier(last)
        logits = class_maps.mean(dim=(2, 3))
        mask_1, mask_2 = self.shared_b(self.branch_b1(first)), self.shared_b(self.branch_b2(second))
        both = (_like(mask_1.sigmoid(), mask_2) + mask_2.sigmoid()) / 2
        attention = (min_max(class_maps) * (targets > 0)[:, :, None, None]).amax(dim=1, keepdim=True)
        guidance = (
            guided_loss(mask_2, attention, LAST_MAP)
            + guided_loss(mask_1, mask_2.sigmoid(), SECOND_BRANCH)
            + guided_loss(self.branch_c(last), both, BOTH_BRANCHES)
        )
        return criterion(logits, targets) + guidance, logits


def guided_loss(mask: Tensor, guide: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Binary cross entropy of a mask at those pixels of which its guide is sure.

    Args:
        mask: Logits of shape (B, 1, h, w).
        guide: Values in [0, 1], shape (B, 1, h', w'), resized to the mask; no gradient flows back through them.
        bounds: At or above the first is foreground, below the second background; what lies between is ignored.

    Returns:
        The mean over the sure pixels, 0 if there are none.

    Example:
        >>> import torch
        >>> guide = torch.tensor([[[[0.9, 0.5, 0.0]]]])
        >>> round(float(guided_loss(torch.zeros(1, 1, 1, 3), guide, (0.7, 0.1))), 4)
        0.6931
    """
    sure = _like(guide.detach(), mask)
    foreground, background = sure >= bounds[0], sure < bounds[1]
    known = (foreground | background).to(mask)
    losses = F.binary_cross_entropy_with_logits(mask, foreground.to(mask), reduction="none")
    return (losses * known).sum() / known.sum().clamp(min=1)


def _mask_layer(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(*convolution(channels, width), nn.Conv2d(width, 1, 1))


def _like(values: Tensor, other: Tensor) -> Tensor:
    return F.interpolate(values, size=other.shape[-2:], mode="bilinear", align_corners=False)
