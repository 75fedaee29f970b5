"""Zoom into a region that is small in its image, so that its outline is as fine as that of a large one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from weakspot.inference.backends import Backend, ClassifierOutput, ClassSelection
from weakspot.inference.backends.base import Pixels
from weakspot.inference.postprocess import ImagePrediction, PostprocessConfig
from weakspot.inference.zoomed_views import Maps, View, paste, zoomed_views
from weakspot.models.model_info import ModelInfo
from weakspot.ops import evidence_per_pixel, resize

# Each view has half the width and height of the one before; this many show an object of a thirtieth of the image.
ZOOMS = 3

Read = Callable[[], Pixels]  # returns the image at its own size, shape (height, width, channels)
Original = tuple[tuple[int, int], Read]  # height and width of an image, and the image


def zooms(config: PostprocessConfig) -> bool:
    """Return whether a model zooms into small regions: with the method for which it was trained."""
    return config.info.zooms > 0 and config.method == config.info.method


def zoom_prediction(
    prediction: ImagePrediction, backend: Backend, config: PostprocessConfig, read: Read
) -> ImagePrediction:
    """Zoom into the region of each class that may have a box, if it is small.

    Args:
        prediction: Prediction of the whole image.
        backend: The classifier.
        config: How the prediction becomes a localization.
        read: Returns the image at its own size, shape (height, width, channels).

    Returns:
        The same prediction if no region is small. Otherwise one whose maps have the size of the heatmap; in the views,
        they are those of the views.

    Raises:
        InputError: As ``read``.
    """
    evidence = prediction.evidence if prediction.uncontested is None else prediction.uncontested
    zoomed = _zoom_image(
        prediction.maps,
        evidence,
        prediction.classes[: prediction.selection.count],
        (prediction.image.height, prediction.image.width),
        backend,
        config.info,
        read,
    )
    return prediction if zoomed is None else replace(prediction, maps=zoomed[0], uncontested=zoomed[1])


def zoom_output(
    output: ClassifierOutput, backend: Backend, info: ModelInfo, originals: Sequence[Original]
) -> ClassifierOutput:
    """Zoom into the regions of all classes of a batch of images.

    Args:
        output: Output for the whole images.
        backend: The classifier.
        info: Its metadata.
        originals: The images at their own size.

    Returns:
        The same output if no region is small. Otherwise one whose maps all have the size of a heatmap.
    """
    evidence = output.evidence if output.uncontested is None else output.uncontested
    zoomed = [
        _zoom_image(output.maps[i], evidence[i], output.classes[i], size, backend, info, read)
        for i, (size, read) in enumerate(originals)
    ]
    if all(one is None for one in zoomed):
        return output
    size = (info.preprocessing.height, info.preprocessing.width)
    pairs = [one or _enlarge(output.maps[i], evidence[i], size) for i, one in enumerate(zoomed)]
    maps, uncontested = (np.stack(kind) for kind in zip(*pairs, strict=True))
    return replace(output, maps=maps, uncontested=uncontested)


def _zoom_image(
    maps: NDArray[np.floating],
    evidence: NDArray[np.floating],
    classes: NDArray[np.integer],
    image_size: tuple[int, int],
    backend: Backend,
    info: ModelInfo,
    read: Read,
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Return maps and evidence of all classes of an image at the size of its heatmap; None if no region is small."""
    size = (info.preprocessing.height, info.preprocessing.width)
    pixels = cache(read)  # it is decoded at most once, and only if a region is small

    def predict(view: View, index: int) -> Maps:
        left, top, right, bottom = view
        crop = backend.resize(pixels()[top:bottom, left:right].copy(), height=size[0], width=size[1])
        (output,) = backend.run([crop], [info.method], ClassSelection(np.array([index])))
        return output.maps[0, 0], output.evidence[0, 0]

    views = {
        position: list(
            zoomed_views(
                maps[position],
                evidence[position],
                image_size,
                size,
                partial(predict, index=int(index)),
                info.zooms,
            )
        )
        for position, index in enumerate(classes)
        if index != info.background_index
    }
    if not any(views.values()):
        return None
    enlarged, spread = _enlarge(maps, evidence, size)
    for position, of_class in views.items():
        for one in of_class:
            paste(enlarged[position], spread[position], one, image_size)
    return enlarged, spread


def _enlarge(
    maps: NDArray[np.floating], evidence: NDArray[np.floating], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Resize maps and evidence (C, h, w) to the size of the heatmap, as it would be done without a zoom."""
    height, width = size
    enlarged = resize(maps, height=height, width=width).astype(np.float32)
    spread = [evidence_per_pixel(one, height=height, width=width) for one in evidence]
    return enlarged, np.stack(spread).astype(np.float32)
