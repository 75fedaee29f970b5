"""From the logits of tiles to those of an image."""

import numpy as np
from numpy.typing import NDArray


def image_logits(
    logits: NDArray[np.floating], *, multi_label: bool = False, background_index: int | None = None
) -> NDArray[np.floating]:
    """Compute logits of an image from those of its tiles: each class has those of the tile in which it is clearest.

    With a background class, a class is clearest where its logit exceeds that of the background most, and the image has
    no object if no tile has one. Without it, a class is clearest where its logit is highest. Both hold for a softmax
    over the image's classes; classes of a multi-label model are independent, and each is present if it is in a tile.

    Args:
        logits: Shape (tiles, classes).
        multi_label: Whether the classes are independent.
        background_index: Index of the class of images without an object, or None.

    Returns:
        Shape (classes,).

    Example:
        >>> image_logits(np.array([[5.0, 1.0, 6.0], [0.0, 3.0, 1.0]]), background_index=2).tolist()
        [-1.0, 2.0, 0.0]
        >>> image_logits(np.array([[5.0, 1.0, 6.0], [0.0, 3.0, 1.0]])).tolist()
        [5.0, 3.0, 6.0]
    """
    if background_index is not None and not multi_label:
        logits = logits - logits[:, [background_index]]
    highest: NDArray[np.floating] = logits.max(axis=0)
    return highest
