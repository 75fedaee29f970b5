"""Photos on their way through a localizer: decoded, run through the model in batches, and finished."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from weakspot.data import ImageSource
from weakspot.data.decoding import read_downscaled
from weakspot.errors import ModelError, WeakspotError
from weakspot.inference.backends import ClassifierOutput
from weakspot.inference.backends.base import Pixels
from weakspot.inference.localization import Localization
from weakspot.inference.postprocess import ImagePrediction, PostprocessConfig, postprocess, probabilities

Squash = Callable[[Image.Image], Pixels]
Size = tuple[int, int]


@dataclass(frozen=True)
class DecodedImage:
    """A decoded image.

    Attributes:
        source: Where it came from.
        width: Its width in pixels, upright.
        height: Its height.
        pixels: Squashed to what the model is shown.
    """

    source: ImageSource
    width: int
    height: int
    pixels: Pixels


@dataclass(frozen=True)
class FailedImage:
    """An image that could not be localized, and why."""

    source: ImageSource
    error: WeakspotError


@dataclass(frozen=True)
class Batch:
    """Images that were run through the model together.

    Attributes:
        items: In the order in which they came.
        found: The maps of those that could be decoded; None if none could.
        asked: How many classes of each were asked for.
        named: Whether these were named by somebody.
        witness: Maps of the same by another method, or None.
    """

    items: list[DecodedImage | FailedImage]
    found: ClassifierOutput | None
    asked: int = 1
    named: bool = False
    witness: ClassifierOutput | None = None


def decode(source: ImageSource, squash: Squash, to: Size, *, max_pixels: int) -> DecodedImage | FailedImage:
    """Decode an image and squash it to ``(height, width)``, or say why that cannot be."""
    try:
        image, (height, width) = read_downscaled(source, height=to[0], width=to[1], max_pixels=max_pixels)
    except WeakspotError as error:
        # Its traceback would keep the half-decoded image alive for as long as the error is kept.
        error.__cause__ = error.__context__ = None
        return FailedImage(source, error.with_traceback(None))
    return DecodedImage(source, width, height, squash(image))


def finish(batch: Batch, how: PostprocessConfig) -> list[Localization | FailedImage]:
    """Turn class maps into localizations, in the order of the images; arrays only."""
    position = iter(range(len(batch.items)))
    return [
        item if isinstance(item, FailedImage) else _localized(item, batch, next(position), how) for item in batch.items
    ]


def _localized(photo: DecodedImage, batch: Batch, i: int, how: PostprocessConfig) -> Localization | FailedImage:
    found = cast(ClassifierOutput, batch.found)
    scores = probabilities(found.logits[i], multi_label=how.multi_label)
    if not np.isfinite(scores).all():
        name = photo.source if isinstance(photo.source, str | Path) else "this image"
        problem = f"The model's output for {name} is not finite."
        return FailedImage(photo.source, ModelError(problem, "Check its weights, its normalisation and its precision."))
    evidence = ImagePrediction(
        scores,
        found.classes[i].tolist(),
        found.maps[i],
        bool(found.signed[i]),
        batch.asked,
        batch.named,
        None if batch.witness is None else batch.witness.maps[i],
        None if found.foreground is None else found.foreground[i, 0],
        photo.pixels,
    )
    return postprocess(photo.source, (photo.height, photo.width), evidence, how)
