"""ACoL: two adversarial branches on one backbone; the second is trained on features in which the first is erased."""

import torch
from torch import Tensor, nn

from weakspot.cams.normalization import min_max
from weakspot.models.networks.cam import conv3x3_relu
from weakspot.models.networks.losses import Criterion


class AcolHead(nn.Module):
    """Branch A finds the most discriminative regions; branch B is trained on features in which these are erased.

    Each branch consists of two 3 x 3 convolutions and a 1 x 1 convolution whose channels are the class maps. Features
    are erased where A's min-max normalized map of the class is at least delta: of the label in training, of A's
    predicted class at test time. Erasing has no gradient. The loss is the sum of both branches' losses; the logits are
    A's; ``weakspot.cams.acol`` fuses the maps.

    With several labels, features are erased where any of their maps is at least delta.

    Args:
        channels: Number of channels of the shared activations.
        classes: Number of classes.
        delta: Erasing threshold in (0, 1]. The paper tries 0.5 to 0.9 and finds 0.6 best.
        width: Number of channels in the branches; 1024 in the paper.
        multi_label: At test time, erase all classes with a positive logit, not only the predicted one.

    Source:
        Zhang et al., "Adversarial Complementary Learning for Weakly Supervised Object Localization", CVPR 2018,
        arXiv 1804.06962, figure 2 and algorithm 1.
    """

    network = "acol"
    branches = ("branch_a", "branch_b")
    depth = 1
    pools_first = False

    def __init__(
        self, channels: int, classes: int, *, delta: float = 0.6, width: int = 1024, multi_label: bool = False
    ) -> None:
        super().__init__()
        self.delta = delta
        self.multi_label = multi_label
        self.branch_a = _branch(channels, width, classes)
        self.branch_b = _branch(channels, width, classes)

    def forward(self, activations: Tensor) -> Tensor:
        """Return A's logits (B, C) of activations (B, K, h, w); B runs on the features without A's prediction."""
        maps = self.branch_a(activations)
        logits: Tensor = maps.mean(dim=(2, 3))
        predicted = torch.zeros_like(logits).scatter_(1, logits.argmax(dim=1, keepdim=True), 1)
        present = (predicted > 0) | (logits > 0) if self.multi_label else predicted > 0
        self.branch_b(erase_regions(activations, maps, present, self.delta))
        return logits

    def loss(self, maps: tuple[Tensor, ...], targets: Tensor, criterion: Criterion) -> tuple[Tensor, Tensor]:
        """Return the loss of both branches and A's logits; the regions of the labels in A's maps are erased for B."""
        activations = maps[-1]
        maps_a = self.branch_a(activations)
        maps_b = self.branch_b(erase_regions(activations, maps_a, targets > 0, self.delta))
        logits_a, logits_b = maps_a.mean(dim=(2, 3)), maps_b.mean(dim=(2, 3))
        return criterion(logits_a, targets) + criterion(logits_b, targets), logits_a


def erase_regions(activations: Tensor, maps: Tensor, present: Tensor, delta: float) -> Tensor:
    """Set activations to 0 where the normalized map of a present class is at least delta.

    Args:
        activations: Shape (B, K, h, w).
        maps: Class maps of shape (B, C, h, w); they get no gradient.
        present: Which classes are present, bool of shape (B, C).
        delta: Threshold, as a fraction of the range between the map's minimum and maximum.

    Returns:
        Shape (B, K, h, w).
    """
    erased = (min_max(maps.detach()) >= delta) & present[:, :, None, None]
    return activations * ~erased.any(dim=1, keepdim=True)


def _branch(channels: int, width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(*conv3x3_relu(channels, width), *conv3x3_relu(width, width), nn.Conv2d(width, classes, 1))
