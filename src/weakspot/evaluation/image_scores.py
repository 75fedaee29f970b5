"""Score of an image, by which images with and without an object are told apart."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from weakspot.inference.probabilities import probabilities
from weakspot.models.model_info import ModelInfo


def object_probability(logits: NDArray[np.floating], info: ModelInfo) -> float | None:
    """Compute the probability that an image holds an object: 1 - that of the background class; None without one.

    Example:
        >>> info = ModelInfo(("crack", "none"), background_index=1)
        >>> object_probability(np.array([0.0, 0.0]), info), object_probability(np.array([0.0, 0.0]), ModelInfo())
        (0.5, None)
    """
    if info.background_index is None:
        return None
    return 1 - float(probabilities(logits.astype(np.float64), multi_label=info.multi_label)[info.background_index])


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
    return f"1 - the probability of {info.class_names[info.background_index]}"
