"""Parse the values of the page's controls. A browser can send anything, so invalid values are dropped or clipped."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from weakspot.serving.batching import BatchingLocalizer
from weakspot.serving.web.drawing import COLORS

BEST, ALL = "Best", "All"
OPACITY = 0.6
MAX_METHODS = 4
MAX_CLASSES = len(COLORS)


@dataclass(frozen=True)
class UserInput:
    """Values of the controls; the threshold is a fraction in (0, 1] of the peak, the opacity is in [0, 1].

    At most :data:`MAX_METHODS` methods and :data:`MAX_CLASSES` class indices.
    """

    methods: tuple[str, ...]
    classes: tuple[int, ...] = ()
    threshold: float = 0.2
    best_only: bool = True
    opacity: float = OPACITY


def parse_input(
    localizer: BatchingLocalizer, methods: Any, classes: Any, threshold: Any, regions: Any, opacity: Any
) -> UserInput:
    """Parse the values of the controls; the localizer has the valid methods and classes."""
    indices = range(len(localizer.class_names))
    return UserInput(
        methods=tuple(name for name in _unique(methods) if name in localizer.methods)[:MAX_METHODS],
        classes=tuple(index for index in _unique(classes) if type(index) is int and index in indices)[:MAX_CLASSES],
        threshold=_clip(threshold, 0.01, 1.0, 0.2),
        best_only=regions != ALL,
        opacity=_clip(opacity, 0.0, 1.0, OPACITY),
    )


def _unique(values: Any) -> Sequence[Any]:
    """Return the distinct strings and integers of a list."""
    if not isinstance(values, list | tuple):
        return ()
    return tuple(dict.fromkeys(value for value in values if isinstance(value, str | int)))


def _clip(value: Any, low: float, high: float, default: float) -> float:
    """Clip a number to a range; NaN, infinities and values of other types give the default."""
    if not isinstance(value, int | float):
        return default
    try:
        number = float(value)
    except OverflowError:
        return default
    return min(max(number, low), high) if isfinite(number) else default
