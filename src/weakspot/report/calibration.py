"""How probably a box is wrong: doubt, calibrated on the items whose true boxes are known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from weakspot.ops.uncertainty import fit_calibration
from weakspot.report.content import ReportItem
from weakspot.report.summaries import IOU_THRESHOLD

# Fewer items than that tell too little.
LEAST = 50


def with_error_probability(items: Sequence[ReportItem]) -> list[ReportItem]:
    """Add to each item with a doubt how probably its box is wrong, as a fact.

    Nothing is added where fewer than 50 items have both a doubt and an overlap, or all of these are right or all wrong.
    """
    known = [
        (item.doubt, item.overlap < IOU_THRESHOLD)
        for item in items
        if item.doubt is not None and item.overlap is not None
    ]
    if len(known) < LEAST or len({wrong for _, wrong in known}) < 2:
        return list(items)
    doubts, wrong = np.array(known, float).T
    calibration = fit_calibration(doubts[:, None], wrong.astype(bool))

    def chance(doubt: float) -> str:
        return f"{100 * calibration.probability(np.array([[doubt]])).item():.0f} %"

    return [
        item if item.doubt is None else replace(item, facts={"likely wrong": chance(item.doubt), **item.facts})
        for item in items
    ]
