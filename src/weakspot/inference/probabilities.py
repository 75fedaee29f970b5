"""Probabilities of classes and of an object, without torch and scipy."""

import numpy as np
from numpy.typing import NDArray

from weakspot.models.model_info import ModelInfo

# Minimum probability for a class of a multi-label model to be present: that of a logit of 0.
PRESENT = 0.5


def probabilities(logits: NDArray[np.floating], *, multi_label: bool) -> NDArray[np.floating]:
    """Compute the softmax of logits (C,), or with ``multi_label`` the sigmoid of each.

    Example:
        >>> probabilities(np.array([0.0, -np.inf]), multi_label=False).tolist()
        [1.0, 0.0]
    """
    # scipy.special has both, but its import takes a third of a second.
    with np.errstate(over="ignore", invalid="ignore"):  # logits that are not finite give NaN, which callers check
        powers = np.exp(-logits if multi_label else logits - logits.max())
    scores: NDArray[np.floating] = 1 / (1 + powers) if multi_label else powers / powers.sum()
    return scores


def object_probability(logits: NDArray[np.floating], info: ModelInfo) -> float | None:
    """Compute the probability that an image holds an object: 1 - that of the background class; None without one.

    Example:
        >>> info = ModelInfo(("crack", "none"), background_index=1)
        >>> object_probability(np.array([0.0, 0.0]), info), object_probability(np.array([0.0, 0.0]), ModelInfo())
        (0.5, None)
    """
    if info.background_index is None:
        return None
    return 1 - float(probabilities(logits.astype(np.float64), multi_label=info.multi_label)[info.background_index])
