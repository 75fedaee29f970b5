"""Calibrate uncertainty cues to the probability that a box is wrong, given ground truth for some images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError


@dataclass(frozen=True, eq=False)
class Calibration:
    """A logistic regression over cues.

    Attributes:
        weights: Weight of each cue, 0 or more, shape (K,): a higher cue never makes a box more certain.
        bias: Log odds of an error if all cues are 0.
    """

    weights: NDArray[np.float64]
    bias: float

    def probability(self, cues: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the probability that each box is wrong, shape (N,), from cues of shape (N, K)."""
        with np.errstate(over="ignore"):  # to a probability of 0
            probability: NDArray[np.float64] = 1 / (1 + np.exp(-(cues @ self.weights + self.bias)))
        return probability


def fit_calibration(cues: NDArray[np.floating], wrong: NDArray[np.bool_], *, penalty: float = 10.0) -> Calibration:
    """Fit the probability that a box is wrong to images with ground truth; about a hundred suffice.

    Args:
        cues: Shape (N, K), preferably from :func:`~weakspot.ops.uncertainty.normalized_cues`.
        wrong: Whether each box is wrong, for example an IoU below 0.5 with the true box, shape (N,).
        penalty: L2 penalty of the weights of standardized cues; the bias is not penalized.

    Returns:
        The maximum a posteriori fit with non-negative weights. A constant cue has the weight 0.

    Raises:
        InputError: ``shape-mismatch`` or ``not-finite`` for the cues; ``one-class-only`` if all or no boxes are wrong.

    Source:
        Platt, "Probabilistic Outputs for Support Vector Machines", 1999, with more than one score.

    Example:
        >>> fitted = fit_calibration(np.array([[0.0], [0.1], [0.8], [0.9]]), np.array([False, False, True, True]))
        >>> fitted.probability(np.array([[0.0], [0.9]])).round(2).tolist()
        [0.45, 0.55]
    """
    from scipy.optimize import minimize  # slower to import than everything that localizing needs
    from scipy.special import expit

    _check(cues, wrong)
    deviation = cues.std(axis=0)
    varies = np.ptp(cues, axis=0) > 0
    inputs = np.divide(cues - cues.mean(axis=0), deviation, out=np.zeros(cues.shape), where=varies)
    signs = np.where(wrong, -1.0, 1.0)

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, margins = values[:-1], signs * (inputs @ values[:-1] + values[-1])
        slopes = signs * expit(margins)
        gradient = np.append(slopes @ inputs + penalty * weights, slopes.sum())
        return float(np.logaddexp(0, margins).sum() + penalty / 2 * (weights @ weights)), gradient

    bounds = [(0.0, None)] * cues.shape[1] + [(None, None)]
    solution = minimize(loss, np.zeros(cues.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = np.divide(solution[:-1], deviation, out=np.zeros(len(deviation)), where=varies)
    return Calibration(weights, float(solution[-1] - weights @ cues.mean(axis=0)))


def _check(cues: NDArray[np.floating], wrong: NDArray[np.bool_]) -> None:
    if cues.ndim != 2 or wrong.shape != cues.shape[:1]:
        problem = f"cues must have shape (N, K) and wrong shape (N,), got {cues.shape} and {wrong.shape}."
        raise InputError("shape-mismatch", problem)
    if not np.isfinite(cues).all():
        raise InputError("not-finite", "cues must be finite, got NaN or infinity.")
    if wrong.all() or not wrong.any():
        problem = f"A calibration needs both right and wrong boxes, got {int(wrong.sum())} wrong ones of {len(wrong)}."
        raise InputError("one-class-only", problem)
