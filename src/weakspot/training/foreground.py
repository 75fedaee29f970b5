"""Teach a run's foreground head by the class maps of its training images."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from weakspot.concurrency import batched
from weakspot.data import Sample
from weakspot.inference.adaptation import FeaturesAndMaps, fit_to_batches
from weakspot.inference.localizer import Localizer
from weakspot.models import ForegroundHead, channels_last
from weakspot.models.foreground_head import MAX_IMAGES
from weakspot.training.dataset import read_pixels
from weakspot.training.labels import Labels

_BATCH = 16


def fit_run_foreground(
    localizer: Localizer, examples: Sequence[Sample], labels: Labels, *, seed: int
) -> ForegroundHead | None:
    """Fit a foreground head to the training images, each with the maps of its own classes.

    Images without an object are background everywhere.

    Args:
        localizer: The trained classifier, in a quality that spreads its maps.
        examples: The training images; of many a thousand are drawn.
        labels: Their classes.
        seed: Of that draw, and of the head.

    Returns:
        The head; None where the backbone has no levels, or no image an object.
    """
    some = np.random.default_rng(seed).permutation(len(examples))[:MAX_IMAGES]
    return fit_to_batches(list(_read(localizer, [examples[i] for i in some], labels)), seed=seed)


def _read(localizer: Localizer, examples: Sequence[Sample], labels: Labels) -> Iterator[FeaturesAndMaps]:
    """Features (B, K, h, w) and, of each image, the highest of its classes' maps (B, h, w)."""
    for batch in batched(examples, _BATCH):
        classes = [[int(c) for c in row.nonzero()[0] if c != labels.background] for row in labels.targets(batch)]
        # Those with fewer classes than another are read for their first again, those without any for some class.
        most = max(1, *map(len, classes))
        rows = [own + (own[:1] or [0]) * (most - len(own)) for own in classes]
        photos = [channels_last(read_pixels(example, localizer.preprocessing)) for example in batch]
        read = localizer.torch_backend.foreground_targets(photos, localizer.method, torch.tensor(rows))
        if read is None:
            return
        features, maps = read
        holds_one = torch.tensor([bool(own) for own in classes])
        yield features, maps.amax(dim=1) * holds_one[:, None, None]
