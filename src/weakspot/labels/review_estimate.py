"""How many of the images that nobody has looked at are right, estimated from images that were drawn at random.

The images that a person looks at first are the most uncertain ones, so they are worse than the others, and the share of
right ones among them says nothing about the rest. An honest estimate needs images that chance has chosen. Every third
image that is offered is the next one of a random permutation. It is a random check of the images that are left if it
comes after the *frontier*, the last image that was offered by uncertainty: given what is in front of the frontier, each
of the images after it was equally likely to be drawn.

A person may also pick images freely. They are looked at, so they leave the images that are left, but nothing was left
to chance, so they do not count as drawn. They do not bias the estimate, whatever the person picked and however they
looked: an image was drawn from those that were left at the time, and how many of these were right is the number that is
asked for plus the number of right ones among those that were picked since, which is known. What would bias it is a
person who knows which images will be drawn, and picks some of them before; so the page does not show them in advance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from weakspot.data.review_rows import Look

LEAST_DRAWN = 10  # random checks without which nothing is estimated
# Chance on each side of the 90 % interval. It is computed after each image, and a review stops when it suits, which 5 %
# would not allow for: in simulations, the interval at the stop held in 84 to 90 of 100 reviews, with 3.5 % in 88 to 94.
_TAIL = 0.035


@dataclass(frozen=True)
class Estimate:
    """How many of the images that nobody has looked at are right.

    Attributes:
        left: Number of images that nobody has looked at.
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


def estimate_right(left: int, looks: Sequence[Look]) -> Estimate:
    """Estimate how many images are right among those that nobody has looked at.

    The interval is an equal-tailed one of the posterior distribution of a beta-binomial model with Jeffreys' prior. If
    all that were drawn are right, the interval reaches up to all; if none is, down to none. With fewer random checks
    than ``LEAST_DRAWN``, nothing is known: the interval is from none to all.

    Args:
        left: Number of images that nobody has looked at.
        looks: The images after the frontier that were looked at, in this order.

    Example:
        >>> right, wrong = (Look("", number, "random", is_right) for number, is_right in enumerate((True, False), 1))
        >>> found = estimate_right(200, [right] * 45 + [wrong] * 5)
        >>> found.drawn, found.low, found.high
        (50, 159, 193)
        >>> estimate_right(200, [right] * 4).missing
        6
    """
    drawn = [look.right for look in looks if look.offer == "random"]
    if len(drawn) < LEAST_DRAWN or not left:
        return Estimate(left, len(drawn), left / 2, 0, left)
    chances = posterior(left, looks)
    sums = np.cumsum(chances)
    low = int(np.searchsorted(sums, _TAIL)) if any(drawn) else 0
    high = left if all(drawn) else int(np.searchsorted(sums, 1 - _TAIL))
    return Estimate(left, len(drawn), float(chances @ np.arange(left + 1)), low, min(high, left))


def posterior(left: int, looks: Sequence[Look]) -> NDArray[np.float64]:
    """Compute the probability of each number of right ones among those that are left, shape ``(left + 1,)``.

    Args:
        left: Number of images that nobody has looked at.
        looks: The images after the frontier that were looked at, in this order.
    """
    right = np.arange(left + 1) + sum(look.right for look in looks)  # in each case, before the first look
    total = left + len(looks)
    gammas = np.concatenate([[0.0], np.cumsum(np.log(np.arange(total) + 0.5))])  # log(gamma(n + 1/2)) + constant
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    # Jeffreys' prior of the numbers of right and wrong ones, then the chance to draw what was drawn.
    chance = gammas[right] - factorials[right] + gammas[total - right] - factorials[total - right]
    for is_drawn, group in groupby(looks, key=lambda look: look.offer == "random"):
        results = [look.right for look in group]
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
