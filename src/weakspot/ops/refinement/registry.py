"""The refinements by name, and what is the same for all: their working size, grey images, maps without evidence."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.errors import InputError, suggest
from weakspot.ops import normalize, resize
from weakspot.ops.refinement.grabcut import grabcut, opencv
from weakspot.ops.refinement.random_walker import random_walker
from weakspot.ops.refinement.superpixels import superpixels

Refinement = Callable[[NDArray[np.uint8], NDArray[np.floating], float], NDArray[np.float32]]

REFINEMENTS: dict[str, Refinement] = {
    "grabcut": grabcut,
    "random_walker": random_walker,
    "superpixels": superpixels,
}
SIDE = 224  # the longest side at which refinements work


def find_refinement(name: str) -> Refinement:
    """Look a refinement up by name.

    Raises:
        InputError: If there is none of that name.

    Example:
        >>> find_refinement("grabcut").__name__
        'grabcut'
    """
    if name not in REFINEMENTS:
        hint = suggest(name, REFINEMENTS, f"Take one of: {', '.join(REFINEMENTS)}.")
        raise InputError(f"There is no refinement {name!r}.", hint)
    return REFINEMENTS[name]


def check_refinement(name: str) -> None:
    """Refuse a refinement that is not there, or needs what is not installed.

    Raises:
        InputError: If it is so.
    """
    if find_refinement(name) is grabcut:
        opencv()


def refine(name: str, image: NDArray[np.uint8], heatmap: NDArray[np.floating], level: float) -> NDArray[np.float32]:
    """Make a heatmap keep to the edges of its image.

    Args:
        name: Of the refinement.
        image: The image that the heatmap is of, whole, at any size: shape (rows, columns, 3), RGB, or
            (rows, columns, 1), grey.
        heatmap: Shape (H, W), in [0, 1].
        level: Fraction of the peak at which the heatmap is to be cut, in (0, 1]; so is what comes back.

    Returns:
        Shape (H, W), in [0, 1]. As it was where the heatmap is constant.

    Raises:
        InputError: If there is no refinement of that name, or what it needs is not installed.

    Example:
        >>> image = np.zeros((20, 30, 1), np.uint8)
        >>> image[5:15, 10:20] = 200
        >>> heatmap = np.zeros((10, 10), np.float32)
        >>> heatmap[3:6, 4:6] = 1.0
        >>> found = refine("superpixels", image, heatmap, 0.5)
        >>> found.shape, float(found.max())
        ((10, 10), 1.0)
    """
    refine = find_refinement(name)
    if heatmap.min() == heatmap.max() or level >= 1:
        return heatmap.astype(np.float32)
    height, width = _working_size(heatmap.shape[0], heatmap.shape[1])
    small = normalize(resize(heatmap, height=height, width=width, kernel="bilinear"))
    found = refine(_squashed(image, height, width), small, level)
    return normalize(resize(found, height=heatmap.shape[0], width=heatmap.shape[1], kernel="bilinear"))


def _working_size(height: int, width: int) -> tuple[int, int]:
    """The size itself, or if it is too large one of the same proportions."""
    scale = min(1.0, SIDE / max(height, width))
    return max(1, round(scale * height)), max(1, round(scale * width))


def _squashed(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The image at the heatmap's size, in three channels."""
    colours = np.broadcast_to(image, (*image.shape[:2], 3))
    return np.asarray(Image.fromarray(np.ascontiguousarray(colours)).resize((width, height), Image.Resampling.BOX))
