"""WSOL metrics: ``torchmetrics.Metric`` classes over pure functions of arrays."""

from weakspot.metrics.best_iou import native_overlaps, reference_boxes, reference_overlaps
from weakspot.metrics.box_accuracy import GTKnownLoc, MaxBoxAcc, MaxBoxAccV2, TopKLoc
from weakspot.metrics.false_alarms import FalseAlarms
from weakspot.metrics.image_pixel_ap import ImagePixelAP
from weakspot.metrics.image_ranking import ImageAP, ImageAUROC, image_auroc, image_average_precision
from weakspot.metrics.instance_f1 import InstanceF1, matched
from weakspot.metrics.mask_metrics import MaskIoU, PxAP
from weakspot.metrics.pixel_counts import average_precision, mask_overlaps, pixel_counts
from weakspot.metrics.pointing import PointingGame, distance_to_boxes, distance_to_mask
from weakspot.metrics.region_overlap import AUPRO, area_under_overlap, region_counts
from weakspot.ops.iou import box_iou

__all__ = [
    "AUPRO",
    "FalseAlarms",
    "GTKnownLoc",
    "ImageAP",
    "ImageAUROC",
    "ImagePixelAP",
    "InstanceF1",
    "MaskIoU",
    "MaxBoxAcc",
    "MaxBoxAccV2",
    "PointingGame",
    "PxAP",
    "TopKLoc",
    "area_under_overlap",
    "average_precision",
    "box_iou",
    "distance_to_boxes",
    "distance_to_mask",
    "image_auroc",
    "image_average_precision",
    "mask_overlaps",
    "matched",
    "native_overlaps",
    "pixel_counts",
    "reference_boxes",
    "reference_overlaps",
    "region_counts",
]
