"""Contours the field's way, and slowly: OpenCV at one cut after the other."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray


class Outline(NamedTuple):
    """A contour of OpenCV.

    Attributes:
        box: ``(x, y, min(x + w, W - 1), min(y + h, H - 1))``, as the reference evaluator writes it.
        area: Of the polygon through its pixels' centres.
        first: Its first pixel in raster order, ``(y, x)``.
        outer: Whether it is no hole's.
    """

    box: tuple[int, int, int, int]
    area: float
    first: tuple[int, int]
    outer: bool


def outlines(foreground: NDArray[np.bool_]) -> list[Outline]:
    """Every contour, in OpenCV's order, which decides ties.

    Example:
        >>> outlines(np.ones((1, 2), bool))
        [Outline(box=(0, 0, 1, 0), area=0.0, first=(0, 0), outer=True)]
    """
    found, tree = cv2.findContours(foreground.astype(np.uint8), cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    depths: list[int] = []
    for _, _, _, parent in tree[0] if found else []:  # a parent comes before its children
        depths.append(0 if parent < 0 else depths[parent] + 1)
    return [
        Outline(_box(contour, foreground.shape), cv2.contourArea(contour), _first(contour), depth % 2 == 0)
        for contour, depth in zip(found, depths, strict=True)
    ]


def largest(found: list[Outline]) -> Outline:
    """The contour that the reference takes: of equal areas the first in OpenCV's order."""
    return max(found, key=lambda outline: outline.area)


def _box(contour: NDArray[np.int32], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    x, y, width, height = cv2.boundingRect(contour)
    return x, y, min(x + width, shape[1] - 1), min(y + height, shape[0] - 1)


def _first(contour: NDArray[np.int32]) -> tuple[int, int]:
    return min((int(y), int(x)) for ((x, y),) in contour)
