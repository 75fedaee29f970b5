"""Count the boxes of a run that cover the whole image, with its final thresholds."""

from collections.abc import Sequence
from pathlib import Path

from weakspot.cams import METHODS
from weakspot.data import Sample
from weakspot.inference.localizer import Localizer
from weakspot.inference.wide_boxes import WideBoxes

# This many images suffice to find a threshold that does not fit.
_MAX_IMAGES = 100


def count_wide_boxes(run: str | Path, samples: Sequence[Sample]) -> WideBoxes:
    """Localize the first class of some images, and count the boxes that cover the image or touch three of its sides.

    Args:
        run: Folder of a run.
        samples: Images; at most 100 of them are used, at equal steps, and none without a class of the run.

    Returns:
        The counts; empty for a run that regresses boxes, which have no threshold.
    """
    localizer, wide = Localizer(run, backend="torch"), WideBoxes()
    if METHODS[localizer.method].can_propagate:
        for sample in samples[:: -(-len(samples) // _MAX_IMAGES) or 1]:
            labels = [item.label for item in sample.annotations if item.label in localizer.class_names]
            if labels:
                wide.add(localizer(sample.path, classes=labels[:1]))
    return wide
