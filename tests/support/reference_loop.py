"""The field's evaluation protocol, slowly and readably: one threshold after the other, one pair of boxes at a time.

After clovaai/wsolevaluation (Choe et al., CVPR 2020); nothing of weakspot is used. What it says is compared with the
real one's figures in test_oracle.py.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from outlines import largest, outlines

Box = Sequence[float]


def boxes_at(score_map: NDArray[np.float64], threshold: float, regions: str) -> list[tuple[int, int, int, int]]:
    """The boxes of a map at a threshold: of the largest contour, or of all.

    Example:
        >>> boxes_at(np.array([[0.2, 0.0, 1.0]]), 0.1, "all")
        [(2, 0, 2, 0), (0, 0, 1, 0)]
        >>> boxes_at(np.zeros((1, 3)), 0.1, "all")
        [(0, 0, 0, 0)]
    """
    levels = (score_map * 255).astype(np.uint8)
    found = outlines(levels > int(threshold * levels.max()))
    if not found:
        return [(0, 0, 0, 0)]
    return [largest(found).box] if regions == "largest" else [outline.box for outline in found]


def overlap(one: Box, other: Box, *, more: int) -> float:
    """Intersection over union; with ``more=1`` the right and bottom are included.

    Example:
        >>> overlap((0, 0, 1, 1), (1, 0, 2, 1), more=1)
        0.3333333333333333
    """
    shared = area((*map(max, one[:2], other[:2]), *map(min, one[2:], other[2:])), more)
    union = area(one, more) + area(other, more) - shared
    return shared / union if union else 0.0


def area(box: Box, more: int) -> float:
    x1, y1, x2, y2 = box
    return max(0, x2 - x1 + more) * max(0, y2 - y1 + more)


def best_overlap(found: Iterable[Box], true: Iterable[Box], *, more: int) -> float:
    true = list(true)
    return max(overlap(one, other, more=more) for one in found for other in true)


def best_overlaps(
    score_map: NDArray[np.float64], true: Iterable[Box], regions: str, thresholds: Iterable[float]
) -> list[float]:
    """The best overlap of a map's boxes with the true ones at every threshold.

    Example:
        >>> best_overlaps(np.array([[0.2, 0.0, 1.0]]), [(0, 0, 1, 0)], "all", [0.1, 0.5])
        [1.0, 0.0]
    """
    true = list(true)
    return [best_overlap(boxes_at(score_map, t, regions), true, more=1) for t in thresholds]


def box_accuracy(overlaps: Sequence[Sequence[float]], least: float) -> list[float]:
    """Percent of images whose box is right at each threshold, from overlaps (images, thresholds).

    Example:
        >>> box_accuracy([[0.5, 0.6], [0.1, 0.7]], 0.5)
        [50.0, 100.0]
    """
    return [100 * sum(one >= least for one in column) / len(column) for column in zip(*overlaps, strict=True)]


def histograms(
    score_map: NDArray[np.float64], mask: NDArray[np.uint8], interval: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Foreground and background pixels by score.

    Example:
        >>> [counts.tolist() for counts in histograms(np.array([[0.0, 0.6, 1.0]]), np.array([[0, 1, 255]]), 0.5)]
        [[0, 1, 0, 0], [1, 0, 0, 0]]
    """
    edges = np.append(np.arange(0, 1, interval), [1.0, 2.0, 3.0])
    true, false = (np.histogram(score_map[mask == kind], bins=edges)[0] for kind in (1, 0))
    return true, false


def pixel_average_precision(true: NDArray[np.int64], false: NDArray[np.int64]) -> float:
    """PxAP in percent: sum of P_i (R_i - R_{i-1}) over bins from the highest score down.

    Example:
        >>> pixel_average_precision(np.array([0, 3, 0]), np.array([1, 0, 0]))
        100.0
    """
    summed, right, wrong, before = 0.0, 0, 0, 0.0
    for here, there in zip(true[::-1].tolist(), false[::-1].tolist(), strict=True):
        right, wrong = right + here, wrong + there
        recall = right / int(true.sum())
        if right + wrong:
            summed += right / (right + wrong) * (recall - before)
        before = recall
    return 100 * summed
