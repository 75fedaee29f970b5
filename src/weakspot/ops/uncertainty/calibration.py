"""From cues to the probability that a box is wrong, where some true boxes are known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError


@dataclass(frozen=True, eq=False)
class Calibration:
    """A logistic regression over cues.

    Attributes:
        weights: Of each cue, 0 or more, shape (K,): a greater cue never makes a box surer.
        bias: Log odds of a box whose cues are all 0.
    """

    weights: NDArray[np.float64]
    bias: float

    def probability(self, cues: NDArray[np.floating]) -> NDArray[np.float64]:
        """Give the probability that a box is wrong, shape (N,), of cues (N, K)."""
        from scipy.special import expit

        likely: NDArray[np.float64] = expit(cues @ self.weights + self.bias)
        return likely


def fit_calibration(cues: NDArray[np.floating], wrong: NDArray[np.bool_], *, penalty: float = 10.0) -> Calibration:
    """Fit the probability that a box is wrong to images whose true boxes are known; a hundred do.

    Args:
        cues: Shape (N, K), whatever rises with doubt, best as :func:`shares_of` gives it.
        wrong: Whether each box is wrong, for example its overlap (IoU) with the true one below 0.5, shape (N,).
        penalty: Of the squared weights, each cue measured in its standard deviations; the bias is free.

    Returns:
        The most probable fit whose weights are not negative. A cue that is constant has the weight 0.

    Raises:
        InputError: If cues are not finite, or not one row for each box, or all boxes are wrong or all are right.

    Source:
        Platt, "Probabilistic Outputs for Support Vector Machines", 1999, with more than one score.

    Example:
        >>> fitted = fit_calibration(np.array([[0.0], [0.1], [0.8], [0.9]]), np.array([False, False, True, True]))
        >>> fitted.probability(np.array([[0.0], [0.9]])).round(2).tolist()
        [0.45, 0.55]
    """
    from scipy.optimize import minimize  # which takes longer to load than all else that localizes
    from scipy.special import expit

    _check(cues, wrong)
    spread = cues.std(axis=0)
    varies = np.ptp(cues, axis=0) > 0
    inputs = np.divide(cues - cues.mean(axis=0), spread, out=np.zeros(cues.shape), where=varies)
    signs = np.where(wrong, -1.0, 1.0)

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, margins = values[:-1], signs * (inputs @ values[:-1] + values[-1])
        slopes = signs * expit(margins)
        gradient = np.append(slopes @ inputs + penalty * weights, slopes.sum())
        return float(np.logaddexp(0, margins).sum() + penalty / 2 * (weights @ weights)), gradient

    bounds = [(0.0, None)] * cues.shape[1] + [(None, None)]
    found = minimize(loss, np.zeros(cues.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = np.divide(found[:-1], spread, out=np.zeros(len(spread)), where=varies)
    return Calibration(weights, float(found[-1] - weights @ cues.mean(axis=0)))


def _check(cues: NDArray[np.floating], wrong: NDArray[np.bool_]) -> None:
    if cues.ndim != 2 or wrong.shape != cues.shape[:1] or not np.isfinite(cues).all():
        raise InputError(
            f"Cues of shape {cues.shape} and {wrong.shape} judgements do not make a table of finite numbers.",
            "Give a row of cues and one judgement for each box.",
        )
    if wrong.all() or not wrong.any():
        raise InputError("Boxes that are all wrong or all right teach nothing about doubt.", "Give some of both.")
