"""Uncertainty cue: a box whose area is unusual for its class, by the areas of annotated boxes."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# A class with fewer boxes has the typical area of all classes.
_MIN_BOXES = 5
# Areas within this many spreads of the median are usual: those of 95 % of the boxes if they are normally distributed.
_USUAL = 2.0
# Minimum spread, for boxes of almost the same area: a box that is 20 % larger is not unusual.
_MIN_SPREAD = 0.2


class TypicalArea(NamedTuple):
    """Distribution of the box areas of a class: median and spread of the logarithm of the fraction of the image."""

    log_median: float
    log_spread: float


def estimate_typical_areas(
    areas: NDArray[np.floating], classes: NDArray[np.integer], num_classes: int
) -> tuple[TypicalArea, ...]:
    """Estimate the typical box area of each class from annotated boxes.

    Args:
        areas: Area of each box as a fraction of its image, above 0, shape (N,).
        classes: Class index of each box, shape (N,).
        num_classes: Number of classes; one with fewer than five boxes has the typical area of all boxes.

    Returns:
        Median and spread (1.4826 times the median absolute deviation, at least 0.2) of the logarithm of the area; empty
        with fewer than five boxes in total.

    Example:
        >>> areas = np.array([0.08, 0.09, 0.1, 0.11, 0.12])
        >>> [typical] = estimate_typical_areas(areas, np.zeros(5, int), 1)
        >>> round(float(np.exp(typical.log_median)), 6), typical.log_spread
        (0.1, 0.2)
    """
    if len(areas) < _MIN_BOXES:
        return ()
    logs = np.log(areas)
    groups = (logs[classes == index] for index in range(num_classes))
    return tuple(_typical(group if len(group) >= _MIN_BOXES else logs) for group in groups)


def _typical(logs: NDArray[np.floating]) -> TypicalArea:
    median = float(np.median(logs))
    return TypicalArea(median, max(1.4826 * float(np.median(np.abs(logs - median))), _MIN_SPREAD))


def unusual_area(area: float, typical: TypicalArea) -> float:
    """Measure how unusual the area of a box is for its class.

    Args:
        area: Area of the box as a fraction of the image, above 0.
        typical: Typical area of its class.

    Returns:
        In [0, 1): 0 if the logarithm of the area is within two spreads of the median; for ``d`` spreads more,
        ``d / (1 + d)``.

    Example:
        >>> typical = TypicalArea(log_median=float(np.log(0.1)), log_spread=0.5)
        >>> unusual_area(0.2, typical), round(unusual_area(0.1 * np.exp(1.5), typical), 6)
        (0.0, 0.5)
    """
    distance = abs(float(np.log(area)) - typical.log_median) / typical.log_spread
    excess = max(distance - _USUAL, 0.0)
    return excess / (1 + excess)
