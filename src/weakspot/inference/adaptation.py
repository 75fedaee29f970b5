"""Fit a foreground head to what a classifier says of photos."""

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
    backend: TorchBackend, method: str, photos: Iterable[Pixels], *, batch_size: int, seed: int
) -> tuple[ForegroundHead | None, int]:
    """Fit a head to the maps of the most probable class of each photo.

    Args:
        backend: The classifier.
        method: Name of the method to read class maps by.
        photos: Pixels at the size that it sees; the first 1000 count.
        batch_size: Photos in one forward pass.
        seed: Of the head.

    Returns:
        The head, and how many photos it was fitted to: None and 0 where the classifier has no mid-level feature maps.
    """
    found: list[FeaturesAndMaps] = []
    for batch in batched(islice(photos, MAX_IMAGES), batch_size):
        lesson = backend.lessons(batch, method, None)
        if lesson is None:
            break
        found.append((lesson[0], lesson[1][:, 0]))
    return fitted(found, seed=seed), sum(len(maps) for _, maps in found)


def fitted(lessons: Sequence[FeaturesAndMaps], *, seed: int) -> ForegroundHead | None:
    """Fit a head to all lessons; None where there are none, or they hold no object."""
    if not lessons:
        return None
    features, maps = (torch.cat(parts) for parts in zip(*lessons, strict=True))
    return fit_foreground(features, maps, seed=seed)


def write_head(head: ForegroundHead | None, file: Path) -> None:
    """Keep what was learnt, also that it was nothing.

    Raises:
        InputError: If the file cannot be written.
    """
    weights = {} if head is None else {name: value.cpu().contiguous() for name, value in head.state_dict().items()}
    with atomic_write(file) as target:
        target.write(save(weights))


def read_head(file: Path) -> ForegroundHead | None:
    """Read what :func:`write_head` wrote.

    Raises:
        InputError: If it holds something else.
    """
    try:
        weights = load_file(file)
        return from_state_dict(weights) if weights else None
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise InputError(f"{file} holds no foreground head: {error}.", "Name another --output.") from error
