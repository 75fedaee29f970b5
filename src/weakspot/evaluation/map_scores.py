"""Score one map against the ground truth of one class: the inputs of all metrics."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from weakspot.evaluation.targets import SIDE, Target
from weakspot.metrics import (
    box_iou,
    distance_to_boxes,
    distance_to_mask,
    mask_overlaps,
    pixel_counts,
    reference_overlaps,
    region_counts,
)
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.ops import (
    ComponentTree,
    Contours,
    component_tree,
    evidence_per_pixel,
    heatmap_from_class_map,
    normalize,
    reference_contours,
    resize,
    scale_boxes,
)
from weakspot.ops.contours import THRESHOLDS
from weakspot.ops.evidence import keep_claimed

Refine = Callable[[NDArray[np.floating]], NDArray[np.floating]]

FULL_IMAGE = "full-image box"
MIN_AREA = 0.01  # minimum area of a region that counts as an instance, the default of localize


@dataclass(frozen=True, eq=False)
class Regions:
    """A heatmap and its regions at every threshold, by the reference implementation and by weakspot itself (native).

    Attributes:
        score_map: The map in the reference's frame, shape (224, 224), float64 in [0, 1].
        contours: Its contours at the reference's thresholds.
        tree: Connected components of the heatmap at the native thresholds.
        boxes: Box of the component of most evidence (without a class map, the largest) at each native threshold, shape
            (T, 4), in heatmap pixels.
        heatmap: The heatmap at the model's input size, in [0, 1].
    """

    score_map: NDArray[np.float64]
    contours: Contours
    tree: ComponentTree
    boxes: NDArray[np.float64]
    heatmap: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of a map for one class in one image; fields are None if the ground truth has no boxes, or no mask.

    Attributes:
        largest: Best IoU of the box of the largest contour, at each of the reference's thresholds.
        every: Best IoU of the boxes of all contours, at each of the reference's thresholds.
        native: Best IoU of the box that :class:`weakspot.Localizer` returns, at each native threshold.
        mask: IoU of foreground and mask, at each native threshold.
        pixels: Histograms of foreground and background pixels over scores, for PxAP.
        peak_distance: Distance of the map's peak from the mask, or without one from the boxes, in pixels of the
            reference's frame; None for boxes without a map.
        overlap_counts: Histograms of regions of the mask and of the background over scores, for AUPRO; None without a
            mask or a map.
        unweighted_pixels: ``pixels`` before the map is multiplied by a weight; None if it is not.
    """

    largest: NDArray[np.float64] | None
    every: NDArray[np.float64] | None
    native: NDArray[np.float64] | None
    mask: NDArray[np.float64] | None
    pixels: NDArray[np.int32] | None
    peak_distance: float | None = None
    overlap_counts: NDArray[np.float64] | None = None
    unweighted_pixels: NDArray[np.int32] | None = None


def regions_of_class_map(
    class_map: NDArray[np.floating],
    evidence: NDArray[np.floating],
    *,
    height: int,
    width: int,
    margin: NDArray[np.floating] | None = None,
    refine: Refine | None = None,
) -> Regions:
    """Find the regions of a class map, at the size of the model's input, after any refinement.

    Args:
        class_map: Shape (h, w).
        evidence: The class map before propagation, by which the default region is chosen, shape (h', w').
        height: Rows of the heatmap.
        width: Columns of the heatmap.
        margin: Margin over the other classes of the image, shape (h', w'), or None for the only class. Only weakspot's
            own boxes depend on it, not the reference's.
        refine: Makes the heatmap follow the edges of the image.
    """
    heatmap = heatmap_from_class_map(class_map, height=height, width=width)
    refined = heatmap if refine is None else refine(heatmap)
    if (height, width) == (SIDE, SIDE):
        score_map = refined
    elif refine is None:
        score_map = heatmap_from_class_map(class_map, height=SIDE, width=SIDE)
    else:
        score_map = normalize(resize(refined, height=SIDE, width=SIDE, kernel="bilinear"))
    if margin is not None:
        claimed = keep_claimed(heatmap, margin)
        refined = claimed if refine is None else refine(claimed)
    return regions_of_heatmap(refined, score_map, evidence_per_pixel(evidence, height=height, width=width))


def regions_of_heatmap(
    heatmap: NDArray[np.floating], score_map: NDArray[np.floating], evidence: NDArray[np.int32] | None = None
) -> Regions:
    """Find the regions of a heatmap, and of the same map in the reference's frame; ``evidence`` is per pixel."""
    tree = component_tree(heatmap, NATIVE_THRESHOLDS, evidence=evidence)
    return Regions(score_map.astype(np.float64), reference_contours(score_map), tree, tree.best_boxes(), heatmap)


def score_regions(regions: Regions, target: Target, weight: float = 1.0, *, is_calibrated: bool = False) -> Scores:
    """Score the regions of a map against the ground truth.

    ``weight``, in [0, 1], is the probability that the image holds an object. AUPRO, which compares maps of images with
    and without an object, multiplies the map by it; if it is calibrated, so does PxAP, which compares maps of different
    images.
    """
    score_map, weighted = regions.score_map, weight * regions.score_map
    pixels = pixel_counts(score_map, target.mask) if target.mask is not None else None
    has_boxes = len(target.boxes) > 0
    boxes = scale_boxes(target.boxes, from_size=(SIDE, SIDE), to_size=regions.tree.shape)
    return Scores(
        largest=reference_overlaps(regions.contours, target.reference_boxes) if has_boxes else None,
        every=reference_overlaps(regions.contours, target.reference_boxes, "all") if has_boxes else None,
        native=box_iou(regions.boxes, boxes).max(axis=1) if has_boxes else None,
        mask=mask_overlaps(score_map, target.mask, NATIVE_THRESHOLDS) if target.mask is not None else None,
        pixels=pixel_counts(weighted, target.mask) if is_calibrated and target.mask is not None else pixels,
        peak_distance=_peak_distance(score_map, target),
        overlap_counts=region_counts(weighted, target.mask) if target.mask is not None else None,
        unweighted_pixels=pixels if is_calibrated else None,
    )


def _peak_distance(score_map: NDArray[np.float64], target: Target) -> float:
    if target.mask is not None:
        return distance_to_mask(score_map, target.mask)
    return distance_to_boxes(score_map, target.boxes)


def unreadable_scores(target: Target) -> Scores:
    """Return the scores of an image without a prediction: it counts, as wrong."""
    zeros = np.zeros(len(THRESHOLDS)) if len(target.boxes) else None
    return Scores(
        largest=zeros,
        every=zeros,
        native=zeros,
        mask=np.zeros(len(NATIVE_THRESHOLDS)) if target.mask is not None else None,
        pixels=pixel_counts(np.zeros((SIDE, SIDE)), target.mask) if target.mask is not None else None,
        peak_distance=inf,
        overlap_counts=region_counts(np.zeros((SIDE, SIDE)), target.mask) if target.mask is not None else None,
    )


def baselines() -> dict[str, Regions]:
    """Return the baselines that do not depend on the image: a Gaussian at the center, and the whole image.

    Source:
        Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020 (center baseline).
    """
    steps = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    gaussian = np.exp(-2 * (steps[:, None] ** 2 + steps**2))  # the width only shifts the thresholds
    centered = ((gaussian - gaussian.min()) / (gaussian.max() - gaussian.min())).astype(np.float32)
    ones = np.ones((SIDE, SIDE), np.float32)
    # The names are keys of metrics.json.
    return {"centred Gaussian": regions_of_heatmap(centered, centered), FULL_IMAGE: regions_of_heatmap(ones, ones)}
