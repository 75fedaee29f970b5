"""What teaches an object head: pairs of image and class, with features, maps, and what a person says of the class."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from weakspot.concurrency import batched
from weakspot.data import ObjectAnnotation, Sample, read_as_annotated
from weakspot.data.annotated_image import read_mask
from weakspot.data.annotation_kinds import is_located, is_marked
from weakspot.data.rle import decode_rle
from weakspot.errors import InputError
from weakspot.inference.localizer import Localizer
from weakspot.models.class_directions import Contrasts
from weakspot.models.model_info import ModelInfo
from weakspot.models.object_head import ObjectHead, fit_object_head
from weakspot.models.object_targets import ObjectTarget

logger = logging.getLogger(__name__)

_BATCH_SIZE = 8
_MAX_PAIRS = 600
_MAX_BYTES = 2_000_000_000  # of the features of all pairs
_MIN_IMAGES = 2


@dataclass(frozen=True)
class Drawn:
    """A class in an image, or an image without objects.

    Attributes:
        sample: The image.
        class_index: Index of the class; of an image without objects that of any class, as its map must be empty.
        objects: The objects of the class that have a box, mask or point.
        is_complete: Whether these are all objects of the class.
    """

    sample: Sample
    class_index: int
    objects: tuple[ObjectAnnotation, ...]
    is_complete: bool = True


@dataclass(frozen=True, eq=False)
class TeachingPairs:
    """N pairs of image and class.

    Attributes:
        features: Intermediate features, shape (N, K, h, w).
        maps: Maps of the class, shape (N, 3, h, w), see :class:`weakspot.models.object_head.ObjectHead`.
        targets: What is known of the class.
        boxes: Boxes of its objects as fractions of the image, shape (n, 4); n is 0 if they are not all known.
        classes: Indices of the classes, shape (N,).
        images: Numbers of the images, shape (N,).
        num_classes: Number of classes of the run.
        input_size: ``(height, width)`` of its input.
    """

    features: Tensor
    maps: Tensor
    targets: list[ObjectTarget]
    boxes: list[NDArray[np.float64]]
    classes: NDArray[np.intp]
    images: NDArray[np.intp]
    num_classes: int
    input_size: tuple[int, int]

    @property
    def with_boxes(self) -> NDArray[np.intp]:
        """Numbers of the pairs whose boxes are all known, by which thresholds are chosen."""
        return np.flatnonzero([len(boxes) > 0 for boxes in self.boxes])

    def count_boxes(self) -> int:
        """Return the number of boxes of these."""
        return sum(map(len, self.boxes))

    def fit(
        self, chosen: NDArray[np.intp], contrasts: Contrasts, *, seed: int, on_step: Callable[[int, int], None]
    ) -> ObjectHead:
        """Fit a head to some of the pairs; ``contrasts`` are those of all pairs."""
        return fit_object_head(
            self.features[chosen],
            self.maps[chosen],
            [self.targets[i] for i in chosen],
            contrasts.of(chosen),
            num_classes=self.num_classes,
            seed=seed,
            on_step=on_step,
        )


def draw_pairs(samples: Sequence[Sample], info: ModelInfo, seed: int) -> list[Drawn]:
    """Return the pairs of image and class of which more than the label is known, at most 600, in random order.

    Those of which all objects are known come first, because they choose the thresholds.

    Images without an object, which have no class, get one at random; there are at most as many as pairs with objects.

    Raises:
        InputError: ``missing-annotations`` with fewer than two images in which all objects of a class have a box or
            mask.
    """
    random = np.random.default_rng(seed)
    index_of = {name: i for i, name in enumerate(info.class_names) if i != info.background_index}
    pairs = [pair for sample in samples for pair in _pairs_of(sample, index_of)]
    complete = {pair.sample.path for pair in pairs if pair.is_complete}
    if len(complete) < _MIN_IMAGES:
        problem = f"At least {_MIN_IMAGES} images must have a box or mask of a class of the run, got {len(complete)}."
        raise InputError("missing-annotations", problem, "Draw more boxes.")
    shuffled = [pairs[i] for i in random.permutation(len(pairs))]
    pairs = sorted(shuffled, key=lambda pair: not pair.is_complete)[:_MAX_PAIRS]
    empty = [sample for sample in samples if _is_empty(sample, info)]
    chosen = random.permutation(len(empty))[: min(len(pairs), _MAX_PAIRS - len(pairs))]
    classes = random.choice(list(index_of.values()), len(chosen))
    return pairs + [Drawn(empty[i], int(label), ()) for i, label in zip(chosen, classes, strict=True)]


def read_pairs(localizer: Localizer, drawn: Sequence[Drawn]) -> TeachingPairs:
    """Compute features, maps and targets of pairs.

    Pairs whose image or mask cannot be read are left out with a warning, and so are those that do not fit into memory.

    Raises:
        InputError: ``method-unsupported`` if the backbone has no intermediate features; ``missing-annotations`` if all
            objects are known in fewer than two of the pairs that are left.
    """
    features, maps, targets, boxes, read = [], [], [], [], []
    num_bytes = 0
    for batch in batched(drawn, _BATCH_SIZE):
        contents = [(pair, content) for pair in batch if (content := _read(pair, localizer.max_pixels)) is not None]
        if not contents:
            continue
        pairs, images = [pair for pair, _ in contents], [image for _, (image, _) in contents]
        read += pairs
        rows = torch.tensor([[pair.class_index] for pair in pairs])
        pixels = [localizer.resize(image) for image in images]
        inputs = localizer.torch_backend.object_inputs(pixels, localizer.method, rows)
        if inputs is None:
            raise InputError("method-unsupported", "The backbone has no intermediate features that boxes could teach.")
        features.append(inputs[0])
        maps.append(inputs[1][:, 0])
        grid = (inputs[0].shape[-2], inputs[0].shape[-1])
        for pair, (image, mask) in contents:
            found = _boxes(pair.objects, mask, image.width, image.height)
            targets.append(_target(pair, found, mask, (image.width, image.height), grid))
            boxes.append(found if pair.is_complete else np.zeros((0, 4)))
        num_bytes += inputs[0].nbytes
        if num_bytes > _MAX_BYTES:
            break
    if sum(pair.is_complete and bool(pair.objects) for pair in read) < _MIN_IMAGES:
        problem = f"Fewer than {_MIN_IMAGES} images with boxes or masks can be read."
        raise InputError("missing-annotations", problem, "Check the files: weakspot check DATA")
    numbers = np.unique([str(pair.sample.path) for pair in read], return_inverse=True)[1]
    classes = np.array([pair.class_index for pair in read])
    size = (localizer.preprocessing.height, localizer.preprocessing.width)
    return TeachingPairs(
        torch.cat(features), torch.cat(maps), targets, boxes, classes, numbers, len(localizer.class_names), size
    )


def _read(pair: Drawn, max_pixels: int) -> tuple[Image, NDArray[np.bool_] | None] | None:
    """Read the image of a pair, and the mask if it has one; None with a warning if that is not possible."""
    try:
        image = read_as_annotated(pair.sample.path, pair.sample.size, max_pixels=max_pixels)
        return image, _read_mask(pair.objects) if _has_masks(pair.objects) else None
    except InputError as error:
        logger.warning("%s It teaches nothing.", error.problem)
        return None


def _pairs_of(sample: Sample, index_of: dict[str, int]) -> list[Drawn]:
    """Return the classes of an image of which some object has a box, mask or point."""
    pairs = []
    for label in dict.fromkeys(item.label for item in sample.objects if item.label in index_of):
        objects = [item for item in sample.objects if item.label == label]
        known = tuple(item for item in objects if is_marked(item))
        if known:
            is_complete = len(known) == len(objects) and all(map(is_located, known))
            pairs.append(Drawn(sample, index_of[label], known, is_complete))
    return pairs


def _is_empty(sample: Sample, info: ModelInfo) -> bool:
    """Return whether an image is known to have no object."""
    background = None if info.background_index is None else info.class_names[info.background_index]
    return not sample.predicted and all(item.label == background for item in sample.objects)


def _has_masks(objects: Sequence[ObjectAnnotation]) -> bool:
    return bool(objects) and all(item.mask is not None or item.mask_files for item in objects)


def _read_mask(objects: Sequence[ObjectAnnotation]) -> NDArray[np.bool_]:
    """Return the union of the masks of objects."""
    files = dict.fromkeys(file for item in objects for file in item.mask_files)
    masks = [read_mask(file) for file in files] + [decode_rle(item.mask) for item in objects if item.mask is not None]
    union: NDArray[np.bool_] = np.logical_or.reduce(masks)
    return union


def _boxes(
    objects: Sequence[ObjectAnnotation], mask: NDArray[np.bool_] | None, width: int, height: int
) -> NDArray[np.float64]:
    """Return the boxes of objects as fractions of the image, or the box of their mask if they have none."""
    boxes = [item.box for item in objects if item.box is not None]
    if not boxes and mask is not None and mask.any():
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        boxes = [(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)]
        height, width = mask.shape  # it may differ from the image's
    fractions: NDArray[np.float64] = np.array(boxes, np.float64).reshape(-1, 4) / np.array([width, height] * 2)
    return fractions


def _target(
    pair: Drawn,
    boxes: NDArray[np.float64],
    mask: NDArray[np.bool_] | None,
    image_size: tuple[int, int],
    grid: tuple[int, int],
) -> ObjectTarget:
    """Return what is known of a class: a mask of its objects, else their boxes and points."""
    if mask is not None:
        share = F.adaptive_avg_pool2d(torch.from_numpy(mask).float()[None], grid)[0]
        return ObjectTarget(mask=share, is_complete=pair.is_complete)
    points = [item.point for item in pair.objects if item.box is None and item.point is not None]
    return ObjectTarget(
        boxes=torch.from_numpy(boxes).float(),
        points=torch.tensor(points).reshape(-1, 2) / torch.tensor(image_size),
        is_complete=pair.is_complete,
    )
