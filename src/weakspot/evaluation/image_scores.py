"""Score of an image, by which images with and without an object are told apart."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from weakspot.models.model_info import ModelInfo


def image_scores(
    names: Iterable[str], probability: float | None, class_maps: Iterable[NDArray[np.floating]]
) -> dict[str, float]:
    """Return the score of an image for each of several methods: the probability of an object, else a map's peak.

    ``class_maps`` are those of the most probable class, before normalization, one for each method.

    Example:
        >>> image_scores(["cam"], None, [np.array([[-1.0, 3.5]])]), image_scores(["cam"], 0.9, [])
        ({'cam': 3.5}, {'cam': 0.9})
    """
    if probability is not None:
        return dict.fromkeys(names, probability)
    return {name: float(class_map.max()) for name, class_map in zip(names, class_maps, strict=False)}


def describe_image_score(info: ModelInfo) -> str:
    """Describe the score of an image by a classifier."""
    if info.background_index is None:
        return "the peak of the class map of the most probable class, before normalization"
    if info.presence is not None:
        return "the probability of an object, calibrated on validation images by logits and the peak of the class map"
    return f"1 - the probability of {info.class_names[info.background_index]}"
