"""Find near-duplicate images by a perceptual hash."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from weakspot.data.decoding import MAX_PIXELS, read_file
from weakspot.errors import InputError, check_positive
from weakspot.ops.preprocessing import reduce_long_sides

GRID = (9, 8)  # width, height
BITS = 64

# A JPEG is decoded at the smallest scale with at least 8 x 8 pixels per cell of the grid.
DRAFT = (72, 64)

# An image is compared only if at least STEPS of its 64 pairs of neighbors differ by STEP or more gray levels.
STEP = 2
STEPS = 16

# Hashes compared at once: 20 MB of products for 20,000 images.
BLOCK = 256


def near_duplicates(
    paths: Sequence[str | Path], *, distance: int = 5, max_images: int = 20_000, workers: int = 2
) -> NDArray[np.int64]:
    """Group near-duplicate images: copies of another size, format or quality, and frames of one scene.

    Two images are linked if their difference hashes, of 64 bits, differ in at most ``distance`` bits; groups are the
    connected components, so two images of a group may differ in more bits. The hash records only where an image gets
    brighter from left to right. Images with few such changes (plain walls, a small object on a uniform background,
    horizontal bands) have a constant or noisy hash: they are not compared, and each forms its own group, as does a file
    that cannot be read. Conversely, all images of a fixed camera may form one group: check the number of groups. EXIF
    orientation is applied. Equal paths are one image. If there are more than ``max_images`` images, only equal hashes
    are linked, as comparing them takes quadratic time. Return the group number of each image, counted from 0 in order
    of appearance.

    Source:
        Krawetz, "Kind of Like That", The Hacker Factor Blog, 21 January 2013 (dHash).
    """
    _check(distance, max_images, workers)
    numbers: dict[Path, int] = {}
    files = np.array([numbers.setdefault(Path(path), len(numbers)) for path in paths], np.int64)
    with ThreadPoolExecutor(workers) as threads:
        hashes = list(threads.map(_hash_of_file, numbers))
    return _by_appearance(_linked(hashes, distance if len(numbers) <= max_images else 0)[files])


def _check(distance: int, max_images: int, workers: int) -> None:
    if not 0 <= distance <= BITS:
        raise InputError("out-of-range", f"distance must be between 0 and {BITS}, got {distance}.")
    if max_images < 0:
        raise InputError("out-of-range", f"max_images must be at least 0, got {max_images}.")
    check_positive(workers, "workers")


def gray_steps(image: Image.Image) -> NDArray[np.int16]:
    """Compute the differences to the right in a grid of 9 x 8 mean grays, shape (8, 8); the hash is where they are > 0.

    The grid is averaged by area, which the source of dHash does not specify.
    """
    gray = reduce_long_sides(image.convert("L"))
    grid = np.asarray(gray.resize(GRID, Image.Resampling.BOX), np.int16)
    return np.diff(grid, axis=1)


def _hash_of_file(path: Path) -> NDArray[np.bool_] | None:
    """Hash an image file; None if it cannot be read or has too few differences to compare."""
    try:
        steps = gray_steps(read_file(path, max_pixels=MAX_PIXELS, draft=("L", DRAFT)))
    except InputError:
        return None
    return (steps > 0).ravel() if np.count_nonzero(abs(steps) >= STEP) >= STEPS else None


def _linked(hashes: Sequence[NDArray[np.bool_] | None], distance: int) -> NDArray[np.int64]:
    """Assign a group number to each image, in any order; an image without a hash has its own group."""
    has_hash = np.array([hash_ is not None for hash_ in hashes], bool)
    groups = np.arange(len(hashes))
    if has_hash.any():
        bits, inverse = np.unique([hash_ for hash_ in hashes if hash_ is not None], axis=0, return_inverse=True)
        groups[has_hash] = len(hashes) + _groups_of_hashes(bits, distance)[inverse.ravel()]
    return groups


def _groups_of_hashes(bits: NDArray[np.bool_], distance: int) -> NDArray[np.int64]:
    """Group distinct hashes, shape (n, 64), by their links."""
    groups = np.arange(len(bits))
    signs = np.where(bits, np.float32(1), np.float32(-1))
    for start in range(0, len(bits) if distance else 0, BLOCK):
        # Number of equal bits minus number of different bits.
        agreement = signs[start : start + BLOCK] @ signs[start:].T
        first, second = (agreement >= BITS - 2 * distance).nonzero()
        groups = _merged(groups, first + start, second + start)
    return groups


def _merged(groups: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Merge the groups of linked hashes, so that links need not be stored."""
    links = coo_array((np.ones(len(first), bool), (groups[first], groups[second])), shape=(len(groups), len(groups)))
    merged: NDArray[np.int64] = connected_components(links, directed=False)[1][groups].astype(np.int64)
    return merged


def _by_appearance(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number groups from 0 in order of appearance."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    numbers = np.empty(len(first), np.int64)
    numbers[np.argsort(first)] = np.arange(len(first))
    return numbers[inverse]
