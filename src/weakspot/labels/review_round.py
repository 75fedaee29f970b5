"""A round of a review: which image is offered next, and what is known of the untouched images.

The boxes of a round do not change: when the model has learned and draws them again, another round begins with an empty
sample. The random checks of earlier rounds do not count: they were made of other boxes, and they have taught the model.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from weakspot.data.review_rows import Offer, Sampling
from weakspot.labels.review_estimate import Estimate, estimate_right

RANDOM_EVERY = 3  # images, one of which is drawn at random


@dataclass(frozen=True)
class Offered:
    """An image that is offered, and whether it was drawn at random."""

    image: str
    is_random: bool


class ReviewRound:
    """The images that were untouched when a round began, in both orders in which they are offered.

    Args:
        by_uncertainty: Their names in the order of :func:`weakspot.labels.review_offers.offer_order`; read as needed.
        at_random: Their names in a random order.
        samplings: The samplings of the images among them that are touched, by name.
        typical: Names of those that are offered before the order by uncertainty begins.
    """

    def __init__(
        self,
        by_uncertainty: Iterator[str],
        at_random: Iterable[str],
        samplings: Mapping[str, Sampling],
        typical: Sequence[str] = (),
    ) -> None:
        self._typical = frozenset(typical)
        self._rest = (name for name in by_uncertainty if name not in self._typical)
        self._ranks = list(typical)
        self._at_random = list(at_random)
        self._samplings = dict(sorted(samplings.items(), key=lambda item: item[1].number))

    def offers(self, count: int) -> list[Offered]:
        """Return the next offers, each if those before it are decided on."""
        touched, found = set(self._samplings), list[Offered]()
        numbers = self._numbers()
        ranks, drawn = self._untouched_ranks(touched), (name for name in self._at_random if name not in touched)
        while len(found) < count:
            is_random = _is_random_next(*numbers)
            name = next(drawn if is_random else ranks, None)
            if name is None:
                break
            touched.add(name)
            numbers = numbers[0] + (not is_random), numbers[1] + is_random
            found.append(Offered(name, is_random))
        return found

    def ranked(self, count: int) -> list[str]:
        """Return the next untouched images that are not drawn at random: typical ones, then by uncertainty."""
        return list(islice(self._untouched_ranks(set(self._samplings)), count))

    def offer_of(self, name: str) -> Offer:
        """Return how an image was offered that a person decides on now."""
        drawn = next((other for other in self._at_random if other not in self._samplings), None)
        if name == drawn and _is_random_next(*self._numbers()):
            return "random"
        if name != next(self._untouched_ranks(set(self._samplings)), None):
            return "picked"
        return "typical" if name in self._typical else "uncertain"

    def add(self, name: str, sampling: Sampling) -> None:
        """Take over a decision on an image."""
        self._samplings[name] = sampling

    def withdraw(self, name: str) -> None:
        """Take over that a decision was withdrawn. An image that is not of this round is added as the last one."""
        if self._samplings.pop(name, None) is None and name not in self._at_random:
            self._ranks.append(name)
            self._at_random.append(name)

    def estimate(self) -> Estimate:
        """Estimate how many of the untouched images are right."""
        ranked = {name for name, sampling in self._samplings.items() if sampling.offer in ("typical", "uncertain")}
        passed = set[str]()  # up to the frontier
        for name in self._all_ranks():
            if not ranked:
                break
            ranked.discard(name)
            passed.add(name)
        after = [sampling for name, sampling in self._samplings.items() if name not in passed]
        return estimate_right(len(self._at_random) - len(self._samplings), after)

    def _numbers(self) -> tuple[int, int]:
        """Return how many touched images were not drawn, and how many were."""
        drawn = sum(sampling.offer == "random" for sampling in self._samplings.values())
        return len(self._samplings) - drawn, drawn

    def _untouched_ranks(self, touched: set[str]) -> Iterator[str]:
        return (name for name in self._all_ranks() if name not in touched)

    def _all_ranks(self) -> Iterator[str]:
        yield from self._ranks
        for name in self._rest:
            self._ranks.append(name)
            yield name


def _is_random_next(others: int, drawn: int) -> bool:
    return others >= (RANDOM_EVERY - 1) * (drawn + 1)
