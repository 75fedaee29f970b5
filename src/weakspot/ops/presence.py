"""Whether an image holds an object: a calibrated probability, and the least one at which an object is reported."""

from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakspot.ops.uncertainty import fit_calibration

# Penalty of the weights of standardized inputs; about a hundred images suffice.
_PENALTY = 1.0


class Presence(NamedTuple):
    """Logistic regression of "the image holds an object", and the probability above which that is reported.

    Attributes:
        odds_weight: Weight of the classifier's log odds of an object versus the background, 0 or more.
        peak_weight: Weight of the peak of the class map, 0 or more.
        bias: Log odds if both are 0.
        threshold: An image of this probability or less holds no object.
    """

    odds_weight: float
    peak_weight: float
    bias: float
    threshold: float

    def log_odds(self, odds: NDArray[np.floating], peaks: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the calibrated log odds of an object, shape (N,), from log odds and peaks of shape (N,)."""
        calibrated: NDArray[np.float64] = self.odds_weight * odds + self.peak_weight * peaks + self.bias
        return calibrated

    def holds(self, odds: NDArray[np.floating], peaks: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return whether each image holds an object, shape (N,); arguments as for :meth:`log_odds`."""
        with np.errstate(over="ignore"):  # to a probability of 0
            holds: NDArray[np.bool_] = 1 / (1 + np.exp(-self.log_odds(odds, peaks))) > self.threshold
        return holds


def fit_presence(
    odds: NDArray[np.floating],
    peaks: NDArray[np.floating],
    has_object: NDArray[np.bool_],
    *,
    false_alarms: float = 0.05,
) -> Presence:
    """Fit the probability that an image holds an object to images that taught nothing else.

    The threshold is the least one that suffices for the share of false alarms, but at least 0.5.

    Args:
        odds: The classifier's log odds of an object versus the background, shape (N,).
        peaks: Peaks of the class map, shape (N,).
        has_object: Whether each image holds an object, shape (N,).
        false_alarms: Expected share of normal images, which hold none, above the threshold, at most; or 1 / (n + 1) if
            that is more, for n normal images.

    Raises:
        InputError: ``not-finite`` for the inputs; ``one-class-only`` if all or no images hold an object.

    Source:
        Platt, "Probabilistic Outputs for Support Vector Machines", 1999, with two scores. The threshold: Vovk et al.,
        "Algorithmic Learning in a Random World", 2005 (split conformal prediction), with the same images for both.

    Example:
        >>> odds, peaks = np.array([-2.0, -1.0, 0.5, 1.0, 3.0]), np.array([3.0, 5.0, 4.0, 9.0, 12.0])
        >>> presence = fit_presence(odds, peaks, np.array([False, False, False, True, True]), false_alarms=0.25)
        >>> presence.holds(odds, peaks).tolist()
        [False, False, False, True, True]
    """
    fitted = fit_calibration(np.stack([odds, peaks], axis=1).astype(np.float64), has_object, penalty=_PENALTY)
    odds_weight, peak_weight = fitted.weights.tolist()
    probability = fitted.probability(np.stack([odds, peaks], axis=1))
    share = max(false_alarms, 1 / (1 + np.count_nonzero(~has_object)))
    threshold = max(0.5, conformal_threshold(probability[~has_object], share))
    return Presence(odds_weight, peak_weight, fitted.bias, threshold)


def conformal_threshold(scores: NDArray[np.floating], share: float) -> float:
    """Return the threshold that at most a share of new scores like these is expected to exceed; 1 if they are too few.

    With n scores it is the k-th smallest, k = ceil((n + 1) (1 - share)).

    Example:
        >>> conformal_threshold(np.linspace(0.1, 0.9, 9), 0.2), conformal_threshold(np.array([0.3]), 0.2)
        (0.8, 1.0)
    """
    rank = ceil(round((len(scores) + 1) * (1 - share), 9))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else 1.0


def object_log_odds(logits: NDArray[np.floating], background: int) -> NDArray[np.float64]:
    """Return the log odds of an object versus the background, shape (N,), of logits (N, C).

    Example:
        >>> object_log_odds(np.array([[2.0, 0.0, 0.0]]), 0).round(2).tolist()  # log 2 - 2
        [-1.31]
    """
    objects = np.delete(logits.astype(np.float64), background, axis=1)
    odds: NDArray[np.float64] = np.logaddexp.reduce(objects, axis=1) - logits[:, background]
    return odds
