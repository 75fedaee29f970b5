"""Teach a head what foreground looks like, by the class maps of the training images: no box or mask is asked for."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from weakspot.cams.normalising import min_max
from weakspot.data import Example
from weakspot.localizer import Localizer
from weakspot.models import ForegroundHead
from weakspot.streaming import batched
from weakspot.training.labels import Labels
from weakspot.training.photos import read_pixels

# So many images are enough to learn from, drawn at random from all.
_MOST_IMAGES = 1000
# Places whose map is at or above the first are foreground, those below the second are background, others are left out.
_FOREGROUND, _BACKGROUND = 0.7, 0.3
_EPOCHS, _BATCH, _RATE, _DECAY = 8, 16, 2e-3, 1e-2


def learn_foreground(
    localizer: Localizer, examples: Sequence[Example], labels: Labels, *, seed: int
) -> ForegroundHead | None:
    """Fit a foreground head to what the spread class maps of many images agree on.

    A map is wrong in its own way in each image; what a small head can learn of all of them is what they have in common.
    Images without an object are background everywhere.

    Args:
        localizer: The trained classifier, in a quality that spreads its maps.
        examples: The training images.
        labels: Their classes.
        seed: Of the draw of images, of the weights the head begins with, and of the order.

    Returns:
        The head, in evaluation mode; None where the backbone has no levels, or no image an object.

    Source:
        Training on one's own pseudo-labels: Lee, "Pseudo-Label", ICML Workshops 2013; for foreground maps of a frozen
        backbone: Xie et al., "C2AM: Contrastive learning of Class-agnostic Activation Map", CVPR 2022. The cut-offs and
        the head are ours.
    """
    some = np.random.default_rng(seed).permutation(len(examples))[:_MOST_IMAGES]
    found = list(_surfaces(localizer, [examples[i] for i in some], labels))
    if not found:
        return None
    features, maps = (torch.cat(parts) for parts in zip(*found, strict=True))
    if not bool((maps > _FOREGROUND).any()):
        return None
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _fitted(ForegroundHead(features.shape[1]), features, maps)


def _surfaces(localizer: Localizer, examples: Sequence[Example], labels: Labels) -> Iterator[tuple[Tensor, Tensor]]:
    """Features (B, K, h, w) and, of each image, the highest of its classes' maps (B, h, w)."""
    for batch in batched(examples, _BATCH):
        classes = [[int(c) for c in row.nonzero()[0] if c != labels.background] for row in labels.targets(batch)]
        # Those with fewer classes than another are read for their first again, those without any for some class.
        most = max(1, *map(len, classes))
        rows = [own + (own[:1] or [0]) * (most - len(own)) for own in classes]
        photos = [read_pixels(example, localizer.preprocessing) for example in batch]
        read = localizer.maps_and_features(photos, torch.tensor(rows))
        if read is None:
            return
        maps, features = read
        holds_one = torch.tensor([bool(own) for own in classes])
        yield features.half(), min_max(maps).amax(dim=1) * holds_one[:, None, None]


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
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return head.eval().requires_grad_(False)


def _loss(logits: Tensor, maps: Tensor) -> Tensor:
    """Half of it is for the foreground, half for the background, however many places either has."""
    foreground, background = maps >= _FOREGROUND, maps < _BACKGROUND
    wrong = F.binary_cross_entropy_with_logits(logits, foreground.to(logits.dtype), reduction="none")
    halves = (wrong[places].sum() / max(int(places.sum()), 1) for places in (foreground, background))
    return sum(halves, torch.zeros(())) / 2
