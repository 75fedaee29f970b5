"""Look at photos with a classifier: whole, then more closely. Arrays only."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from weakspot.data import Preprocessing
from weakspot.inference.backends import Asked, Backend, ClassifierOutput
from weakspot.inference.backends.base import Pixels
from weakspot.inference.multi_crop import CROP_SCALE, Crop, Look, multi_crop
from weakspot.inference.quality import Quality


@dataclass(frozen=True, eq=False)
class Predictor:
    """A classifier that looks at photos.

    Attributes:
        backend: What runs it.
        quality: How closely it looks.
        threshold: Where heatmaps are cut for the boxes that are looked into.
    """

    backend: Backend
    quality: Quality
    threshold: float

    @property
    def input_size(self) -> Preprocessing:
        """The size that photos are squashed to: what the model sees, or larger where it looks into them."""
        frame = self.backend.frame
        times = CROP_SCALE if self.quality.zooms else 1
        return replace(frame, height=times * frame.height, width=times * frame.width)


def look_at(
    sight: Predictor, photos: Sequence[Pixels], methods: Sequence[str], asked: Asked, *, witnesses: Sequence[str] = ()
) -> list[ClassifierOutput]:
    """Run the classifier on whole photos, and then on the views into them that the quality asks for.

    Args:
        sight: The classifier.
        photos: Pixels of the size in ``sight.photo_frame``.
        methods: Names of the methods to read class maps by.
        asked: Which classes.
        witnesses: Further methods, whose maps are only to be compared: read from the whole photos.

    Returns:
        What is seen by each method, and then by each witness.

    Raises:
        InputError: If a method does not fit the classifier, or a class is none of its.
    """
    frame = sight.backend.frame
    whole = [sight.backend.resize(photo, height=frame.height, width=frame.width) for photo in photos]
    found = sight.backend.run(whole, [*methods, *witnesses], asked)
    if not sight.quality.zooms:
        return found
    closer = [replace(one, maps=_closer(sight, photos, name, one)) for name, one in zip(methods, found, strict=False)]
    return closer + found[len(methods) :]


def _closer(sight: Predictor, photos: Sequence[Pixels], method: str, first: ClassifierOutput) -> NDArray[np.floating]:
    views = [Crop(min(zoom.cut * sight.threshold, 1.0), zoom.margin) for zoom in sight.quality.zooms]

    def seen(crops: Sequence[Pixels], classes: NDArray[np.integer]) -> NDArray[np.floating]:
        (found,) = sight.backend.run(crops, [method], Asked(classes[:, None]))
        return found.maps[:, 0]

    look: Look = seen
    return multi_crop(photos, first.classes, first.maps, views, sight.backend, look)
