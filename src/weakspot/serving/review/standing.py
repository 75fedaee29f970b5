"""How right the boxes of a review are, as text."""

from dataclasses import dataclass
from math import ceil, floor

from weakspot.errors import InputError
from weakspot.labels.review_estimate import Estimate

_LEAST, _MOST = 50, 100


@dataclass(frozen=True)
class Standing:
    """How many of the images of a review are right, as far as it is known; touched ones are right.

    Attributes:
        total: Number of images.
        estimate: What is known of the untouched ones.
        stop_at: Percentage of right images at which the review may stop, or None.
    """

    total: int
    estimate: Estimate
    stop_at: float | None = None

    @property
    def is_reached(self) -> bool:
        """Whether the review may stop: the lower end of the interval is at or above the goal."""
        if self.stop_at is None:
            return False
        return 100 * (self.total - self.estimate.left + self.estimate.low) >= self.stop_at * self.total

    @property
    def text(self) -> str:
        """One or two sentences.

        Example:
            >>> Standing(1000, Estimate(800, 40, right=699.5, low=650, high=731), stop_at=95).text
            'Untouched images: 87 % right (90 % interval 81 to 92). All: at least 85 %, goal: 95 %.'
            >>> Standing(1000, Estimate(990, 3, right=495.0, low=0, high=990)).text
            'Untouched images: unknown how many are right, 7 more random checks are needed.'
        """
        return f"{self._of_untouched} {self._of_all}".strip()

    @property
    def _of_untouched(self) -> str:
        found = self.estimate
        if not found.left:
            return ""
        if found.missing:
            checks = "1 more random check is" if found.missing == 1 else f"{found.missing} more random checks are"
            return f"Untouched images: unknown how many are right, {checks} needed."
        share, low, high = (100 * count / found.left for count in (found.right, found.low, found.high))
        low, high = floor(low), ceil(high)
        return f"Untouched images: {min(max(round(share), low), high)} % right (90 % interval {low} to {high})."

    @property
    def _of_all(self) -> str:
        if self.stop_at is None:
            return ""
        known = floor(100 * (self.total - self.estimate.left + self.estimate.low) / self.total)
        goal = f"{self.stop_at:g} %{' is reached' if self.is_reached else ''}"
        return f"All: at least {known} %, goal: {goal}."


def check_stop_at(value: float | None) -> None:
    """Raise InputError (``out-of-range``) for a goal that is not between 50 and 100."""
    if value is not None and not _LEAST <= value <= _MOST:
        raise InputError("out-of-range", f"--stop-at must be between {_LEAST} and {_MOST}, got {value:g}.")
