"""Probabilities of classes, without torch and scipy."""

import numpy as np
from numpy.typing import NDArray

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
