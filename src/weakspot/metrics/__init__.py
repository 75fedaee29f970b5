"""The field's metrics, exact: ``torchmetrics.Metric`` classes over pure functions of arrays."""

from weakspot.metrics.box_accuracy import GTKnownLoc, MaxBoxAcc, MaxBoxAccV2, TopKLoc
from weakspot.metrics.masks import MaskIoU, PxAP
from weakspot.metrics.overlaps import overlaps, plain_overlaps, reference_boxes, reference_overlaps
from weakspot.metrics.pixels import average_precision, mask_overlaps, pixel_counts

__all__ = [
    "GTKnownLoc",
    "MaskIoU",
    "MaxBoxAcc",
    "MaxBoxAccV2",
    "PxAP",
    "TopKLoc",
    "average_precision",
    "mask_overlaps",
    "overlaps",
    "pixel_counts",
    "plain_overlaps",
    "reference_boxes",
    "reference_overlaps",
]
