"""Calibrate the uncertainty of a run: the probability that a box is wrong, from images with known boxes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from weakspot.cams import METHODS
from weakspot.data import Sample, read_as_annotated
from weakspot.errors import InputError
from weakspot.inference.localization import Localization
from weakspot.inference.localizer import Localizer
from weakspot.models.checkpoint import read_metadata, rewrite_metadata
from weakspot.ops.iou import box_iou
from weakspot.ops.uncertainty import fit_calibration

# Fewer images say too little about how often a box is wrong.
MIN_BOXES = 30
_MIN_IOU = 0.5  # of a correct box (GT-known Loc)


def calibrate_run(
    run: str | Path, samples: Sequence[Sample], on_localization: Callable[[Localization], None] = lambda _: None
) -> tuple[float, ...]:
    """Fit the probability that a box of a run is wrong to images with known boxes, and write it into the run.

    Args:
        run: Folder of a run.
        samples: Images; those without boxes are ignored, as are unreadable ones.
        on_localization: Called with the result for each image.

    Returns:
        Weight of the uncertainty and bias of the log odds. Empty, as what is written then, with fewer than
        :data:`MIN_BOXES` images, if all or none of them are right, or for a run that regresses boxes.
    """
    metadata = read_metadata(run)
    calibration: tuple[float, ...] = ()
    with_boxes = [sample for sample in samples if any(len(item.boxes) for item in sample.annotations)]
    if METHODS[metadata.info.method].can_propagate and len(with_boxes) >= MIN_BOXES:
        uncertainties, wrong = np.array(list(_judge_boxes(run, with_boxes, on_localization))).reshape(-1, 2).T
        with suppress(InputError):  # all boxes are right, or all are wrong
            fitted = fit_calibration(uncertainties[:, None], wrong > 0)
            calibration = (float(fitted.weights[0]), fitted.bias)
    if calibration != metadata.info.calibration:
        rewrite_metadata(run, replace(metadata, info=replace(metadata.info, calibration=calibration)))
    return calibration


def _judge_boxes(
    run: str | Path, samples: Sequence[Sample], on_localization: Callable[[Localization], None]
) -> Iterator[tuple[float, bool]]:
    """Yield the uncertainty of the box of each class with known boxes, and whether it is wrong."""
    localizer = Localizer(run, backend="torch", uncertainty=True)
    for sample in samples:
        known = {item.label: item.boxes for item in sample.annotations if len(item.boxes)}
        try:
            image = read_as_annotated(sample.path, sample.size, max_pixels=localizer.max_pixels)
        except InputError:  # it counts as wrong in the scores, and says nothing about uncertainty
            continue
        localization = localizer(image, classes=list(known))
        on_localization(localization)
        for found in localization:
            if found.uncertainty is not None:
                yield found.uncertainty, bool(box_iou(found.box[None], known[found.label]).max() < _MIN_IOU)
