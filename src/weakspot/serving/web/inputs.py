"""Parse the values of the page's controls. A browser can send anything, so invalid values are dropped or clipped."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from weakspot.serving.batching import BatchingLocalizer
from weakspot.serving.web.drawing import COLORS

LARGEST, ALL = "Largest", "All"
OPACITY = 0.6
MAX_METHODS = 4
MAX_CLASSES = len(COLORS)


@dataclass(frozen=True)
class UserInput:
    """Values of the controls.

    Attributes:
        methods: Names of methods, at most :data:`MAX_METHODS`.
        classes: Indices of classes, at most :data:`MAX_CLASSES`.
        threshold: Fraction of the heatmap's peak, in (0, 1].
        largest: Whether to show only the largest region of a class.
        opacity: Opacity of the heatmaps, in [0, 1].
    """

    methods: tuple[str, ...]
    classes: tuple[int, ...] = ()
    threshold: float = 0.2
    largest: bool = True
    opacity: float = OPACITY


def parse_input(
    localizer: BatchingLocalizer, methods: Any, classes: Any, threshold: Any, regions: Any, opacity: Any
) -> UserInput:
    """Parse the values of the controls.

    Args:
        localizer: The localizer, which has the valid methods and classes.
        methods: Names of methods.
        classes: Indices of classes.
        threshold: Fraction of the heatmap's peak.
        regions: :data:`LARGEST` or :data:`ALL`.
        opacity: Opacity of the heatmaps, in [0, 1].
    """
    indices = range(len(localizer.class_names))
    return UserInput(
        methods=tuple(name for name in _unique(methods) if name in localizer.methods)[:MAX_METHODS],
        classes=tuple(index for index in _unique(classes) if type(index) is int and index in indices)[:MAX_CLASSES],
        threshold=_clip(threshold, 0.01, 1.0, 0.2),
        largest=regions != ALL,
        opacity=_clip(opacity, 0.0, 1.0, OPACITY),
    )


def _unique(values: Any) -> Sequence[Any]:
    """Return the distinct strings and integers of a list."""
    if not isinstance(values, list | tuple):
        return ()
    return tuple(dict.fromkeys(value for value in values if isinstance(value, str | int)))


def _clip(value: Any, low: float, high: float, default: float) -> float:
    """Clip a number to a range.

    Example:
        >>> _clip(7, 0.0, 1.0, 0.5), _clip(float("nan"), 0.0, 1.0, 0.5), _clip("x", 0.0, 1.0, 0.5)
        (1.0, 0.5, 0.5)
    """
    if not isinstance(value, int | float):
        return default
    try:
        number = float(value)
    except OverflowError:
        return default
    return min(max(number, low), high) if isfinite(number) else default
