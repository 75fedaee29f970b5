"""Refinements by name, and the steps that all of them share."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.errors import InputError, suggest
from weakspot.ops import normalize, resize
from weakspot.ops.refinement.grabcut import grabcut, import_opencv
from weakspot.ops.refinement.random_walker import random_walker
from weakspot.ops.refinement.superpixels import superpixels

Refinement = Callable[[NDArray[np.uint8], NDArray[np.floating], float], NDArray[np.float32]]

REFINEMENTS: dict[str, Refinement] = {
    "grabcut": grabcut,
    "random_walker": random_walker,
    "superpixels": superpixels,
}
MAX_SIDE = 224  # the longer side at which refinements run


def find_refinement(name: str) -> Refinement:
    """Return the refinement with this name.

    Raises:
        InputError: ``unknown-refinement``.

    Example:
        >>> find_refinement("grabcut").__name__
        'grabcut'
    """
    if name not in REFINEMENTS:
        hint = suggest(name, REFINEMENTS, f"Available: {', '.join(REFINEMENTS)}.")
        raise InputError("unknown-refinement", f"The refinement {name!r} does not exist.", hint)
    return REFINEMENTS[name]


def check_refinement(name: str) -> None:
    """Raise InputError if a refinement does not exist or its dependency is missing."""
    if find_refinement(name) is grabcut:
        import_opencv()


def refine(name: str, image: NDArray[np.uint8], heatmap: NDArray[np.floating], threshold: float) -> NDArray[np.float32]:
    """Align a heatmap with the edges of its image.

    Args:
        name: Name of the refinement.
        image: The whole image at any size: shape (rows, columns, 3), RGB, or (rows, columns, 1), gray.
        heatmap: Shape (H, W), in [0, 1].
        threshold: Threshold of the heatmap and of the result, a fraction of the maximum, in (0, 1].

    Returns:
        Shape (H, W), in [0, 1]. The unchanged heatmap if it is constant.

    Raises:
        InputError: ``unknown-refinement`` or ``not-installed``.

    Example:
        >>> image = np.zeros((20, 30, 1), np.uint8)
        >>> image[5:15, 10:20] = 200
        >>> heatmap = np.zeros((10, 10), np.float32)
        >>> heatmap[3:6, 4:6] = 1.0
        >>> refined = refine("superpixels", image, heatmap, 0.5)
        >>> refined.shape, float(refined.max())
        ((10, 10), 1.0)
    """
    refinement = find_refinement(name)
    if heatmap.min() == heatmap.max() or threshold >= 1:
        return heatmap.astype(np.float32)
    scale = min(1.0, MAX_SIDE / max(heatmap.shape))
    height, width = (max(1, round(scale * side)) for side in heatmap.shape)
    small = normalize(resize(heatmap, height=height, width=width, kernel="bilinear"))
    refined = refinement(_resized_rgb(image, height, width), small, threshold)
    return normalize(resize(refined, height=heatmap.shape[0], width=heatmap.shape[1], kernel="bilinear"))


def _resized_rgb(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize an image with 1 or 3 channels to the heatmap's size, with 3 channels."""
    pixels = np.broadcast_to(image, (*image.shape[:2], 3))
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), Image.Resampling.BOX))
