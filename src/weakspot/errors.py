"""Errors that weakspot raises for invalid input and models.

::

    WeakspotError            a code for programs; one or two lines for people: the problem, and a hint if it helps
    ├── InputError           an image, a path, an option or an array that cannot be used   (also a ValueError)
    └── ModelError           a model, a layer or a weights file that cannot be used        (also a ValueError)
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class WeakspotError(Exception):
    """The base class of weakspot's errors.

    Args:
        code: What is wrong, as a stable kebab-case name that programs and tests can compare.
        problem: What is wrong, as one sentence that names the offending value.
        hint: What to do about it, as one sentence; empty if the problem makes it obvious.

    Example:
        >>> error = InputError("image-not-found", "cat.jpg does not exist.")
        >>> print(error)
        cat.jpg does not exist.
        >>> error.code
        'image-not-found'
    """

    def __init__(self, code: str, problem: str, hint: str = "") -> None:
        super().__init__(code, problem, hint)
        self.code = code
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem}\n{self.hint}" if self.hint else self.problem


class InputError(WeakspotError, ValueError):
    """An image, a path, an option or an array cannot be used."""


class ModelError(WeakspotError, ValueError):
    """A model, a layer or a weights file cannot be used."""


def check_fraction(value: Any, name: str) -> float:
    """Raise InputError (``out-of-range``) unless 0 <= value <= 1, and return the value as a float.

    ``name`` is the option or argument in the message.
    """
    if not 0 <= value <= 1:
        raise InputError("out-of-range", f"{name} must be between 0 and 1, got {value}.")
    return float(value)


def check_positive(value: int, name: str) -> int:
    """Raise InputError (``out-of-range``) unless the value is at least 1, and return it."""
    if value < 1:
        raise InputError("out-of-range", f"{name} must be at least 1, got {value}.")
    return value


def no_such_class(index: int, classes: int) -> InputError:
    """Return the error (``unknown-class``) for a class index of a model with this number of classes."""
    return InputError("unknown-class", f"Class index must be between 0 and {classes - 1}, got {index}.")


def no_such_method(name: str, names: Iterable[str]) -> InputError:
    """Return the error (``unknown-method``) for a method that is not among these names."""
    hint = suggest(name, names, f"Available: {', '.join(names)}.")
    return InputError("unknown-method", f"The method {name!r} does not exist.", hint)


def suggest(name: str, choices: Iterable[str], otherwise: str) -> str:
    """Return a hint that suggests valid names similar to an invalid one, or ``otherwise`` if no choice is similar."""
    by_lower = {choice.lower(): choice for choice in choices}
    similar = [by_lower[match] for match in get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)]
    return f"Did you mean {' or '.join(similar)}?" if similar else otherwise
