"""ACoL: two adversarial branches on one backbone, the second shown what the first does not rely on."""

import torch
from torch import Tensor, nn

from weakspot.cams.normalization import min_max
from weakspot.models.networks.cam import convolution
from weakspot.models.networks.losses import Criterion


class AcolHead(nn.Module):
    """Branch A finds the most discriminative regions; branch B learns from features in which these are erased.

    Each branch is two 3 x 3 convolutions and a 1 x 1 convolution whose channels are the class maps themselves. The
    features are erased where A's min-max normalised map of the class is at or above delta: of the label in training,
    of the class that A predicts at test. No gradient flows through the erasing. The loss is that of A and that of B,
    added up; the logits are A's; ``weakspot.cams.acol`` fuses the maps.

    With several labels, features are erased where any of their maps is at or above delta.

    Args:
        channels: Channels of the shared activations.
        classes: Number of classes.
        delta: Where to erase, in (0, 1]. The paper tries 0.5 to 0.9 and finds 0.6 best.
        width: Channels within the branches. The paper has 1024.
        multi_label: At test, all classes whose logit is above 0 are erased beside the winning one.

    Source:
        Zhang et al., "Adversarial Complementary Learning for Weakly Supervised Object Localization", CVPR 2018,
        arXiv 1804.06962, figure 2 and algorithm 1.

    Example:
        >>> AcolHead(8, 3, width=4)(torch.zeros(2, 8, 7, 7)).shape
        torch.Size([2, 3])
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
        """Give A's logits (B, C) of activations (B, K, h, w); B runs, too, on what is left without A's prediction."""
        maps = self.branch_a(activations)
        logits: Tensor = maps.mean(dim=(2, 3))
        predicted = torch.zeros_like(logits).scatter_(1, logits.argmax(dim=1, keepdim=True), 1)
        present = (predicted > 0) | (logits > 0) if self.multi_label else predicted > 0
        self.branch_b(erase_regions(activations, maps, present, self.delta))
        return logits

    def loss(self, maps: tuple[Tensor, ...], targets: Tensor, criterion: Criterion) -> tuple[Tensor, Tensor]:
        """Give the loss of both branches and A's logits; erased is what A sees of the labels."""
        activations = maps[-1]
        maps_a = self.branch_a(activations)
        maps_b = self.branch_b(erase_regions(activations, maps_a, targets > 0, self.delta))
        logits_a, logits_b = maps_a.mean(dim=(2, 3)), maps_b.mean(dim=(2, 3))
        return criterion(logits_a, targets) + criterion(logits_b, targets), logits_a


def erase_regions(activations: Tensor, maps: Tensor, present: Tensor, delta: float) -> Tensor:
    """Set activations to 0 where the normalised class map of a present class is at or above delta.

    Args:
        activations: Shape (B, K, h, w).
        maps: Class maps of shape (B, C, h, w); no gradient flows back through them.
        present: Whether each class is there, shape (B, C). Nothing is erased where none is.
        delta: Fraction of the way from the map's least to its greatest value.

    Returns:
        Shape (B, K, h, w).

    Example:
        >>> seen = torch.tensor([[[[5.0, 6.0, 7.0]]]])
        >>> erase_regions(seen, torch.tensor([[[[0.0, 1.0, 2.0]]]]), torch.tensor([[True]]), 0.6).tolist()
        [[[[5.0, 6.0, 0.0]]]]
    """
    relied_on = (min_max(maps.detach()) >= delta) & present[:, :, None, None]
    return activations * ~relied_on.any(dim=1, keepdim=True)


def _branch(channels: int, width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(*convolution(channels, width), *convolution(width, width), nn.Conv2d(width, classes, 1))
