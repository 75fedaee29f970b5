"""Errors that weakspot raises for invalid input and models.

::

    WeakspotError            a code for programs; one or two lines for people: the problem, and a hint if it helps
    ├── InputError           an image, a path, an option or an array that cannot be used   (also a ValueError)
    └── ModelError           a model, a layer or a weights file that cannot be used        (also a ValueError)
"""

import re
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
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", code):  # to be removed: calls without a code
            code, problem, hint = "un-coded", code, problem
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
    """Raise InputError unless 0 <= value <= 1, and return the value as a float.

    Args:
        value: The number to check.
        name: Name of the option or argument, for the message.

    Raises:
        InputError: ``out-of-range`` unless 0 <= value <= 1.

    Example:
        >>> check_fraction(0.5, "min_score")
        0.5
    """
    if not 0 <= value <= 1:
        raise InputError("out-of-range", f"{name} must be between 0 and 1, got {value}.")
    return float(value)


def check_positive(value: int, name: str) -> int:
    """Raise InputError unless the value is at least 1, and return it.

    Args:
        value: The integer to check.
        name: Name of the option or argument, for the message.

    Raises:
        InputError: ``out-of-range`` if the value is below 1.

    Example:
        >>> check_positive(3, "top_k")
        3
    """
    if value < 1:
        raise InputError("out-of-range", f"{name} must be at least 1, got {value}.")
    return value


def no_such_class(index: int, classes: int) -> InputError:
    """Return the error for a class index that a model does not have.

    Args:
        index: The class index.
        classes: Number of classes of the model.
    """
    return InputError("unknown-class", f"Class index must be between 0 and {classes - 1}, got {index}.")


def suggest(name: str, choices: Iterable[str], otherwise: str) -> str:
    """Suggest valid names that are similar to an invalid one.

    Args:
        name: The invalid name.
        choices: The valid names.
        otherwise: The hint if no choice is similar.

    Returns:
        A hint of one line.

    Example:
        >>> suggest("gradcm", ["cam", "gradcam"], "See the list.")
        'Did you mean gradcam?'
        >>> suggest("xyz", ["cam", "gradcam"], "See the list.")
        'See the list.'
    """
    by_lower = {choice.lower(): choice for choice in choices}
    similar = [by_lower[match] for match in get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)]
    return f"Did you mean {' or '.join(similar)}?" if similar else otherwise
