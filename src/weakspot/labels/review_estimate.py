"""How many of the untouched images of a review are right, estimated from images that were drawn at random.

The images that are offered first are typical ones, and then the most uncertain ones, which are worse than the others:
they do not represent them. An estimate needs images that were drawn at random: every third image that is
offered is the next one of a random permutation. It counts as a random check of the untouched images if it comes after
the *frontier*, the last image that was offered and not drawn: given all that is in front of the frontier, each image
after it was equally likely to be drawn.

A person may also pick images freely. They are touched then and leave the population, but they are not in the sample.
This does not bias the estimate, even if wrong images are picked only, or right ones: an image was drawn from those that
were untouched at the time, and the number of right ones among these is the number that is asked for plus that of the
right ones among the images touched since, which is known. A person who knew which images come next at random, and
picked some of them before, would bias it; so the page does not show them in advance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from weakspot.data.review_rows import Sampling

LEAST_DRAWN = 10  # random checks without which nothing is estimated
# Chance on each side of the 90 % interval. It is computed after each image, and a review stops when it suits, which 5 %
# would not allow for: in simulations, the interval at the stop held in 84 to 90 of 100 reviews, with 3.5 % in 88 to 94.
_TAIL = 0.035


@dataclass(frozen=True)
class Estimate:
    """How many of the untouched images are right.

    Attributes:
        left: Number of untouched images.
        drawn: Number of random checks of them.
        right: Expected number of right ones.
        low: Lower end of the 90 % interval of this number.
        high: Its upper end.
    """

    left: int
    drawn: int
    right: float
    low: int
    high: int

    @property
    def missing(self) -> int:
        """Number of random checks until there is an estimate; 0 if there is one, or if no image is left."""
        return min(max(LEAST_DRAWN - self.drawn, 0), self.left)


def estimate_right(left: int, samplings: Sequence[Sampling]) -> Estimate:
    """Estimate how many of the untouched images are right.

    The interval is an equal-tailed one of the posterior distribution of a beta-binomial model with Jeffreys' prior. If
    all that were drawn are right, the interval reaches up to all; if none is, down to none. With fewer random checks
    than ``LEAST_DRAWN``, the number is unknown: the interval is from none to all.

    Args:
        left: Number of untouched images.
        samplings: The samplings of the touched images after the frontier, in the order in which they were touched.

    Example:
        >>> right, wrong = Sampling("", 1, "random", right=True), Sampling("", 2, "random", right=False)
        >>> found = estimate_right(200, [right] * 45 + [wrong] * 5)
        >>> found.drawn, found.low, found.high
        (50, 159, 193)
        >>> estimate_right(200, [right] * 4).missing
        6
    """
    drawn = [sampling.right for sampling in samplings if sampling.offer == "random"]
    if len(drawn) < LEAST_DRAWN or not left:
        return Estimate(left, len(drawn), left / 2, 0, left)
    chances = posterior(left, samplings)
    sums = np.cumsum(chances)
    low = int(np.searchsorted(sums, _TAIL)) if any(drawn) else 0
    high = left if all(drawn) else int(np.searchsorted(sums, 1 - _TAIL))
    return Estimate(left, len(drawn), float(chances @ np.arange(left + 1)), low, min(high, left))


def posterior(left: int, samplings: Sequence[Sampling]) -> NDArray[np.float64]:
    """Compute the probability of each number of right ones among the untouched images, shape ``(left + 1,)``.

    Args:
        left: Number of untouched images.
        samplings: The samplings of the touched images after the frontier, in the order in which they were touched.
    """
    right = np.arange(left + 1) + sum(
        sampling.right for sampling in samplings
    )  # in each case, before the first sampling
    total = left + len(samplings)
    gammas = np.concatenate([[0.0], np.cumsum(np.log(np.arange(total) + 0.5))])  # log(gamma(n + 1/2)) + constant
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    # Jeffreys' prior of the numbers of right and wrong ones, then the chance to draw what was drawn.
    chance = gammas[right] - factorials[right] + gammas[total - right] - factorials[total - right]
    for is_drawn, group in groupby(samplings, key=lambda sampling: sampling.offer == "random"):
        results = [sampling.right for sampling in group]
        count, found = len(results), sum(results)
        if is_drawn:
            chance += _log_choose(right, found, factorials) + _log_choose(total - right, count - found, factorials)
        right, total = right - found, total - count
    chances: NDArray[np.float64] = np.exp(chance - chance.max())
    chances /= chances.sum()
    return chances


def _log_choose(of: NDArray[np.intp], count: int, factorials: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the number of ways to draw ``count`` images, up to a constant."""
    ways: NDArray[np.float64] = factorials[of] - factorials[of - count]
    return ways
