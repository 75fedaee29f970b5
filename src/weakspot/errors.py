"""Everything that weakspot raises on purpose.

::

    WeakspotError            two lines: what is wrong, what to do
    ├── InputError           an image, a path, an option or an array that cannot be used   (also a ValueError)
    └── ModelError           a model, a layer or a weights file that cannot be used        (also a ValueError)
"""

from collections.abc import Iterable
from difflib import get_close_matches


class WeakspotError(Exception):
    """The root of weakspot's own errors.

    Args:
        problem: What is wrong, one line.
        hint: What to do about it, one line.

    Example:
        >>> print(InputError("cat.jpg does not exist.", "Check the path."))
        cat.jpg does not exist.
        Check the path.
    """

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem}\n{self.hint}"


class InputError(WeakspotError, ValueError):
    """An image, a path, an option or an array cannot be used."""


class ModelError(WeakspotError, ValueError):
    """A model, a layer or a weights file cannot be used."""


def no_such_class(number: int, classes: int) -> InputError:
    """The error for an index of a class that a model does not have."""
    return InputError(
        f"Class index {number} is out of range: the model has {classes} classes.",
        f"Give an index from 0 to {classes - 1}.",
    )


def suggest(wrong: str, known: Iterable[str], otherwise: str) -> str:
    """Name the known words nearest to a wrong one.

    Args:
        wrong: The word that is not known.
        known: The words that are.
        otherwise: The hint when none is near.

    Returns:
        One line for :attr:`WeakspotError.hint`.

    Example:
        >>> suggest("gradcm", ["cam", "gradcam"], "See the list.")
        'Did you mean gradcam?'
        >>> suggest("xyz", ["cam", "gradcam"], "See the list.")
        'See the list.'
    """
    spelled = {word.lower(): word for word in known}
    near = [spelled[match] for match in get_close_matches(wrong.lower(), spelled, n=3, cutoff=0.6)]
    return f"Did you mean {' or '.join(near)}?" if near else otherwise
