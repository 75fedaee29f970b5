"""WSOL metrics: ``torchmetrics.Metric`` classes over pure functions of arrays."""

from weakspot.metrics.best_iou import native_overlaps, reference_boxes, reference_overlaps
from weakspot.metrics.box_accuracy import GTKnownLoc, MaxBoxAcc, MaxBoxAccV2, TopKLoc
from weakspot.metrics.instance_f1 import InstanceF1, matched
from weakspot.metrics.mask_metrics import MaskIoU, PxAP
from weakspot.metrics.pixel_counts import average_precision, mask_overlaps, pixel_counts
from weakspot.ops.iou import box_iou

__all__ = [
    "GTKnownLoc",
    "InstanceF1",
    "MaskIoU",
    "MaxBoxAcc",
    "MaxBoxAccV2",
    "PxAP",
    "TopKLoc",
    "average_precision",
    "box_iou",
    "mask_overlaps",
    "matched",
    "native_overlaps",
    "pixel_counts",
    "reference_boxes",
    "reference_overlaps",
]
