"""Look at photos with a classifier: whole, then more closely; what it tells of them, and what there is to learn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from weakspot.cams import Method
from weakspot.cams.levelling import levelled
from weakspot.data import Preprocessing
from weakspot.models import ClassMaps, Cut, class_maps, class_maps_of_methods, lessons, normalised, resquash
from weakspot.qualities import FOREGROUND_THRESHOLD, SPREAD_THRESHOLD, Quality
from weakspot.zooming import DETAIL, Look, View, zoomed


@dataclass(frozen=True)
class Levels:
    """Where the maps of each class are cut best, by a method and in a quality for which that was found out.

    Attributes:
        method: That method.
        of_classes: One level for each class, in (0, 1); maps are levelled to the threshold of all.
        threshold: That one.
    """

    method: Method
    of_classes: tuple[float, ...]
    threshold: float


@dataclass(frozen=True, eq=False)
class Sight:
    """A classifier that looks at photos.

    Attributes:
        cut: The classifier.
        frame: What it wants of its images.
        quality: How closely it looks.
        like: A tensor of its device and type.
        levels: Where the maps of its classes are cut best; None where nobody knows.
    """

    cut: Cut
    frame: Preprocessing
    quality: Quality
    like: Tensor
    levels: Levels | None = None

    @property
    def photo_frame(self) -> Preprocessing:
        """The size that photos are squashed to: what the model sees, or larger where it looks into them."""
        times = DETAIL if self.quality.zooms else 1
        return replace(self.frame, height=times * self.frame.height, width=times * self.frame.width)

    @property
    def default_threshold(self) -> float | None:
        """Where its heatmaps are cut if nothing else is known; None where that is the method's own affair."""
        if not self.cut.levels:
            return None
        return SPREAD_THRESHOLD if self.cut.foreground is None else FOREGROUND_THRESHOLD

    def tensors(self, pixels: Sequence[Tensor]) -> Tensor:
        """Normalise photos of the size that it sees."""
        return normalised(pixels, self.frame, like=self.like)


def look_at(
    sight: Sight,
    photos: Sequence[Tensor],
    methods: Sequence[Method],
    *,
    witnesses: Sequence[Method] = (),
    **chosen: Any,
) -> list[ClassMaps]:
    """Run the classifier on whole photos, and then on the views into them that the quality asks for.

    Args:
        sight: The classifier.
        photos: Pixels of the size in ``sight.photo_frame``, uint8, as ``models.squash`` gives them.
        methods: How to read class maps.
        witnesses: Further methods, whose maps are only to be compared: read from the whole photos, and not levelled.
        chosen: Which classes, as for :func:`weakspot.models.class_maps`.

    Returns:
        For each method, and then for each witness, the logits and the class maps, on the CPU.

    Raises:
        InputError: As :func:`weakspot.models.class_maps`.
    """
    images = sight.tensors([resquash(photo, sight.frame) for photo in photos])
    found = [_on_cpu(one) for one in class_maps_of_methods(sight.cut, images, [*methods, *witnesses], **chosen)]
    pairs = list(zip(methods, found[: len(methods)], strict=True))
    if sight.quality.zooms:
        pairs = [(method, replace(one, maps=_closer(sight, photos, method, one))) for method, one in pairs]
    return [_levelled(sight.levels, method, one) for method, one in pairs] + found[len(methods) :]


def lessons_of(
    sight: Sight, photos: Sequence[Tensor], method: Method, classes: Tensor | None
) -> tuple[Tensor, Tensor] | None:
    """Read what a foreground head learns from: features (B, K, h, w) and maps (B, C, h, w), on the CPU.

    Args:
        sight: The classifier.
        photos: Pixels at the size that it sees, uint8.
        method: How to read class maps.
        classes: Class indices of shape (B, C); None for the most probable of each.

    Returns:
        Both, the features in half precision; None where the classifier has no mid-level feature maps.
    """
    rows = None if classes is None else classes.to(sight.like.device)
    found = lessons(sight.cut, sight.tensors(photos), method, rows)
    return None if found is None else (found[0].half().cpu(), found[1].cpu())


def _closer(sight: Sight, photos: Sequence[Tensor], method: Method, first: ClassMaps) -> Tensor:
    threshold = sight.default_threshold or method.threshold
    views = [View(min(zoom.cut * threshold, 1.0), zoom.margin) for zoom in sight.quality.zooms]

    def seen(crops: Sequence[Tensor], classes: Tensor) -> Tensor:
        rows = classes[:, None].to(sight.like.device)
        return class_maps(sight.cut, sight.tensors(crops), method, classes=rows).maps[:, 0]

    look: Look = seen
    return zoomed(photos, first.classes, first.maps, views, sight.frame, look)


def _levelled(levels: Levels | None, method: Method, found: ClassMaps) -> ClassMaps:
    if levels is None or method != levels.method:
        return found
    at = torch.tensor(levels.of_classes)[found.classes]
    return replace(found, maps=levelled(found.maps.float(), at, levels.threshold))


def _on_cpu(found: ClassMaps) -> ClassMaps:
    foreground = None if found.foreground is None else found.foreground.cpu()
    return ClassMaps(found.logits.cpu(), found.classes.cpu(), found.maps.cpu(), found.signed.cpu(), foreground)
