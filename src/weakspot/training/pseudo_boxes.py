"""Boxes for a box regressor: those that a trained run, the teacher, finds in the training images, or true ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from weakspot.concurrency import batched
from weakspot.data import Sample
from weakspot.data.decoding import read_sizes
from weakspot.errors import InputError
from weakspot.inference.localizer import Localizer
from weakspot.models import channels_last
from weakspot.models.checkpoint import CheckpointMetadata, read_metadata
from weakspot.models.networks import NetworkConfig, PsolNetwork, WsolClassifier
from weakspot.ops import boxes_from_heatmap, evidence_per_pixel, heatmap_from_class_map
from weakspot.training.dataset import ReadableImages, read_pixels
from weakspot.training.labels import Labels

_BATCH_SIZE = 16


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained run that provides pseudo boxes.

    Attributes:
        metadata: Metadata of its checkpoint.
        localizer: Localizer with the run's own quality preset and threshold.
    """

    metadata: CheckpointMetadata
    localizer: Localizer

    @property
    def network(self) -> WsolClassifier:
        """The trained network."""
        assert isinstance(self.localizer.model, WsolClassifier)
        return self.localizer.model

    def shares_backbone(self, backbone: str, *, frozen: bool) -> bool:
        """Return whether a network can share the teacher's backbone: it must be the same one, and frozen."""
        return frozen and backbone == self.metadata.config.backbone


def load_teacher(run: Path, device: torch.device) -> Teacher:
    """Load the teacher run."""
    metadata = read_metadata(run)
    if metadata.config.teacher is not None:
        problem = f"{run} is a PSOL run, which cannot be a teacher."
        raise InputError("teacher-invalid", problem, "Pass the run that was its teacher.")
    return Teacher(metadata, Localizer(run, device=str(device)))


def labels_from_teacher(metadata: CheckpointMetadata, training: Sequence[Sample], run: Path) -> Labels:
    """Return the classes of the teacher run, and refuse training images of other classes."""
    info = metadata.info
    background = None if info.background_index is None else info.class_names[info.background_index]
    labels = Labels(info.class_names, info.multi_label, info.background_index, background or "background")
    known = {*labels.class_names, labels.background_label}
    unknown = sorted({annotation.label for sample in training for annotation in sample.annotations} - known)
    if unknown:
        more = f" (and {len(unknown) - 1} more classes)" if unknown[1:] else ""
        problem = f"{run} has no class {unknown[0]!r}{more}; its classes are {', '.join(labels.class_names)}."
        raise InputError("unknown-class", problem, "Remove images of other classes, or train the teacher on them.")
    return labels


def load_teacher_weights(teacher: Teacher, network: WsolClassifier, config: NetworkConfig) -> None:
    """Copy the teacher's classifier into a new network, and its backbone if it is shared."""
    assert isinstance(network, PsolNetwork)
    if config.shared:
        network.trunk.load_state_dict(teacher.network.trunk.state_dict())
        network.classifier.load_state_dict(teacher.network.head.state_dict())
    else:
        network.classifier.load_state_dict(teacher.network.state_dict())


def find_pseudo_boxes(
    teacher: Teacher, images: ReadableImages, labels: Labels, *, copies: int = 0
) -> tuple[ReadableImages, NDArray[np.float32]]:
    """Find the pseudo box of each image, or its true box, and drop images without one.

    The regressor predicts one box per image and not per class, so only images with exactly one class have a pseudo
    box, and only if the heatmap of that class is not empty.

    Args:
        teacher: The run that finds the box of each image for its class.
        images: The images.
        labels: The classes of the images.
        copies: How often an image with a true box counts, which replaces the pseudo box. 0 ignores true boxes.

    Returns:
        The images that have a box, and their boxes, shape (N, 4), xyxy as fractions of width and height.
    """
    true_boxes = [true_box(sample) if copies else None for sample in images.samples]
    found = _boxes(teacher.localizer, images.samples, labels)
    boxes = [pseudo if true is None else true for true, pseudo in zip(true_boxes, found, strict=True)]
    counts = [0 if box is None else 1 if true is None else copies for true, box in zip(true_boxes, boxes, strict=True)]
    indices = np.repeat(np.arange(len(boxes)), counts).tolist()
    samples = tuple(images.samples[i] for i in indices)
    pixels = None if images.pixels is None else tuple(images.pixels[i] for i in indices)
    chosen = np.array([boxes[i] for i in indices], np.float32).reshape(-1, 4)
    return ReadableImages(samples, pixels, images.unreadable), chosen


def true_box(sample: Sample) -> NDArray[np.float64] | None:
    """Return the box of the only object in an image as fractions of its width and height; None if it has none.

    Example:
        >>> from weakspot.data import ObjectAnnotation
        >>> cat = ObjectAnnotation("cat", (10, 20, 60, 70))
        >>> true_box(Sample("a", Path("a.jpg"), objects=(cat,), size=(100, 200))).tolist()
        [0.05, 0.2, 0.3, 0.7]
        >>> true_box(Sample("a", Path("a.jpg"), objects=(cat, cat), size=(100, 200))) is None
        True
    """
    if len(sample.objects) != 1 or sample.objects[0].box is None:
        return None
    height, width = sample.size or read_sizes(sample.path)[0]
    box: NDArray[np.float64] = np.array(sample.objects[0].box) / np.array([width, height] * 2)
    return box


def _boxes(localizer: Localizer, samples: Sequence[Sample], labels: Labels) -> Iterator[NDArray[np.float64] | None]:
    """Yield the box of each image as fractions of its width and height, or None."""
    height, width = localizer.preprocessing.height, localizer.preprocessing.width
    for batch in batched(samples, _BATCH_SIZE):
        targets = labels.targets(batch)
        pixels = [channels_last(read_pixels(sample, localizer.preprocessing)) for sample in batch]
        classes = targets.argmax(axis=1)[:, None]
        (output,) = localizer.class_maps_of(pixels, classes, [localizer.method])
        evidences = output.evidence if output.uncontested is None else output.uncontested
        for row, class_map, own_map in zip(targets, output.maps[:, 0], evidences[:, 0], strict=True):
            is_background = labels.background_index is not None and row[labels.background_index]
            heatmap = heatmap_from_class_map(class_map, height=height, width=width)
            if row.sum() != 1 or is_background or not heatmap.any():
                yield None
            else:
                evidence = evidence_per_pixel(own_map, height=height, width=width)
                boxes = boxes_from_heatmap(heatmap, localizer.threshold, min_area=1.0, evidence=evidence)
                yield boxes[0] / ((width, height) * 2)
