"""What teaches a box regressor: a trained run, by the boxes that it finds in the training images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from weakspot.concurrency import batched
from weakspot.data import Sample
from weakspot.errors import InputError
from weakspot.inference.localizer import Localizer
from weakspot.models import channels_last
from weakspot.models.checkpoint import CheckpointMetadata, read_metadata
from weakspot.models.networks import NetworkConfig, PsolNetwork, WsolClassifier
from weakspot.ops import box_from_heatmap, heatmap_from_class_map
from weakspot.training.dataset import ReadableImages, read_pixels
from weakspot.training.labels import Labels

_BATCH = 16


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained run that teaches.

    Attributes:
        trained: What stands beside its weights.
        localizer: What finds boxes, in the run's own quality and at its own threshold.
    """

    trained: CheckpointMetadata
    localizer: Localizer

    @property
    def network(self) -> WsolClassifier:
        """Its network."""
        assert isinstance(self.localizer.model, WsolClassifier)
        return self.localizer.model

    def shares_trunk(self, backbone: str, *, frozen: bool) -> bool:
        """Tell whether a network may have the teacher's trunk for its own: it is to be the same, and to stay so."""
        return frozen and backbone == self.trained.config.backbone


def load_teacher(run: Path, device: torch.device) -> Teacher:
    """Load the run that teaches.

    Raises:
        ModelError: If it is no finished run, or damaged.
        InputError: If it was itself taught so.
    """
    trained = read_metadata(run)
    if trained.config.teacher is not None:
        problem = f"{run} is itself a run of psol: what it knows of boxes, another run has taught it."
        raise InputError(problem, "Give that run with --teacher.")
    return Teacher(trained, Localizer(run, device=str(device)))


def labels_from_teacher(trained: CheckpointMetadata, training: Sequence[Sample], run: Path) -> Labels:
    """Take the classes of the run that teaches, and refuse training images of others.

    Raises:
        InputError: If there are any.
    """
    info = trained.info
    background = None if info.background_index is None else info.class_names[info.background_index]
    labels = Labels(info.class_names, info.multi_label, info.background_index, background or "background")
    known = {*labels.class_names, labels.nothing}
    strange = sorted({truth.label for example in training for truth in example.annotations} - known)
    if strange:
        problem = f"{run} does not know the class {strange[0]!r}" + (
            f" and {len(strange) - 1} more of the data." if strange[1:] else " of the data."
        )
        raise InputError(
            problem, f"It knows {', '.join(labels.class_names)}: leave other images out, or train it anew."
        )
    return labels


def load_teacher_weights(teacher: Teacher, network: WsolClassifier, plan: NetworkConfig) -> None:
    """Give a new network the teacher's classifier, and its trunk if that is shared."""
    assert isinstance(network, PsolNetwork)
    if plan.shared:
        network.trunk.load_state_dict(teacher.network.trunk.state_dict())
        network.classifier.load_state_dict(teacher.network.head.state_dict())
    else:
        network.classifier.load_state_dict(teacher.network.state_dict())


def find_pseudo_boxes(
    teacher: Teacher, looked: ReadableImages, labels: Labels
) -> tuple[ReadableImages, NDArray[np.float32]]:
    """Find the pseudo boxes of images, and leave out images that have none.

    Only images with one class have one, as a regressor that knows no class gives one box an image; and of these only
    such as hold evidence for it.

    Args:
        teacher: What finds them, of each image for its own class.
        looked: The images.
        labels: Their classes.

    Returns:
        The images that have a pseudo box, and these boxes, shape (N, 4), xyxy in fractions of the image's sides.
    """
    boxes = list(_boxes(teacher.localizer, looked.readable, labels))
    kept = [i for i, box in enumerate(boxes) if box is not None]
    pixels = None if looked.pixels is None else tuple(looked.pixels[i] for i in kept)
    rows = [box for box in boxes if box is not None]
    return (
        ReadableImages(tuple(looked.readable[i] for i in kept), pixels, looked.unreadable),
        np.array(rows, np.float32).reshape(-1, 4),
    )


def _boxes(localizer: Localizer, examples: Sequence[Sample], labels: Labels) -> Iterator[NDArray[np.float64] | None]:
    frame = localizer.preprocessing
    for batch in batched(examples, _BATCH):
        targets = labels.targets(batch)
        photos = [channels_last(read_pixels(example, localizer.image_preprocessing)) for example in batch]
        classes = targets.argmax(axis=1)[:, None]
        (found,) = localizer.class_maps_of(photos, classes, [localizer.method])
        for row, class_map in zip(targets, found.maps[:, 0], strict=True):
            one = row.sum() == 1 and not (labels.background is not None and row[labels.background])
            heatmap = heatmap_from_class_map(class_map, height=frame.height, width=frame.width)
            sides = (frame.width, frame.height) * 2
            yield box_from_heatmap(heatmap, localizer.threshold) / sides if one and heatmap.any() else None
