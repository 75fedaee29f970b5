"""A small head that tells foreground from background, whatever the class, by mid-level features."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 64
# So many images are enough to learn from.
MOST_IMAGES = 1000
# Places whose map is at or above the first are foreground, those below the second are background, others are left out.
_FOREGROUND, _BACKGROUND = 0.7, 0.3
_EPOCHS, _BATCH, _RATE, _DECAY = 8, 16, 2e-3, 1e-2


class ForegroundHead(nn.Module):
    """Tell for each place whether something stands there: three 1 x 1 convolutions over the levels of a backbone.

    It learns from the class maps of many images, see :func:`fit_foreground`.

    Args:
        channels: Channels of all levels together.
        width: Channels in between.
    """

    def __init__(self, channels: int, width: int = WIDTH) -> None:
        super().__init__()
        self.channels = channels
        self.layers = nn.Sequential(
            nn.BatchNorm2d(channels, affine=False),
            nn.Conv2d(channels, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, 1, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Give logits (B, 1, h, w) of features (B, K, h, w): above 0 is foreground."""
        logits: Tensor = self.layers(features)
        return logits


def from_state_dict(weights: Mapping[str, Tensor]) -> ForegroundHead:
    """Build a head again from its state dict.

    Raises:
        RuntimeError: If the weights are not those of a head.
        KeyError: Likewise.

    Example:
        >>> from_state_dict(ForegroundHead(8, width=4).state_dict())(torch.zeros(1, 8, 2, 3)).shape
        torch.Size([1, 1, 2, 3])
    """
    width, channels = weights["layers.1.weight"].shape[:2]
    head = ForegroundHead(channels, width)
    head.load_state_dict(dict(weights))
    return head.eval()


def fit_foreground(features: Tensor, maps: Tensor, *, seed: int) -> ForegroundHead | None:
    """Fit a foreground head to what the class maps of many images agree on: no box or mask is asked for.

    A map is wrong in its own way in each image; what a small head can learn of all of them is what they have in common.

    Args:
        features: Of all levels, shape (N, K, h, w).
        maps: Class maps of these images, shape (N, h, w), in [0, 1]: from 0.7 on a place is taken for foreground, below
            0.3 for background. All zero for an image without an object.
        seed: Of the weights that the head begins with, and of the order.

    Returns:
        The head, in evaluation mode; None where nothing is foreground, or features or maps are not finite.

    Source:
        Learning from one's own predictions: Lee, "Pseudo-Label", ICML Workshops 2013; a foreground map from a frozen
        backbone: Xie et al., "C2AM: Contrastive learning of Class-agnostic Activation Map", CVPR 2022. The cut-offs and
        the head are ours.
    """
    if not bool((maps >= _FOREGROUND).any()) or not bool(features.isfinite().all() and maps.isfinite().all()):
        return None
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _fitted(ForegroundHead(features.shape[1]), features, maps)


def _fitted(head: ForegroundHead, features: Tensor, maps: Tensor) -> ForegroundHead:
    """Minimise the balanced cross-entropy over the places whose map is sure."""
    optimizer = torch.optim.AdamW(head.parameters(), lr=_RATE, weight_decay=_DECAY)
    steps = _EPOCHS * -(-len(features) // _BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    head.train()
    for _ in range(_EPOCHS):
        for some in torch.randperm(len(features)).split(_BATCH):
            loss = _loss(head(features[some].float())[:, 0], maps[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return head.eval().requires_grad_(False)


def _loss(logits: Tensor, maps: Tensor) -> Tensor:
    """Half of it is for the foreground, half for the background, however many places either has."""
    foreground, background = maps >= _FOREGROUND, maps < _BACKGROUND
    wrong = F.binary_cross_entropy_with_logits(logits, foreground.to(logits.dtype), reduction="none")
    halves = (wrong[places].sum() / max(int(places.sum()), 1) for places in (foreground, background))
    return sum(halves, torch.zeros(())) / 2
