"""The round of a review, from its predictions and decisions."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import zip_longest

import numpy as np

from weakspot.data import ObjectAnnotation, Sample
from weakspot.data.review_rows import Sampling
from weakspot.errors import InputError
from weakspot.labels.review_offers import Descriptor, descriptor, offer_order, random_order
from weakspot.labels.review_round import ReviewRound
from weakspot.labels.typical_images import typical_images
from weakspot.ops.iou import box_iou
from weakspot.serving.review.colors import SIDE, Pixels, read_colors
from weakspot.serving.review.items import ReviewItem

_MIN_IOU = 0.5  # of a right box with that of the person, as GT-known Loc has it
TYPICAL = 5  # images of each class that are offered first, before the model learns
ColorsFn = Callable[[Sample], Pixels]


def begin_round(
    items: Sequence[ReviewItem],
    samplings: Mapping[str, Sampling | None],
    colors_of: ColorsFn = read_colors,
    *,
    teaches: bool = True,
) -> tuple[str, ReviewRound]:
    """Return the name of a round and what it offers; the same after a restart.

    Args:
        items: All images with their predictions.
        samplings: The sampling of each touched image, by its name; None if it is not known.
        colors_of: Returns the colors of an image.
        teaches: Whether decisions teach a model: then typical images of each class are offered first, until some of it
            are touched.
    """
    name = name_of_round(items)
    of_round = {
        image: sampling for image, sampling in samplings.items() if sampling is not None and sampling.round == name
    }
    offered = [item for item in items if item.name not in samplings or item.name in of_round]
    names = [item.name for item in offered]
    known = {image: of_round[image] for image in names if image in of_round}
    taught = Counter(_label(item) for item in items if item.name in samplings and item.name not in of_round)
    typical = typical_of_classes(offered, taught) if teaches else []
    return name, ReviewRound(order_by_uncertainty(offered, colors_of), random_order(names, name), known, typical)


def typical_of_classes(items: Iterable[ReviewItem], taught: Mapping[str, int]) -> list[str]:
    """Return the names of typical images, by their logits; the classes take turns.

    Args:
        items: Images; those without an object or without logits are not typical.
        taught: Number of images of each class that are touched already, of which as many fewer are needed.
    """
    of_class = defaultdict[str, list[ReviewItem]](list)
    for item in items:
        if item.objects and item.logits:
            of_class[_label(item)].append(item)
    chosen = []
    for label, found in of_class.items():
        count = TYPICAL - taught.get(label, 0)
        if count > 0 and len({len(item.logits) for item in found}) == 1:
            logits = np.array([item.logits for item in found])
            chosen.append([found[i].name for i in typical_images(logits, count)])
    return [name for turn in zip_longest(*chosen) for name in turn if name is not None]


def _label(item: ReviewItem) -> str:
    """Return the class of the first object of an image; empty without an object."""
    return item.objects[0].label if item.objects else ""


def order_by_uncertainty(items: Iterable[ReviewItem], colors_of: ColorsFn = read_colors) -> Iterator[str]:
    """Yield the names of images as they are offered by uncertainty; an image is read when its turn comes."""
    samples = (
        Sample(item.name, item.path, objects=item.objects, size=item.size, uncertainty=item.uncertainty)
        for item in items
    )
    return (sample.image_id for sample in offer_order(samples, lambda sample: _describe(sample, colors_of)))


def name_of_round(items: Iterable[ReviewItem]) -> str:
    """Return a hash of all predictions: other boxes or another order begin another round."""
    found = blake2b(digest_size=8)
    for item in items:
        found.update(repr((item.name, item.uncertainty, [(one.label, one.box) for one in item.objects])).encode())
    return found.hexdigest()


def is_right(predicted: Sequence[ObjectAnnotation], kept: Sequence[ObjectAnnotation]) -> bool:
    """Return whether a person kept all predicted boxes: as many of each class, each with an IoU of at least 0.5.

    Example:
        >>> cat = ObjectAnnotation("cat", (0, 0, 100, 100))
        >>> is_right([cat], [ObjectAnnotation("cat", (0, 0, 100, 80))]), is_right([cat], [cat, cat]), is_right([], [])
        (True, False, True)
    """
    if sorted(one.label for one in predicted) != sorted(one.label for one in kept):
        return False
    return all(_is_found(one, kept) for one in predicted) and all(_is_found(one, predicted) for one in kept)


def _is_found(one: ObjectAnnotation, others: Sequence[ObjectAnnotation]) -> bool:
    boxes = np.array([other.xyxy for other in others if other.label == one.label], np.float64)
    return bool(box_iou(np.array([one.xyxy], np.float64), boxes).max() >= _MIN_IOU)


def _describe(sample: Sample, colors_of: ColorsFn) -> Descriptor:
    """Describe an image; one that cannot be read has no colors, and the page shows why."""
    try:
        colors = np.asarray(colors_of(sample), np.float64) / 255
    except InputError:
        colors = np.zeros((SIDE, SIDE, 3))
    return descriptor(colors, [item.xyxy for item in sample.objects], sample.size or (1, 1))
