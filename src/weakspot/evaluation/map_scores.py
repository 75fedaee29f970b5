"""One map against one truth: what every metric needs of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weakspot.evaluation.targets import SIDE, Target
from weakspot.metrics import box_iou, mask_overlaps, pixel_counts, reference_overlaps
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.ops import (
    ComponentTree,
    Contours,
    component_tree,
    heatmap_from_class_map,
    normalize,
    reference_contours,
    resize,
    scale_boxes,
)
from weakspot.ops.contours import THRESHOLDS

Refine = Callable[[NDArray[np.floating]], NDArray[np.floating]]

FULL_IMAGE = "full-image box"


@dataclass(frozen=True, eq=False)
class Regions:
    """A map and its regions at every threshold, in the reference's frame and as localizing finds them.

    Attributes:
        score_map: Shape (224, 224), float64 in [0, 1].
        contours: Its contours at the reference's thresholds.
        tree: The components of the heatmap, which has the model's input size, at the plain thresholds.
        boxes: The largest component's box at each of these, in heatmap pixels, shape (T, 4).
        heatmap: The heatmap, in [0, 1].
    """

    score_map: NDArray[np.float64]
    contours: Contours
    tree: ComponentTree
    boxes: NDArray[np.float64]
    heatmap: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Scores:
    """What a map is worth for one class in one image.

    Attributes:
        largest: Best overlap of the largest contour's box at each of the reference's thresholds; None without boxes.
        every: The same of all contours' boxes.
        plain: Best overlap of the box that localizing gives, at each plain threshold.
        mask: Overlap of foreground and mask at each plain threshold; None without a mask.
        pixels: Foreground and background pixels by score, for PxAP; None without a mask.
    """

    largest: NDArray[np.float64] | None
    every: NDArray[np.float64] | None
    plain: NDArray[np.float64] | None
    mask: NDArray[np.float64] | None
    pixels: NDArray[np.int32] | None


def regions_of_class_map(
    class_map: NDArray[np.floating], *, height: int, width: int, refine: Refine | None = None
) -> Regions:
    """Find the regions of a class map.

    Args:
        class_map: Shape (h, w).
        height: Rows of the model's input.
        width: Columns of the model's input.
        refine: What is done to the heatmap; None for nothing.
    """
    heatmap = heatmap_from_class_map(class_map, height=height, width=width)
    same = (height, width) == (SIDE, SIDE)
    if refine is None:
        return regions(heatmap, heatmap if same else heatmap_from_class_map(class_map, height=SIDE, width=SIDE))
    fine = refine(heatmap)
    return regions(fine, fine if same else normalize(resize(fine, height=SIDE, width=SIDE, kernel="bilinear")))


def regions(heatmap: NDArray[np.floating], score_map: NDArray[np.floating]) -> Regions:
    """Find the regions of a heatmap, and of the same in the reference's frame."""
    tree = component_tree(heatmap, NATIVE_THRESHOLDS)
    return Regions(score_map.astype(np.float64), reference_contours(score_map), tree, tree.largest_boxes(), heatmap)


def score(found: Regions, target: Target) -> Scores:
    """Score a map's regions against the truth."""
    boxed = len(target.boxes) > 0
    boxes = scale_boxes(target.boxes, from_size=(SIDE, SIDE), to_size=found.tree.shape)
    return Scores(
        largest=reference_overlaps(found.contours, target.reference_boxes) if boxed else None,
        every=reference_overlaps(found.contours, target.reference_boxes, "all") if boxed else None,
        plain=box_iou(found.boxes, boxes).max(axis=1) if boxed else None,
        mask=mask_overlaps(found.score_map, target.mask, NATIVE_THRESHOLDS) if target.mask is not None else None,
        pixels=pixel_counts(found.score_map, target.mask) if target.mask is not None else None,
    )


def unreadable_scores(target: Target) -> Scores:
    """What an image is worth that could not be localized: it counts, as wrong."""
    nothing = np.zeros(len(THRESHOLDS)) if len(target.boxes) else None
    return Scores(
        largest=nothing,
        every=nothing,
        plain=nothing,
        mask=np.zeros(len(NATIVE_THRESHOLDS)) if target.mask is not None else None,
        pixels=pixel_counts(np.zeros((SIDE, SIDE)), target.mask) if target.mask is not None else None,
    )


def baselines() -> dict[str, Regions]:
    """The baselines that look at no image: a Gaussian in the centre, and the whole image.

    Source:
        Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020 (centre baseline).
    """
    steps = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    gaussian = np.exp(-2 * (steps[:, None] ** 2 + steps**2))  # its width only says which thresholds are which
    centred = ((gaussian - gaussian.min()) / (gaussian.max() - gaussian.min())).astype(np.float32)
    whole = np.ones((SIDE, SIDE), np.float32)
    return {"centred Gaussian": regions(centred, centred), FULL_IMAGE: regions(whole, whole)}
