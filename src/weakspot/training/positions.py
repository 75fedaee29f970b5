"""Fit the position head of a run to its training images."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from weakspot.concurrency import batched
from weakspot.data import Sample
from weakspot.data.annotation_kinds import is_marked
from weakspot.errors import InputError, ModelError
from weakspot.inference.localizer import Localizer
from weakspot.inference.quality import find_quality
from weakspot.models import channels_last, split_model
from weakspot.models.foreground_head import MAX_IMAGES
from weakspot.models.hooks import eval_mode
from weakspot.models.networks.network import BuiltNetwork
from weakspot.models.object_targets import ObjectTarget
from weakspot.models.position_head import PositionHead, fit_position_head
from weakspot.training.dataset import read_pixels
from weakspot.training.labels import Labels
from weakspot.training.options import TrainOptions
from weakspot.training.teaching_content import find_target, fractions_of_boxes, read_content
from weakspot.training.teaching_pairs import pairs_of

logger = logging.getLogger(__name__)

_BATCH_SIZE = 8
_MAX_BYTES = 2_000_000_000  # of the features of all images
# So many images without an object are drawn first: they define what is normal.
_NORMAL_IMAGES = 50


def check_positions(built: BuiltNetwork, labels: Labels, options: TrainOptions) -> None:
    """Check that a position head can be fitted, before anything is trained.

    Raises:
        InputError: ``missing-background`` if no image is without an object; ``options-conflict`` for quality plain.
        ModelError: ``backbone-mismatch`` for a network without intermediate features.
    """
    if labels.background_index is None:
        hint = f"Put images without an object into a folder named {options.background_class}, or use --method cam."
        raise InputError("missing-background", "mil needs images without an object, and one label per image.", hint)
    if not find_quality(options.quality).propagate:
        problem = f"mil needs a quality that changes maps, got {options.quality}."
        raise InputError("options-conflict", problem, "Add --quality fast.")
    preprocessing = built.preprocessing
    example = torch.zeros(1, len(preprocessing.mean), preprocessing.height, preprocessing.width)
    with eval_mode(built.network):
        if not split_model(built.network, example, propagate=True).intermediates:
            problem = f"mil needs a backbone with intermediate feature maps, got {options.backbone}."
            raise ModelError("backbone-mismatch", problem, "Use one of timm's convolutional networks.")


def fit_run_positions(
    localizer: Localizer, samples: Sequence[Sample], labels: Labels, *, seed: int, use_boxes: bool = True
) -> PositionHead:
    """Fit a position head to the training images.

    Args:
        localizer: The trained classifier, with a foreground head.
        samples: The training images, some without an object; at most a thousand are drawn at random, and as many as fit
            into memory.
        labels: The classes of the run, one of which is that of images without an object.
        seed: Seed of the draw and of the head.
        use_boxes: Whether boxes, masks and points of the images teach it, too.
    """
    assert labels.background_index is not None
    drawn = [samples[i] for i in _draw(labels.targets(samples)[:, labels.background_index], seed)]
    features, num_bytes = [], 0
    for batch in batched(drawn, _BATCH_SIZE):
        pixels = [
            channels_last(read_pixels(sample, localizer.preprocessing, as_annotated=use_boxes and _is_marked(sample)))
            for sample in batch
        ]
        rows = torch.zeros(len(batch), 1, dtype=torch.long)  # the features do not depend on the class
        inputs = localizer.torch_backend.object_inputs(pixels, localizer.method, rows)
        assert inputs is not None  # checked before training
        features.append(inputs.features)
        num_bytes += inputs.features.nbytes
        if num_bytes > _MAX_BYTES:
            break
    of_images = torch.cat(features)
    if len(of_images) < len(drawn):
        logger.info("The first %d of %d images fill the memory.", len(of_images), len(drawn))
    used = drawn[: len(of_images)]
    grid = (of_images.shape[-2], of_images.shape[-1])
    located = [_locate(sample, labels, grid, localizer.max_pixels) if use_boxes else None for sample in used]
    targets = torch.from_numpy(labels.targets(used))
    return fit_position_head(of_images, targets, labels.background_index, seed=seed, located=located)


def _is_marked(sample: Sample) -> bool:
    """Return whether an object of the image has a box, mask or point, to whose orientation the image is decoded."""
    return any(map(is_marked, sample.objects))


def _locate(sample: Sample, labels: Labels, grid: tuple[int, int], max_pixels: int) -> ObjectTarget | None:
    """Return where the objects of an image are; None if only its class is known, or if boxes or masks are wrong."""
    pairs = pairs_of(sample, {name: i for i, name in enumerate(labels.class_names) if i != labels.background_index})
    if not pairs:
        return None
    (pair,) = pairs  # an image has one label
    try:
        content = read_content(pair, max_pixels)
    except InputError as error:
        logger.warning("%s teaches its label alone: %s", sample.path, error.problem)
        return None
    if content.mask is not None and not content.mask.any():
        logger.warning("%s teaches its label alone: The mask of %s is black.", sample.path, pair.objects[0].label)
        return None
    return find_target(pair, content, fractions_of_boxes(pair, content), grid)


def _draw(is_normal: NDArray[np.floating], seed: int) -> list[int]:
    """Draw at most a thousand images at random, first fifty without an object; the order is random, too."""
    order = np.random.default_rng(seed).permutation(len(is_normal))
    normal = order[is_normal[order] == 1][:_NORMAL_IMAGES]
    return [*normal.tolist(), *np.setdiff1d(order, normal, assume_unique=True).tolist()][:MAX_IMAGES]
