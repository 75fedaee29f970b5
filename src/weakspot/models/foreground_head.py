"""A small class-agnostic head that predicts foreground from intermediate features."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from weakspot.models.object_head import ObjectHead
from weakspot.models.position_head import PositionHead

WIDTH = 64
_OBJECTS, _POSITIONS = "objects.", "positions."  # prefixes of the names of the weights of further heads
# Fitting uses at most this many images.
MAX_IMAGES = 1000
# Positions whose map is at or above the first value are foreground, below the second background; others are ignored.
_FOREGROUND, _BACKGROUND = 0.7, 0.3
_EPOCHS, _BATCH, _RATE, _DECAY = 8, 16, 2e-3, 1e-2


class ForegroundHead(nn.Module):
    """Three 1 x 1 convolutions that predict for each position whether it belongs to an object.

    It is fitted to the class maps of many images, see :func:`fit_foreground`.

    Args:
        channels: Total number of channels of the intermediate features.
        width: Number of hidden channels.

    Attributes:
        objects: A head that boxes have taught, which sees the foreground probability; None without boxes.
        positions: A head whose maps replace the propagated ones; None unless the run was trained with ``mil``.
    """

    objects: ObjectHead | None
    positions: PositionHead | None

    def __init__(self, channels: int, width: int = WIDTH) -> None:
        super().__init__()
        self.channels = channels
        self.objects, self.positions = None, None
        self.layers = nn.Sequential(
            nn.BatchNorm2d(channels, affine=False),
            nn.Conv2d(channels, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, 1, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, 1, h, w) of features (B, K, h, w); positive is foreground."""
        logits: Tensor = self.layers(features)
        return logits


def from_state_dict(weights: Mapping[str, Tensor]) -> ForegroundHead:
    """Build a foreground head from its state dict; RuntimeError if the shapes do not fit."""
    width, channels = weights["layers.1.weight"].shape[:2]
    taught = weights.get(f"{_OBJECTS}from_features.weight")
    directions = weights.get(f"{_OBJECTS}directions.offsets")
    hidden, output = (weights.get(f"{_POSITIONS}{name}.weight") for name in ("hidden", "output"))
    if not width * channels or any(values is not None and not values.numel() for values in (taught, hidden, output)):
        raise RuntimeError("The weights are empty.")

    def build() -> ForegroundHead:
        head = ForegroundHead(channels, width)
        if taught is not None and directions is not None:
            head.objects = ObjectHead(channels, directions.shape[0], taught.shape[0])
        if hidden is not None and output is not None:
            head.positions = PositionHead(channels, output.shape[0], hidden.shape[0])
        return head

    with torch.device("meta"):  # it may be large
        expected = build().state_dict()
    if {name: value.shape for name, value in weights.items()} != {n: value.shape for n, value in expected.items()}:
        raise RuntimeError("The shapes of the weights do not fit.")
    head = build()
    head.load_state_dict(dict(weights))
    return head.eval().requires_grad_(False)


def fit_foreground(features: Tensor, maps: Tensor, *, seed: int) -> ForegroundHead | None:
    """Fit a foreground head to the class maps of many images, without boxes or masks.

    Each map has errors of its own; a small head learns what the maps have in common.

    Args:
        features: Intermediate features, shape (N, K, h, w).
        maps: Class maps of these images, shape (N, h, w), in [0, 1]: at least 0.7 is foreground, below 0.3 is
            background. All zeros for an image without an object.
        seed: Random seed of the initial weights and of the order of images.

    Returns:
        The head, in evaluation mode; None if no position is foreground, or features or maps are not finite.

    Source:
        Training on a model's own predictions: Lee, "Pseudo-Label", ICML Workshops 2013; a foreground map from a frozen
        backbone: Xie et al., "C2AM: Contrastive learning of Class-agnostic Activation Map", CVPR 2022. The thresholds
        and the head are ours.
    """
    if not bool((maps >= _FOREGROUND).any()) or not bool(features.isfinite().all() and maps.isfinite().all()):
        return None
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _fit(ForegroundHead(features.shape[1]), features, maps)


def _fit(head: ForegroundHead, features: Tensor, maps: Tensor) -> ForegroundHead:
    """Minimize the balanced cross entropy over the positions that are foreground or background."""
    optimizer = torch.optim.AdamW(head.parameters(), lr=_RATE, weight_decay=_DECAY)
    steps = _EPOCHS * -(-len(features) // _BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    head.train()
    for _ in range(_EPOCHS):
        for batch in torch.randperm(len(features)).split(_BATCH):
            loss = _balanced_loss(head(features[batch].float())[:, 0], maps[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return head.eval().requires_grad_(False)


def _balanced_loss(logits: Tensor, maps: Tensor) -> Tensor:
    """Return the mean of the foreground's and the background's mean loss, so that both have equal weight."""
    foreground, background = maps >= _FOREGROUND, maps < _BACKGROUND
    losses = F.binary_cross_entropy_with_logits(logits, foreground.to(logits.dtype), reduction="none")
    means = (losses[mask].sum() / max(int(mask.sum()), 1) for mask in (foreground, background))
    return sum(means, torch.zeros(())) / 2
