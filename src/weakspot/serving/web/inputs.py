"""What a visitor has chosen. It comes from a browser, so anything may stand there: what makes no sense is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from weakspot.serving.finder import LocalizerProtocol
from weakspot.serving.web.drawing import COLOURS

LARGEST, ALL = "Largest", "All"
OPACITY = 0.6
MAX_METHODS = 4
MAX_CLASSES = len(COLOURS)


@dataclass(frozen=True)
class UserInput:
    """What a visitor has chosen.

    Attributes:
        methods: Names of methods, at most :data:`MAX_METHODS`.
        classes: Indices of classes, at most :data:`MAX_CLASSES`.
        threshold: Fraction of the heatmap's peak, in (0, 1].
        largest: Whether the largest region of a class is wanted only.
        opacity: Opacity of the heatmaps, in [0, 1].
    """

    methods: tuple[str, ...]
    classes: tuple[int, ...] = ()
    threshold: float = 0.2
    largest: bool = True
    opacity: float = OPACITY


def read_choice(
    finder: LocalizerProtocol, methods: Any, classes: Any, threshold: Any, which: Any, opacity: Any
) -> UserInput:
    """Take what the controls hold.

    Args:
        finder: What localizes: it knows the methods and classes.
        methods: Names of methods.
        classes: Indices of classes.
        threshold: Fraction of the peak.
        which: :data:`LARGEST` or :data:`ALL`.
        opacity: In [0, 1].
    """
    known = range(len(finder.class_names))
    return UserInput(
        methods=tuple(one for one in _each(methods) if isinstance(one, str) and one in finder.methods)[:MAX_METHODS],
        classes=tuple(one for one in _each(classes) if type(one) is int and one in known)[:MAX_CLASSES],
        threshold=_within(threshold, 0.01, 1.0, 0.2),
        largest=which != ALL,
        opacity=_within(opacity, 0.0, 1.0, OPACITY),
    )


def _each(values: Any) -> Sequence[Any]:
    """The values of a list, each once; lists in lists have no place here."""
    if not isinstance(values, list | tuple):
        return ()
    return tuple(dict.fromkeys(one for one in values if isinstance(one, str | int)))


def _within(value: Any, low: float, high: float, otherwise: float) -> float:
    """A number in its range.

    Example:
        >>> _within(7, 0.0, 1.0, 0.5), _within(float("nan"), 0.0, 1.0, 0.5), _within("x", 0.0, 1.0, 0.5)
        (1.0, 0.5, 0.5)
    """
    if not isinstance(value, int | float):
        return otherwise
    try:
        number = float(value)
    except OverflowError:
        return otherwise
    return min(max(number, low), high) if isfinite(number) else otherwise
