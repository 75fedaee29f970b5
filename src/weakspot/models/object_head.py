"""A small head that predicts objects from intermediate features and class maps, taught by boxes, masks and points."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from weakspot.models.class_directions import ClassDirections, Contrasts, fit_directions, held_out_probabilities
from weakspot.models.object_targets import ObjectTarget, object_loss

WIDTH = 32
# Channels of each class: the propagated map, the map before propagation, and the foreground probability.
MAPS = 3
_STEPS, _BATCH, _RATE, _DECAY, _DROPOUT = 120, 8, 2e-3, 1e-2, 0.2


@dataclass(frozen=True, eq=False)
class ObjectInputs:
    """Inputs of an object head for a batch of images, and the maps that are final without a head.

    Attributes:
        features: Intermediate features, shape (B, K, h, w).
        maps: Maps of each class on the same grid, shape (B, C, 3, h, w), in [0, 1].
        propagated: The propagated maps on their own, coarser grid, shape (B, C, h', w').
        evidence: The class maps before propagation, shape (B, C, h'', w''), any sign.
    """

    features: Tensor
    maps: Tensor
    propagated: Tensor
    evidence: Tensor


class ObjectHead(nn.Module):
    """Convolutions that predict for each class and position whether it belongs to an object of the class.

    Args:
        channels: Total number of channels of the intermediate features.
        num_classes: Number of classes.
        width: Number of hidden channels.

    Attributes:
        share: Share of its probability in the final map, in [0, 1]; the propagated map has the rest.
        directions: Linear classifiers of positions, whose probability is another input.
    """

    share: Tensor

    def __init__(self, channels: int, num_classes: int, width: int = WIDTH) -> None:
        super().__init__()
        self.channels = channels
        self.directions = ClassDirections(num_classes, channels)
        self.normalize = nn.BatchNorm2d(channels, affine=False)
        self.dropout = nn.Dropout2d(_DROPOUT)
        self.from_features = nn.Conv2d(channels, width, 1)
        self.from_maps = nn.Conv2d(MAPS + 1, width, 1, bias=False)
        self.context = nn.Conv2d(width, width, 3, padding=2, dilation=2)
        self.output = nn.Conv2d(width, 1, 1)
        self.register_buffer("share", torch.tensor(0.3))

    def forward(self, features: Tensor, maps: Tensor, classes: Tensor) -> Tensor:
        """Return logits (B, n, h, w) of features (B, K, h, w), maps (B, n, 3, h, w) in [0, 1] and classes (B, n)."""
        return self.refine(features, torch.cat([maps, self.directions(features, classes)[:, :, None]], dim=2))

    def refine(self, features: Tensor, maps: Tensor) -> Tensor:
        """Return logits (B, n, h, w) of features (B, K, h, w) and maps (B, n, 4, h, w), the last of the directions."""
        shared = self.from_features(self.dropout(self.normalize(features)))
        of_maps = self.from_maps(2 * maps.flatten(0, 1) - 1).unflatten(0, maps.shape[:2])
        hidden = F.relu(shared[:, None] + of_maps).flatten(0, 1)
        hidden = hidden + F.relu(self.context(hidden))
        logits: Tensor = self.output(hidden).unflatten(0, maps.shape[:2])[:, :, 0]
        return logits

    def combine(self, features: Tensor, maps: Tensor, classes: Tensor) -> Tensor:
        """Return final class maps (B, n, h, w) in [0, 1]; arguments as for :meth:`forward`."""
        probability = torch.sigmoid(self(features, maps, classes))
        return (1 - self.share) * maps[:, :, 0] + self.share * probability


def fit_object_head(
    features: Tensor,
    maps: Tensor,
    targets: Sequence[ObjectTarget],
    contrasts: Contrasts,
    *,
    num_classes: int,
    seed: int,
    on_step: Callable[[int, int], None] = lambda _done, _steps: None,
) -> ObjectHead:
    """Fit an object head to what is known of one class in each of N images.

    While it is fitted, its input is the probability of directions that the other images have taught, as for new images.

    Args:
        features: Intermediate features, shape (N, K, h, w), any floating type.
        maps: Maps of the class, shape (N, 3, h, w), in [0, 1].
        targets: What is known of the class.
        contrasts: Mean features of objects and background, from :func:`weakspot.models.find_contrasts`.
        num_classes: Number of classes.
        seed: Random seed of weights, order and flips.
        on_step: Called with the number of steps that are done, and of all.

    Returns:
        The head, in evaluation mode.
    """
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = ObjectHead(features.shape[1], num_classes).train()
        head.directions = fit_directions(contrasts, num_classes)
        maps = torch.cat([maps.float(), held_out_probabilities(features, contrasts)[:, None]], dim=1)
        optimizer = torch.optim.AdamW(head.parameters(), lr=_RATE, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_STEPS)
        order: list[int] = []
        for step in range(_STEPS):
            while len(order) < _BATCH:
                order += torch.randperm(len(features)).tolist()
            batch, order = order[:_BATCH], order[_BATCH:]
            x, m, chosen = features[batch].float(), maps[batch], [targets[i] for i in batch]
            if torch.rand(()) < 0.5:
                x, m, chosen = x.flip(-1), m.flip(-1), [target.flip() for target in chosen]
            loss = object_loss(head.refine(x, m[:, None])[:, 0], chosen)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            on_step(step + 1, _STEPS)
    return head.eval().requires_grad_(False)
