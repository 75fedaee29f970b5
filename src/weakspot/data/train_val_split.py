"""A validation split, set aside from images that have none."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError

UNDECIDED, TRAINING, VALIDATION = 0, 1, 2


def stratified_group_split(
    labels: Sequence[Hashable], groups: NDArray[np.int64] | None, *, share: float = 0.2, seed: int = 0
) -> NDArray[np.bool_]:
    """Choose the images that validate, the same share of each class, and never a part of a group.

    A class that lies in a single group stays in training as a whole. Any other has a group on either side, and its
    share is met to within the size of its largest group. Groups that hold several classes can tie these together so
    that not all of this is possible: the class in fewest groups then comes first.

    Args:
        labels: The class of each of n images; of an image with several, a value that stands for them. A tuple of
            them does, but where most tuples are seen once, most images stay in training: give the rarest class then.
        groups: The group of each image, shape (n,): images that must not be parted, as
            :func:`weakspot.data.near_duplicates.near_duplicates` numbers them. None if each stands alone.
        share: Fraction of the images of a class that validate, in (0, 1).
        seed: Of the choice; the same seed makes the same one.

    Returns:
        Mask of shape (n,), True for validation; empty without images.

    Raises:
        InputError: If ``share`` is outside (0, 1), ``seed`` is negative, or there is not one group for each image.

    Example:
        >>> stratified_group_split(["cat", "cat", "cat", "dog"], np.array([0, 0, 1, 2]), share=0.3).tolist()
        [False, False, True, False]
    """
    _check(len(labels), groups, share, seed)
    images = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sides = np.full(len(labels), UNDECIDED)
    random = np.random.default_rng(seed)
    # A class with few groups has the least choice.
    for held, sizes in sorted(_groups_of_classes(labels, images), key=lambda one: len(one[0])):
        order = random.permutation(len(held))
        sides[held[order]] = _sides(sides[held[order]], sizes[order], share)
    validates: NDArray[np.bool_] = sides[images] == VALIDATION
    return validates


def _check(images: int, groups: NDArray[np.int64] | None, share: float, seed: int) -> None:
    if not 0 < share < 1:
        raise InputError(f"The share {share} is outside (0, 1).", "Give the fraction that validates, such as 0.2.")
    if seed < 0:
        raise InputError(f"The seed {seed} is negative.", "Give a whole number from 0 on.")
    if groups is not None and groups.shape != (images,):
        problem = f"The groups have shape {groups.shape} where there are {images} images."
        raise InputError(problem, "Give the number of a group for each image.")


def _groups_of_classes(
    labels: Sequence[Hashable], groups: NDArray[np.int64]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The groups that hold each class, and how many images of it; classes in the order in which they appear."""
    numbers: dict[Hashable, int] = {}
    classes = np.array([numbers.setdefault(label, len(numbers)) for label in labels], np.int64)
    width = len(labels) + 1  # over the number of any group
    pairs, counts = np.unique(classes * width + groups, return_counts=True)
    starts = np.searchsorted(pairs // width, np.arange(1, len(numbers)))
    return list(zip(np.split(pairs % width, starts), np.split(counts, starts), strict=True)) if numbers else []


def _sides(sides: NDArray[np.int64], sizes: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Decide the groups of a class, in their order, beside those that are decided.

    A group is taken for validation where that brings its images nearer to the share of them.
    """
    decided = sides.copy()
    wanted = share * sizes.sum() - sizes[sides == VALIDATION].sum()
    for free in np.flatnonzero(sides == UNDECIDED):
        takes = len(sides) > 1 and 2 * wanted >= sizes[free]
        decided[free] = VALIDATION if takes else TRAINING
        wanted -= takes * sizes[free]
    return _on_both(decided, sides == UNDECIDED, sizes)


def _on_both(sides: NDArray[np.int64], movable: NDArray[np.bool_], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move the smallest group to the side that has none; a single group stays where it is."""
    candidates = np.flatnonzero(movable)
    for side in (VALIDATION, TRAINING):
        if len(sides) > 1 and len(candidates) and side not in sides:
            sides[candidates[np.argmin(sizes[candidates])]] = side
    return sides
