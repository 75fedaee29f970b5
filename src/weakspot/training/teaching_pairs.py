"""What teaches an object head: pairs of image and class, with features, maps, and what a person says of the class."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from weakspot.concurrency import batched
from weakspot.data import Sample
from weakspot.data.annotation_kinds import is_located, is_marked
from weakspot.data.missing_masks import describe_missing_masks, drop_missing_masks
from weakspot.errors import InputError
from weakspot.inference.localizer import Localizer
from weakspot.models.class_directions import Contrasts
from weakspot.models.model_info import ModelInfo
from weakspot.models.object_head import ObjectHead, ObjectInputs, fit_object_head
from weakspot.models.object_targets import ObjectTarget
from weakspot.training.known_classes import count_unknown, describe_unknown
from weakspot.training.labels import MIN_REPRESENTATIVE
from weakspot.training.teaching_content import Content, Drawn, find_target, fractions_of_boxes, read_content

logger = logging.getLogger(__name__)

_BATCH_SIZE = 8
_MAX_PAIRS = 600
_MAX_BYTES = 2_000_000_000  # of the features of all pairs
_MIN_IMAGES = 2
# Of the pairs, at most one third are images without objects.
_MAX_EMPTY = _MAX_PAIRS // 3
# Label of images without objects, if it is no class of the run, as with several labels per image.
_BACKGROUND = "background"
_NAMED = 3  # images that a warning names


@dataclass(frozen=True, eq=False)
class TeachingPairs:
    """N pairs of image and class.

    Attributes:
        features: Intermediate features, shape (N, K, h, w).
        maps: Maps of the class, shape (N, 3, h, w), see :class:`weakspot.models.object_head.ObjectHead`.
        propagated: Its propagated map, shape (N, h', w'): the final one without a head.
        evidence: Its class map before propagation, shape (N, h'', w''), any sign.
        targets: What is known of the class.
        boxes: Boxes of its objects as fractions of the image, shape (n, 4); n is 0 if they are not all known.
        classes: Indices of the classes, shape (N,).
        images: Numbers of the images, shape (N,).
        by_uncertainty: Whether a review offered the image because its prediction was uncertain, shape (N,).
        num_classes: Number of classes of the run.
        input_size: ``(height, width)`` of its input.
    """

    features: Tensor
    maps: Tensor
    propagated: Tensor
    evidence: Tensor
    targets: list[ObjectTarget]
    boxes: list[NDArray[np.float64]]
    classes: NDArray[np.intp]
    images: NDArray[np.intp]
    by_uncertainty: NDArray[np.bool_]
    num_classes: int
    input_size: tuple[int, int]

    @property
    def with_boxes(self) -> NDArray[np.intp]:
        """Numbers of the pairs whose boxes are all known."""
        return np.flatnonzero([len(boxes) > 0 for boxes in self.boxes])

    @property
    def scored(self) -> NDArray[np.intp]:
        """Numbers of the pairs with boxes by which thresholds are chosen, see :func:`representative_samples`."""
        alike = self.with_boxes[~self.by_uncertainty[self.with_boxes]]
        return alike if len(alike) >= MIN_REPRESENTATIVE else self.with_boxes

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
    """Draw at most 600 pairs of image and class of which more than the label is known, in random order.

    Those of which all objects are known are preferred, because they choose the thresholds. Images without an object,
    which have no class, get one at random; there are at most as many as pairs with objects, and at most 200. Boxes,
    masks and points of classes that the run lacks are ignored with a warning, and so are masks that do not exist if
    there are boxes.

    Raises:
        InputError: ``missing-annotations`` with fewer than two images in which all objects of a class have a box or
            mask.
    """
    random = np.random.default_rng(seed)
    index_of = {name: i for i, name in enumerate(info.class_names) if i != info.background_index}
    unknown = count_unknown(samples, index_of, [_background(info)])
    if unknown:
        logger.warning("%s of no class of the run and ignored.", describe_unknown(unknown))
    samples, missing = drop_missing_masks(samples)
    if missing:
        logger.warning("%s", describe_missing_masks(missing))
    pairs = [pair for sample in samples for pair in pairs_of(sample, index_of)]
    complete = {pair.sample.path for pair in pairs if pair.is_complete}
    if len(complete) < _MIN_IMAGES:
        problem = f"At least {_MIN_IMAGES} images must have a box or mask of a class of the run, got {len(complete)}."
        raise InputError("missing-annotations", problem, "Draw more boxes.")
    empty = [sample for sample in samples if is_empty(sample, info)]
    empty = [empty[i] for i in random.permutation(len(empty))[: min(len(pairs), _MAX_EMPTY)]]
    shuffled = [pairs[i] for i in random.permutation(len(pairs))]
    chosen = sorted(shuffled, key=lambda pair: not pair.is_complete)[: _MAX_PAIRS - len(empty)]
    classes = random.choice(list(index_of.values()), len(empty))
    chosen += [Drawn(sample, int(label), ()) for sample, label in zip(empty, classes, strict=True)]
    return [chosen[i] for i in random.permutation(len(chosen))]  # if memory ends, it does for all kinds alike


def read_pairs(localizer: Localizer, drawn: Sequence[Drawn]) -> TeachingPairs:
    """Compute features, maps and targets of pairs.

    Pairs whose image or mask cannot be read are left out with a warning, and so are those that do not fit into memory.

    Raises:
        InputError: ``method-unsupported`` if the backbone has no intermediate features; ``missing-annotations`` if all
            objects are known in fewer than two of the pairs that are left.
    """
    found: list[ObjectInputs] = []
    targets, boxes, read = [], [], []
    problems: list[str] = []
    num_bytes = 0
    for batch in batched(drawn, _BATCH_SIZE):
        contents = [(pair, content) for pair in batch if (content := _read(pair, localizer.max_pixels, problems))]
        if not contents:
            continue
        pairs, images = [pair for pair, _ in contents], [content.image for _, content in contents]
        read += pairs
        rows = torch.tensor([[pair.class_index] for pair in pairs])
        pixels = [localizer.resize(image) for image in images]
        inputs = localizer.torch_backend.object_inputs(pixels, localizer.method, rows)
        if inputs is None:
            raise InputError("method-unsupported", "The backbone has no intermediate features that boxes could teach.")
        features = inputs.features.contiguous(memory_format=torch.channels_last)  # in which a head is fitted faster
        found.append(replace(inputs, features=features))
        grid = (inputs.features.shape[-2], inputs.features.shape[-1])
        for pair, content in contents:
            of_pair = fractions_of_boxes(pair, content)
            targets.append(find_target(pair, content, of_pair, grid))
            boxes.append(of_pair if pair.is_complete else np.zeros((0, 4)))
        num_bytes += inputs.features.nbytes
        if num_bytes > _MAX_BYTES:
            logger.warning("The first %d of %d pairs of image and class fill the memory.", len(read), len(drawn))
            break
    _tell(problems)
    if len({pair.sample.path for pair, known in zip(read, boxes, strict=True) if len(known)}) < _MIN_IMAGES:
        problem = f"Boxes or masks of fewer than {_MIN_IMAGES} images can be used."
        raise InputError("missing-annotations", problem, "Check the files: weakspot check DATA")
    return TeachingPairs(
        torch.cat([inputs.features for inputs in found]),
        torch.cat([inputs.maps[:, 0] for inputs in found]),
        torch.cat([inputs.propagated[:, 0] for inputs in found]),
        torch.cat([inputs.evidence[:, 0] for inputs in found]),
        targets,
        boxes,
        classes=np.array([pair.class_index for pair in read]),
        images=np.unique([str(pair.sample.path) for pair in read], return_inverse=True)[1],
        by_uncertainty=np.array([pair.sample.by_uncertainty for pair in read]),
        num_classes=len(localizer.class_names),
        input_size=(localizer.preprocessing.height, localizer.preprocessing.width),
    )


def _read(pair: Drawn, max_pixels: int, problems: list[str]) -> Content | None:
    """Read the files of a pair; None if that is not possible, and why is added to the problems."""
    try:
        return read_content(pair, max_pixels)
    except InputError as error:
        problems.append(error.problem)
        return None


def _tell(problems: Sequence[str]) -> None:
    """Say which images teach nothing, and why."""
    if problems:
        count = "An image teaches" if len(problems) == 1 else f"{len(problems)} images teach"
        logger.warning("%s nothing: %s", count, " ".join(problems[:_NAMED]) + (" ..." if problems[_NAMED:] else ""))


def pairs_of(sample: Sample, index_of: Mapping[str, int]) -> list[Drawn]:
    """Return the classes of an image of which some object has a box, mask or point."""
    pairs = []
    for label in dict.fromkeys(item.label for item in sample.objects if item.label in index_of):
        objects = [item for item in sample.objects if item.label == label]
        known = tuple(item for item in objects if is_marked(item))
        if known:
            is_complete = len(known) == len(objects) and all(map(is_located, known))
            pairs.append(Drawn(sample, index_of[label], known, is_complete))
    return pairs


def teaches(sample: Sample, info: ModelInfo) -> bool:
    """Return whether more is known of an image than its labels: where an object of the run is, or that none is."""
    return any(is_marked(item) and item.label in info.class_names for item in sample.objects) or is_empty(sample, info)


def is_empty(sample: Sample, info: ModelInfo) -> bool:
    """Return whether an image is known to have no object."""
    background = _background(info).casefold()
    return not sample.predicted and all(item.label.casefold() == background for item in sample.objects)


def _background(info: ModelInfo) -> str:
    """Return the label of images without an object."""
    return _BACKGROUND if info.background_index is None else info.class_names[info.background_index]
