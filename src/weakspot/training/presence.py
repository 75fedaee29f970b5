"""Fit how a run decides whether an image holds an object, on validation images."""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from weakspot.concurrency import batched
from weakspot.data import Sample
from weakspot.inference.backends import ClassSelection
from weakspot.inference.backends.torch import TorchBackend
from weakspot.inference.rivals import run_with_rivals
from weakspot.models import channels_last
from weakspot.models.model_info import ModelInfo
from weakspot.ops.presence import Presence, fit_presence, object_log_odds
from weakspot.terminal import counted
from weakspot.training.dataset import read_pixels
from weakspot.training.labels import Labels

logger = logging.getLogger(__name__)

_BATCH_SIZE = 8
# Number of each kind. At least 19 normal images give a threshold that 5 % are expected to exceed; of n, 1 in n + 1 are.
MIN_IMAGES = 10


def fit_run_presence(
    backend: TorchBackend, info: ModelInfo, validation: Sequence[Sample], labels: Labels
) -> Presence | None:
    """Fit the probability that an image holds an object by logits and the peak of the class map.

    Args:
        backend: The trained classifier with its heads, which these images have not trained.
        info: Metadata of the run; its method gives the maps.
        validation: Validation images.
        labels: The classes of the run.

    Returns:
        None without a background class, with fewer than :data:`MIN_IMAGES` images with or without an object, or for a
        method whose maps have no unit in common.
    """
    if info.background_index is None or info.multi_label:
        return None
    has_object = labels.targets(validation)[:, info.background_index] == 0
    if min(has_object.sum(), (~has_object).sum()) < MIN_IMAGES:
        return None
    logits, peaks = [], []
    for batch in batched(validation, _BATCH_SIZE):
        pixels = [channels_last(read_pixels(sample, info.preprocessing)) for sample in batch]
        (output,) = run_with_rivals(backend, pixels, [info.method], ClassSelection(), info)
        if output.peaks is None:
            return None
        logits.append(output.logits)
        peaks.append(output.peaks)
    inputs = object_log_odds(np.concatenate(logits), info.background_index), np.concatenate(peaks)
    presence = fit_presence(*inputs, has_object)
    logger.info(_describe(presence, presence.holds(*inputs), has_object))
    return presence


def _describe(presence: Presence, holds: NDArray[np.bool_], has_object: NDArray[np.bool_]) -> str:
    found, alarms = np.count_nonzero(holds & has_object), np.count_nonzero(holds & ~has_object)
    images = f"{found} of {counted(int(has_object.sum()), 'validation image')} with an object"
    rule = f"An image holds an object if the probability is above {presence.threshold:.2f}"
    return f"{rule}: {images}, and {alarms} of {np.count_nonzero(~has_object)} without one."
