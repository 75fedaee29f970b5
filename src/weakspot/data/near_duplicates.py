"""Images that show nearly the same, found by a hash of what they show."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# A JPEG's scale is chosen between its header and its pixels, where read_image does not let go.
from weakspot.data.decoding import MAX_PIXELS, open_binary, open_image, read_image
from weakspot.errors import InputError

GRID = (9, 8)  # width, height
BITS = 64

# A JPEG is decoded at the least scale that has 8 pixels to a cell of the grid, both ways.
DRAFT = (72, 64)

# An image is compared if so many of its 64 pairs of neighbours differ by so many of 255 grey levels.
STEP = 2
STEPS = 16

# Hashes compared at once: with 20,000 images 20 MB of products.
BLOCK = 256


def near_duplicates(
    paths: Sequence[str | Path], *, distance: int = 5, most: int = 20_000, workers: int = 2
) -> NDArray[np.int64]:
    """Group images that show nearly the same: copies of another size, format or quality, and frames of one scene.

    Two images are linked where their difference hashes (:func:`dhash`) differ in few bits; a group is what hangs
    together by links, so that its ends may differ in more. The hash knows only where an image grows brighter from
    left to right. Images in which hardly anything does (plain walls, a small object on an even ground, bands lying
    across) have all the same hash or that of their noise: they are compared with nothing, and stay alone even beside
    their copies. Conversely all that one fixed camera sees may hang together: look at how many groups there are.
    EXIF orientation is applied. The same path twice is one image.

    Args:
        paths: The image files, n of them.
        distance: Most bits of 64 in which linked images differ, 0 to 64.
        most: Of more images than this only equal hashes are linked, since the time grows with the square of n.
        workers: Threads that decode.

    Returns:
        Number of each image's group, shape (n,), counted from 0 in the order in which groups appear. A file that is
        missing, damaged, too large or no image forms a group of its own.

    Raises:
        InputError: If ``distance`` is outside 0 to 64, ``most`` is negative or ``workers`` is not positive.

    Source:
        Krawetz, "Kind of Like That", The Hacker Factor Blog, 21 January 2013 (dHash).

    Example:
        >>> near_duplicates(["gone.jpg", "lost.jpg", "gone.jpg"]).tolist()
        [0, 1, 0]
    """
    _check(distance, most, workers)
    numbers: dict[Path, int] = {}
    files = np.array([numbers.setdefault(Path(path), len(numbers)) for path in paths], np.int64)
    with ThreadPoolExecutor(workers) as threads:
        hashes = list(threads.map(_hash_of_file, numbers))
    return _by_appearance(_linked(hashes, distance if len(numbers) <= most else 0)[files])


def dhash(image: Image.Image) -> NDArray[np.bool_]:
    """Hash an image by whether it grows brighter to the right, in a grid of 9 x 8 mean grey values.

    Args:
        image: An image of any mode and size.

    Returns:
        Shape (64,), in raster order: True where a pixel's right neighbour is brighter. Equal neighbours give False.

    Source:
        Krawetz, "Kind of Like That", The Hacker Factor Blog, 21 January 2013 (dHash). The grid is averaged by area,
        which the post leaves open.

    Example:
        >>> brighter = Image.linear_gradient("L").rotate(90)
        >>> dhash(brighter).all(), dhash(brighter.rotate(180)).any()
        (np.True_, np.False_)
    """
    hashed: NDArray[np.bool_] = (_steps(image) > 0).ravel()
    return hashed


def _check(distance: int, most: int, workers: int) -> None:
    if not 0 <= distance <= BITS:
        raise InputError(f"The distance {distance} is outside 0 to {BITS}.", "Give a number of bits, such as 5.")
    if most < 0:
        raise InputError(f"most is {most}.", "Give a number of images, 0 or more.")
    if workers < 1:
        raise InputError(f"There cannot be {workers} workers.", "Give a number of threads, 1 or more.")


def _steps(image: Image.Image) -> NDArray[np.int16]:
    """How much brighter each pixel's right neighbour is, shape (8, 8)."""
    grid = np.asarray(image.convert("L").resize(GRID, Image.Resampling.BOX), np.int16)
    return np.diff(grid, axis=1)


def _hash_of_file(path: Path) -> NDArray[np.bool_] | None:
    """The hash of an image file; None where it cannot be read or has nothing to compare."""
    try:
        with open_binary(path) as file:
            image = open_image(file, str(path))
            if image.width * image.height <= MAX_PIXELS:  # else it is refused; a draft would look small
                image.draft("L", DRAFT)
            steps = _steps(read_image(image, max_pixels=MAX_PIXELS))
    except InputError:
        return None
    return (steps > 0).ravel() if np.count_nonzero(abs(steps) >= STEP) >= STEPS else None


def _linked(hashes: Sequence[NDArray[np.bool_] | None], distance: int) -> NDArray[np.int64]:
    """Give each image the number of its group, in any order; those without a hash have one each."""
    known = np.array([hash_ is not None for hash_ in hashes], bool)
    groups = np.arange(len(hashes))
    if known.any():
        bits, same = np.unique([hash_ for hash_ in hashes if hash_ is not None], axis=0, return_inverse=True)
        groups[known] = len(hashes) + _groups_of_hashes(bits, distance)[same.ravel()]
    return groups


def _groups_of_hashes(bits: NDArray[np.bool_], distance: int) -> NDArray[np.int64]:
    """Group different hashes, shape (n, 64), by the links between them."""
    groups = np.arange(len(bits))
    signs = np.where(bits, np.float32(1), np.float32(-1))
    for start in range(0, len(bits) if distance else 0, BLOCK):
        # Of 64 bits, those that agree less those that differ.
        agreement = signs[start : start + BLOCK] @ signs[start:].T
        first, second = (agreement >= BITS - 2 * distance).nonzero()
        groups = _united(groups, first + start, second + start)
    return groups


def _united(groups: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Unite the groups of linked hashes, so that no link need be kept."""
    links = coo_array((np.ones(len(first), bool), (groups[first], groups[second])), shape=(len(groups), len(groups)))
    united: NDArray[np.int64] = connected_components(links, directed=False)[1][groups].astype(np.int64)
    return united


def _by_appearance(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number groups from 0 in the order in which they appear."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    numbers = np.empty(len(first), np.int64)
    numbers[np.argsort(first)] = np.arange(len(first))
    return numbers[inverse]
