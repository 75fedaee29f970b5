"""Split images into training and validation sets."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from weakspot.errors import InputError

UNDECIDED, TRAINING, VALIDATION = 0, 1, 2


def stratified_group_split(
    labels: Sequence[Hashable], groups: NDArray[np.int64] | None, *, val_fraction: float = 0.2, seed: int = 0
) -> NDArray[np.bool_]:
    """Choose validation images, a mask of shape (n,): the same fraction of each class, without splitting groups.

    A class with a single group is in training only. Every other class has at least one group in both splits, and its
    fraction, ``val_fraction`` in (0, 1), is met to within the size of its largest group. If groups with several classes
    make this impossible, the class with the fewest groups takes precedence. For an image with several classes, use its
    rarest class: a tuple of classes that occurs once keeps the image in training. ``groups`` has shape (n,), for
    example from :func:`weakspot.data.near_duplicates.near_duplicates`; None if each image is a group.
    """
    _check(len(labels), groups, val_fraction, seed)
    images = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sides = np.full(len(labels), UNDECIDED)
    random = np.random.default_rng(seed)
    # A class with few groups has the fewest choices.
    for class_groups, sizes in sorted(_groups_of_classes(labels, images), key=lambda pair: len(pair[0])):
        order = random.permutation(len(class_groups))
        sides[class_groups[order]] = _sides(sides[class_groups[order]], sizes[order], val_fraction)
    is_validation: NDArray[np.bool_] = sides[images] == VALIDATION
    return is_validation


def join_groups(groups: NDArray[np.int64], names: Sequence[str]) -> NDArray[np.int64]:
    """Join groups that have an image of the same name; images without a name (empty) are joined with none.

    Example:
        >>> join_groups(np.array([4, 4, 7, 9]), ["kos01", "", "kos01", ""]).tolist()
        [0, 0, 0, 1]
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    first: dict[str, int] = {}
    links = [
        (first.setdefault(name, number), number) for name, number in zip(names, numbers.tolist(), strict=True) if name
    ]
    rows, columns = np.array(links, np.int64).reshape(-1, 2).T
    count = len(set(numbers.tolist()))
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(count, count))
    joined: NDArray[np.int64] = connected_components(graph, directed=False)[1][numbers].astype(np.int64)
    return joined


def _check(images: int, groups: NDArray[np.int64] | None, val_fraction: float, seed: int) -> None:
    if not 0 < val_fraction < 1:
        raise InputError("out-of-range", f"val_fraction must be greater than 0 and less than 1, got {val_fraction}.")
    if seed < 0:
        raise InputError("out-of-range", f"seed must be at least 0, got {seed}.")
    if groups is not None and groups.shape != (images,):
        raise InputError("shape-mismatch", f"groups must have shape ({images},), got {groups.shape}.")


def _groups_of_classes(
    labels: Sequence[Hashable], groups: NDArray[np.int64]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The groups of each class, and its number of images in each; classes are in order of appearance."""
    numbers: dict[Hashable, int] = {}
    classes = np.array([numbers.setdefault(label, len(numbers)) for label in labels], np.int64)
    width = len(labels) + 1  # more than any group number
    pairs, counts = np.unique(classes * width + groups, return_counts=True)
    starts = np.searchsorted(pairs // width, np.arange(1, len(numbers)))
    return list(zip(np.split(pairs % width, starts), np.split(counts, starts), strict=True)) if numbers else []


def _sides(sides: NDArray[np.int64], sizes: NDArray[np.int64], val_fraction: float) -> NDArray[np.int64]:
    """Assign the undecided groups of a class in their order.

    A group is assigned to validation if that brings the number of validation images closer to the fraction.
    """
    decided = sides.copy()
    missing = val_fraction * sizes.sum() - sizes[sides == VALIDATION].sum()
    for free in np.flatnonzero(sides == UNDECIDED):
        validates = len(sides) > 1 and 2 * missing >= sizes[free]
        decided[free] = VALIDATION if validates else TRAINING
        missing -= validates * sizes[free]
    return _on_both(decided, sides == UNDECIDED, sizes)


def _on_both(sides: NDArray[np.int64], movable: NDArray[np.bool_], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move the smallest group to a split without groups; a single group is not moved."""
    candidates = np.flatnonzero(movable)
    for side in (VALIDATION, TRAINING):
        if len(sides) > 1 and len(candidates) and side not in sides:
            sides[candidates[np.argmin(sizes[candidates])]] = side
    return sides
