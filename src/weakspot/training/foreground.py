"""Fit the foreground head of a run to the class maps of its training images."""

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

_BATCH_SIZE = 16


def fit_run_foreground(
    localizer: Localizer, samples: Sequence[Sample], labels: Labels, *, seed: int
) -> ForegroundHead | None:
    """Fit a foreground head to the training images, each with the maps of its own classes.

    Images without an object are background everywhere.

    Args:
        localizer: The trained classifier, with a quality preset that propagates its maps.
        samples: The training images; at most a thousand are drawn at random.
        labels: The classes of the run.
        seed: Seed of the draw and of the head.

    Returns:
        The head; None if the backbone has no intermediate features, or no image contains an object.
    """
    drawn = np.random.default_rng(seed).permutation(len(samples))[:MAX_IMAGES]
    return fit_to_batches(list(_features_and_maps(localizer, [samples[i] for i in drawn], labels)), seed=seed)


def _features_and_maps(localizer: Localizer, samples: Sequence[Sample], labels: Labels) -> Iterator[FeaturesAndMaps]:
    """Yield features (B, K, h, w) and, for each image, the maximum of its classes' maps (B, h, w)."""
    for batch in batched(samples, _BATCH_SIZE):
        classes = [[int(c) for c in row.nonzero()[0] if c != labels.background_index] for row in labels.targets(batch)]
        # All rows have the same length: those with fewer classes repeat the first one, empty ones use class 0.
        length = max(1, *map(len, classes))
        rows = [indices + (indices[:1] or [0]) * (length - len(indices)) for indices in classes]
        pixels = [channels_last(read_pixels(sample, localizer.preprocessing)) for sample in batch]
        features_and_maps = localizer.torch_backend.foreground_targets(pixels, localizer.method, torch.tensor(rows))
        if features_and_maps is None:
            return
        features, maps = features_and_maps
        has_object = torch.tensor([bool(indices) for indices in classes])
        yield features, maps.amax(dim=1) * has_object[:, None, None]
