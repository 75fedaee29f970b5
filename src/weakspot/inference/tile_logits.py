"""From the logits of tiles to those of an image."""

import numpy as np
from numpy.typing import NDArray

from weakspot.ops.presence import Presence, object_log_odds


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


def calibrated_image_logits(
    logits: NDArray[np.floating], peaks: NDArray[np.floating], background_index: int, presence: Presence
) -> NDArray[np.float64]:
    """Compute logits of an image from those of its tiles and the peaks of their class maps.

    A class is clearest in the tile in which :class:`Presence` has the highest log odds for the peak of the class. The
    highest of these are the log odds of an object versus the background by the result.

    Args:
        logits: Shape (tiles, classes).
        peaks: Peaks of the class maps, in a unit that is the same in all tiles, shape (tiles, classes).
        background_index: Index of the class of images without an object.
        presence: Whether an image holds an object, by logits and peak.

    Returns:
        Shape (classes,); that of the background is 0.

    Example:
        >>> logits, peaks = np.zeros((2, 3)), np.array([[0.0, 1.0, 2.0], [0.0, 9.0, 8.0]])
        >>> calibrated_image_logits(logits, peaks, 0, Presence(0.0, 1.0, -7.0, 0.5)).round(2).tolist()  # odds: 2 and 1
        [0.0, 1.69, 0.69]
    """
    odds = object_log_odds(logits, background_index)
    highest = presence.log_odds(odds[:, None], peaks.astype(np.float64)).max(axis=0)
    objects = np.delete(highest, background_index)
    shared: NDArray[np.float64] = highest + objects.max() - np.logaddexp.reduce(objects)
    shared[background_index] = 0.0
    return shared
