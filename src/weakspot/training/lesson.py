"""What pairs of image and class teach: a head, its share in the final map, and thresholds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.models.class_directions import Contrasts, find_contrasts
from weakspot.models.model_info import ModelInfo
from weakspot.models.object_head import ObjectHead
from weakspot.ops import component_tree, evidence_per_pixel, heatmap_from_class_map
from weakspot.ops.iou import box_iou
from weakspot.training.refit import Comparison, compare_thresholds
from weakspot.training.teaching_pairs import TeachingPairs

# Heads of more folds see more of few boxes, so they are more like the final head, whose thresholds they choose. Fewer
# folds suffice to decide whether a head helps.
_FEW_FOLDS, _MANY_FOLDS = 6, 3
_BATCH_SIZE = 8
# With fewer boxes than the first number, the head has a smaller share than a half. From the second one on, there are
# enough boxes to compare shares.
HALF, MANY = 24, 100
_SHARES = (0.3, 0.5, 0.7)
_MIN_IOU = 0.5  # of a correct box (GT-known Loc)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Lesson:
    """What pairs of image and class teach.

    Attributes:
        labels: Thresholds without a head.
        chosen: Thresholds with the head; the same if it is left out.
        share: Share of the head in the final map; 0 if it is left out.
        right: Whether the box of each scored pair is right with the head at each of ``NATIVE_THRESHOLDS``, (N, T).
        head: The head; None if it is left out.
        is_better: Whether the thresholds and the head should be used.
        finds_nothing: Whether no box is right: the boxes are probably those of other images.
        edges: Images whose edges chose the thresholds of the head, in words; empty if they did not.
    """

    labels: Comparison
    chosen: Comparison
    share: float
    right: NDArray[np.float64]
    head: ObjectHead | None
    is_better: bool
    finds_nothing: bool
    edges: str = ""


def learn(pairs: TeachingPairs, info: ModelInfo, *, by_edges: bool, seed: int, on_progress: Progress) -> Lesson:
    """Fit a head and thresholds to pairs of image and class.

    Args:
        pairs: The pairs.
        info: Metadata of the run.
        by_edges: Whether edges of other images will choose the thresholds of the head.
        seed: Random seed.
        on_progress: Called with the number of steps that are done, and of all.
    """
    contrasts = find_contrasts(pairs.features, pairs.targets, torch.from_numpy(pairs.classes))
    folds = _MANY_FOLDS if by_edges or len(pairs.with_boxes) >= MANY else _FEW_FOLDS
    probabilities = held_out_probabilities(pairs, contrasts, folds, seed=seed, on_progress=on_progress)
    right, found = _compare_shares(pairs, probabilities, info)
    count = len(pairs.scored)
    share = _choose_share(found, count)
    labels, chosen = found[0.0], found[share]
    finds_nothing = chosen.after == 0
    is_better = (_is_as_good(chosen.after, labels.before, count) if share else chosen.improves) and not finds_nothing
    head = None
    if share and is_better:
        everything = np.arange(len(pairs.boxes))
        head = pairs.fit(everything, contrasts, seed=seed, on_step=_part_of(on_progress, folds, folds))
        head.share.fill_(share)
    return Lesson(labels, chosen, share, right[share], head, is_better, finds_nothing)


def _compare_shares(
    pairs: TeachingPairs, probabilities: Tensor, info: ModelInfo
) -> tuple[dict[float, NDArray[np.float64]], dict[float, Comparison]]:
    """Score the scored pairs at each threshold, and compare thresholds, for each share of the head, 0 first.

    ``probabilities`` are those of heads of other images.
    """
    scored, count = pairs.scored, len(pairs.with_boxes)
    current = info.class_thresholds or (float(info.threshold or 0),) * len(info.class_names)
    fine = pairs.maps[:, 0].float()
    right, found = {}, {}
    for share in (0.0, *(_SHARES if count >= MANY else [_share_of_few(count)])):
        maps = ((1 - share) * fine + share * probabilities if share else pairs.propagated).numpy()
        right[share] = np.stack([right_boxes(pairs, maps[i], i) for i in scored])
        found[share] = compare_thresholds(right[share], pairs.classes[scored], current, per_class=True)
    return right, found


def _share_of_few(count: int) -> float:
    """Return the share of a head that few boxes have taught: the fewer, the less; a half from 24 on."""
    return min(0.5, 0.1 + 0.4 * count / HALF)


def _choose_share(found: dict[float, Comparison], count: int) -> float:
    """Return the share with the highest score; 0 only if all others are worse by more than a standard error.

    The few boxes that a person has drawn tell little: on other images the head helps more often than not.
    """
    share = max((share for share in found if share), key=lambda share: found[share].after)
    return share if _is_as_good(found[share].after, found[0.0].after, count) else 0.0


def _is_as_good(score: float, other: float, count: int) -> bool:
    """Return whether a score of ``count`` boxes, in percent, is at most a standard error below another one.

    Two right and two wrong boxes are added for the standard error, which would otherwise be 0 if all are right.

    Source:
        Agresti and Coull, "Approximate is better than 'exact' for interval estimation of binomial proportions", The
        American Statistician 52, 1998.
    """
    share = (other / 100 * count + 2) / (count + 4)
    return bool(score >= other - 100 * np.sqrt(share * (1 - share) / (count + 4)))


def held_out_probabilities(
    pairs: TeachingPairs, contrasts: Contrasts, folds: int, *, seed: int, on_progress: Progress
) -> Tensor:
    """Return the probability of an object at each position, (N, h, w), by heads that other images taught."""
    # All classes of an image are in the same fold: they share its features.
    fold_of = (np.random.default_rng(seed).permutation(pairs.images.max() + 1) % folds)[pairs.images]
    probabilities = torch.zeros(pairs.maps[:, 0].shape)
    for fold in range(folds):
        held_out = np.flatnonzero(fold_of == fold)
        others = np.flatnonzero(fold_of != fold)
        if not len(held_out):
            continue
        head = pairs.fit(others, contrasts, seed=seed, on_step=_part_of(on_progress, fold, folds))
        for part in np.array_split(held_out, -(-len(held_out) // _BATCH_SIZE)):
            classes = torch.from_numpy(pairs.classes[part, None])
            logits = head(pairs.features[part].float(), pairs.maps[part].float()[:, None], classes)
            probabilities[part] = torch.sigmoid(logits[:, 0])
    return probabilities


def right_boxes(pairs: TeachingPairs, class_map: NDArray[np.floating], i: int) -> NDArray[np.float64]:
    """Return whether the box of a map of pair ``i`` is right at each of ``NATIVE_THRESHOLDS``, shape (T,)."""
    height, width = pairs.input_size
    heatmap = heatmap_from_class_map(class_map, height=height, width=width)
    per_pixel = evidence_per_pixel(pairs.evidence[i].numpy(), height=height, width=width)
    found = component_tree(heatmap, NATIVE_THRESHOLDS, evidence=per_pixel).best_boxes()
    overlaps = box_iou(found / np.array([width, height] * 2), pairs.boxes[i]).max(axis=1)
    return np.asarray(overlaps >= _MIN_IOU, np.float64)


def _part_of(on_progress: Progress, part: int, folds: int) -> Progress:
    """Return the progress of one of the heads as that of all."""
    return lambda done, steps: on_progress(part * steps + done, (folds + 1) * steps)
