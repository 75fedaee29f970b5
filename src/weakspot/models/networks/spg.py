"""SPG head: class maps that supervise foreground masks on earlier layers."""

import torch.nn.functional as F
from torch import Tensor, nn

from weakspot.cams.normalization import min_max
from weakspot.models.networks.cam import conv3x3_relu
from weakspot.models.networks.losses import Criterion

# At or above the first value is foreground, below the second background; values in between are ignored.
CLASS_MAP_BOUNDS, BRANCH_B2_BOUNDS, BOTH_BRANCHES_BOUNDS = (0.7, 0.1), (0.5, 0.05), (0.7, 0.1)


class SpgHead(nn.Module):
    """A class map, and three branches that learn object masks from each other's most confident pixels.

    The class map supervises branch B2 on the second to last feature map, B2 supervises B1 on the feature map before
    that, and their mean supervises branch C on the last feature map. So the backbone learns where objects end. The
    branches are used in training only: at test time the class map is used.

    Args:
        channels: Number of channels of the feature maps: two intermediate ones, and the last.
        classes: Number of classes.
        width: Number of channels in the branches; 512 in the paper.

    Source:
        Zhang et al., "Self-produced Guidance for Weakly-supervised Object Localization", ECCV 2018, arXiv
        1807.08902, section 3 and equation (3).
    """

    network = ""
    branches: tuple[str, ...] = ()
    depth = 3
    pools_first = False

    def __init__(self, channels: tuple[int, int, int], classes: int, *, width: int = 512) -> None:
        super().__init__()
        first, second, last = channels
        self.classifier = nn.Conv2d(last, classes, 1)
        self.branch_b1 = conv3x3_relu(first, width)
        self.branch_b2 = conv3x3_relu(second, width)
        self.shared_b = _mask_layer(width, width)
        self.branch_c = _mask_layer(last, width)

    def forward(self, activations: Tensor) -> Tensor:
        """Return logits (B, C) of the last activations (B, K, h, w): the means of the class maps."""
        logits: Tensor = self.classifier(activations).mean(dim=(2, 3))
        return logits

    def loss(self, maps: tuple[Tensor, ...], targets: Tensor, criterion: Criterion) -> tuple[Tensor, Tensor]:
        """Return the loss and the logits of a batch, given its two intermediate feature maps and the last."""
        first, second, last = maps
        class_maps = self.classifier(last)
        logits = class_maps.mean(dim=(2, 3))
        mask_1, mask_2 = self.shared_b(self.branch_b1(first)), self.shared_b(self.branch_b2(second))
        both = (_resize_like(mask_1.sigmoid(), mask_2) + mask_2.sigmoid()) / 2
        attention = (min_max(class_maps) * (targets > 0)[:, :, None, None]).amax(dim=1, keepdim=True)
        guidance = (
            guided_loss(mask_2, attention, CLASS_MAP_BOUNDS)
            + guided_loss(mask_1, mask_2.sigmoid(), BRANCH_B2_BOUNDS)
            + guided_loss(self.branch_c(last), both, BOTH_BRANCHES_BOUNDS)
        )
        return criterion(logits, targets) + guidance, logits


def guided_loss(mask: Tensor, guide: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Compute the binary cross entropy of a mask at the pixels at which its guide is confident.

    Args:
        mask: Logits of shape (B, 1, h, w).
        guide: Values in [0, 1], shape (B, 1, h', w'), resized to the mask; they get no gradient.
        bounds: At or above the first is foreground, below the second background; values in between are ignored.

    Returns:
        The mean over the confident pixels, 0 if there are none.
    """
    resized = _resize_like(guide.detach(), mask)
    foreground, background = resized >= bounds[0], resized < bounds[1]
    confident = (foreground | background).to(mask)
    losses = F.binary_cross_entropy_with_logits(mask, foreground.to(mask), reduction="none")
    return (losses * confident).sum() / confident.sum().clamp(min=1)


def _mask_layer(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(*conv3x3_relu(channels, width), nn.Conv2d(width, 1, 1))


def _resize_like(values: Tensor, other: Tensor) -> Tensor:
    return F.interpolate(values, size=other.shape[-2:], mode="bilinear", align_corners=False)
