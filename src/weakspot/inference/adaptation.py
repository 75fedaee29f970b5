"""Fit a foreground head to a classifier's own maps of unlabeled images."""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from weakspot.concurrency import batched
from weakspot.errors import InputError
from weakspot.inference.backends.base import Pixels
from weakspot.inference.backends.torch import TorchBackend
from weakspot.io.atomic import atomic_write
from weakspot.models import ForegroundHead, fit_foreground
from weakspot.models.foreground_head import MAX_IMAGES, from_state_dict

FeaturesAndMaps = tuple[Tensor, Tensor]  # features (B, K, h, w) and maps (B, h, w)


def fit_foreground_head(
    backend: TorchBackend, method: str, images: Iterable[Pixels], *, batch_size: int, seed: int
) -> tuple[ForegroundHead | None, int]:
    """Fit a head to the maps of the most probable class of each image, of which at most 1000 are used.

    Returns the head and the number of images it was fitted to; None and 0 without intermediate features.
    """
    batches: list[FeaturesAndMaps] = []
    for batch in batched(islice(images, MAX_IMAGES), batch_size):
        targets = backend.foreground_targets(batch, method, None)
        if targets is None:
            break
        batches.append((targets[0], targets[1][:, 0]))
    return fit_to_batches(batches, seed=seed), sum(len(maps) for _, maps in batches)


def fit_to_batches(batches: Sequence[FeaturesAndMaps], *, seed: int) -> ForegroundHead | None:
    """Fit a head to batches of features and maps; None without batches, or if the maps contain no object."""
    if not batches:
        return None
    features, maps = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return fit_foreground(features, maps, seed=seed)


def write_head(head: ForegroundHead | None, file: Path) -> None:
    """Write a head, or the fact that none could be fitted."""
    weights = {} if head is None else {name: value.cpu().contiguous() for name, value in head.state_dict().items()}
    with atomic_write(file) as target:
        target.write(save(weights))


def read_head(file: Path) -> ForegroundHead | None:
    """Read what :func:`write_head` wrote; InputError ``damaged-file`` for any other content."""
    try:
        weights = load_file(file)
        return from_state_dict(weights) if weights else None
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        problem = f"Cannot read a foreground head from {file}: {error}."
        raise InputError("damaged-file", problem, "Use another --output.") from error
