"""Decide whether an image holds an object, for models with :class:`weakspot.ops.presence.Presence`."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from weakspot.inference.backends import Backend, ClassifierOutput, ClassSelection
from weakspot.inference.backends.base import Pixels
from weakspot.inference.probabilities import object_probability
from weakspot.inference.rivals import COMPARABLE, run_with_rivals
from weakspot.models.model_info import ModelInfo
from weakspot.ops.presence import object_log_odds


def run_with_presence(
    backend: Backend,
    images: Sequence[Pixels],
    methods: Sequence[str],
    selection: ClassSelection,
    info: ModelInfo,
) -> list[ClassifierOutput]:
    """Compute the class maps of several methods with one forward pass, with calibrated logits.

    For a model with ``presence``, the logit of the background class is replaced such that its probability is that of no
    object, by the logits and the peak of the map. The most probable classes start with the background if an object is
    too improbable, and with an object otherwise. Outputs of other models, and those without the model's own method, are
    those of :func:`weakspot.inference.rivals.run_with_rivals`, as are the arguments.
    """
    if info.presence is None or info.method not in COMPARABLE & set(methods) or not backend.has_evidence:
        return run_with_rivals(backend, images, methods, selection, info)
    # One more, as the background may be among the most probable classes and come off.
    wider = replace(selection, top_k=selection.top_k + 1) if selection.indices is None else selection
    outputs = run_with_rivals(backend, images, methods, wider, info)
    peaks = outputs[methods.index(info.method)].peaks
    assert peaks is not None
    logits = calibrate_logits(outputs[0].logits, peaks, info)
    outputs = [replace(output, logits=logits) for output in outputs]
    return outputs if selection.indices is not None else [_reorder(one, selection.top_k, info) for one in outputs]


def calibrate_logits(
    logits: NDArray[np.floating], peaks: NDArray[np.floating], info: ModelInfo
) -> NDArray[np.floating]:
    """Return logits (N, C) whose softmax has the calibrated probability of no object as that of the background.

    Args:
        logits: Shape (N, C); rows with a value that is not finite stay as they are.
        peaks: Peaks of the class maps, shape (N,).
        info: Metadata with a background class and ``presence``.

    Example:
        >>> from weakspot.ops.presence import Presence
        >>> info = ModelInfo(("crack", "none"), background_index=1, presence=Presence(0.0, 1.0, -4.0, 0.5))
        >>> calibrate_logits(np.zeros((2, 2)), np.array([4.0, 6.0]), info).tolist()  # odds of 1, and of e squared
        [[0.0, 0.0], [0.0, -2.0]]
    """
    background, presence = info.background_index, info.presence
    assert background is not None
    assert presence is not None
    finite = np.isfinite(logits).all(axis=1) & np.isfinite(peaks)
    calibrated = logits.copy()
    odds = object_log_odds(logits[finite], background)
    calibrated[finite, background] += odds - presence.log_odds(odds, peaks[finite])
    return calibrated


def holds_object(logits: NDArray[np.floating], info: ModelInfo) -> bool | None:
    """Return whether an image with calibrated logits (C,) holds an object; None if the model does not know.

    Example:
        >>> from weakspot.ops.presence import Presence
        >>> info = ModelInfo(("crack", "none"), background_index=1, presence=Presence(0.0, 1.0, -4.0, 0.8))
        >>> holds_object(np.array([2.0, 0.0]), info), holds_object(np.array([1.0, 0.0]), info)
        (True, False)
    """
    probability = object_probability(logits, info)
    return None if info.presence is None or probability is None else probability > info.presence.threshold


def decided_logits(logits: NDArray[np.floating], info: ModelInfo) -> NDArray[np.floating]:
    """Return logits (C,) of which the largest is that of the class that a localizer names first.

    Example:
        >>> from weakspot.ops.presence import Presence
        >>> info = ModelInfo(("crack", "none"), background_index=1, presence=Presence(0.0, 1.0, -4.0, 0.8))
        >>> decided_logits(np.array([1.0, 0.0]), info).tolist()  # a probability of 0.73 is too little
        [1.0, 2.0]
    """
    holds = holds_object(logits, info)
    if holds is None or not np.isfinite(logits).all():
        return logits
    decided = logits.copy()
    best = np.delete(logits, info.background_index or 0).max()
    decided[info.background_index] = min(logits[info.background_index], best - 1) if holds else best + 1
    return decided


def _reorder(output: ClassifierOutput, top_k: int, info: ModelInfo) -> ClassifierOutput:
    """Return the maps of the ``top_k`` most probable classes of an output with one more, by calibrated logits."""
    count = min(top_k, output.logits.shape[1])
    rows = [_order(*row, info) for row in zip(output.logits, output.classes, strict=True)]
    positions, classes = (np.stack([found[:count] for found in kind]) for kind in zip(*rows, strict=True))
    images = np.arange(len(positions))[:, None]
    return replace(
        output,
        classes=classes,
        maps=output.maps[images, positions],
        evidence=output.evidence[images, positions],
        uncontested=None if output.uncontested is None else output.uncontested[images, positions],
    )


def _order(
    logits: NDArray[np.floating], classes: NDArray[np.integer], info: ModelInfo
) -> tuple[NDArray[np.intp], NDArray[np.integer]]:
    """Return the positions of an image's classes in their new order, and the classes.

    The background is among them in any case. Its map is not used, so if it has none, its position is that of another.
    """
    background = info.background_index
    assert background is not None
    decided = decided_logits(logits, info)
    objects = np.flatnonzero(classes != background)
    place = int((decided[classes[objects]] >= decided[background]).sum())
    return np.insert(objects, place, 0), np.insert(classes[objects], place, background)
