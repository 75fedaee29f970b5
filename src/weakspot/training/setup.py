"""What a run needs before its first step: labels, images that can be read, and the network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from weakspot.data import Dataset, Preprocessing, Sample, read_dataset
from weakspot.errors import InputError
from weakspot.inference.load_torch import scale_input_size
from weakspot.inference.quality import find_quality
from weakspot.models import check_model_name, find_device
from weakspot.models.hooks import eval_mode
from weakspot.models.networks import NetworkConfig, TrainingMethod, build_network, parse_method
from weakspot.models.networks.adl import insertion_points
from weakspot.models.networks.network import BuiltNetwork
from weakspot.training.dataset import ReadableImages, UnreadableImage, verify_images, with_crop_margin
from weakspot.training.labels import Labels, Split, infer_labels, split_samples
from weakspot.training.options import TrainOptions
from weakspot.training.progress import Say
from weakspot.training.pseudo_boxes import (
    Teacher,
    find_pseudo_boxes,
    labels_from_teacher,
    load_teacher,
    load_teacher_weights,
)

# Passes over the images. A head on features that are computed once takes next to no time for one.
EPOCHS, FROZEN_EPOCHS = 20, 40
# A head that finds boxes reads whole feature maps, and learns its teacher's mistakes by heart if it is given the time.
_EPOCHS_OF_BOXES = 12
# Learning rates of the backbone; that of the head is 10 times it, and convolutions of a head want less than one layer.
_RATE, _FROZEN_RATE, _RATE_WITH_BRANCHES = 1e-4, 3e-4, 3e-5


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What is trained on.

    Attributes:
        dataset: Where it comes from.
        labels: Its classes.
        training: Images that are trained on.
        validation: Images that validate.
        squashed: The size that images are squashed to.
    """

    dataset: Dataset
    labels: Labels
    training: ReadableImages
    validation: ReadableImages
    squashed: Preprocessing

    @property
    def unreadable(self) -> tuple[UnreadableImage, ...]:
        """Images that are skipped."""
        return (*self.training.unreadable, *self.validation.unreadable)


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """All that a run needs before its first step.

    Attributes:
        grounds: What is trained on.
        built: The network, with the backbone's weights.
        recipe: How it is trained.
        frozen: Whether the backbone stays as it is.
        device: Where it runs.
        epochs: How often the images are gone through.
        lr: Learning rate of the backbone.
        targets: What is learnt of the training and of the validation images: shares of classes, shape (N, C), or
            pseudo boxes, shape (N, 4).
        teacher: The run that gave the boxes; None where labels teach.
    """

    grounds: TrainingData
    built: BuiltNetwork
    recipe: TrainingMethod
    frozen: bool
    device: torch.device
    epochs: int
    lr: float
    targets: tuple[NDArray[np.float32], NDArray[np.float32]]
    teacher: Teacher | None = None


def set_up(data: Path, options: TrainOptions, say: Say) -> TrainingSetup:
    """Read labels, build the network, and look through the images.

    Raises:
        InputError: If the data cannot be trained on, options do not go together, or too many images are unreadable.
        ModelError: If the backbone cannot be had.
    """
    check_model_name(options.backbone)  # before the images are looked through, which may take minutes
    device = find_device(options.device)
    frozen = _is_frozen(options, device)
    recipe = parse_method(options.method, frozen=frozen)
    dataset = read_dataset(data, truth=options.labels, images=options.images)
    split = split_samples(dataset, share=options.val_fraction, seed=options.seed, workers=options.workers)
    teacher = None if options.teacher is None else load_teacher(options.teacher, device)
    labels = _labels(dataset, split, options, teacher)
    validation = [example for example in split.validation if labels.know(example)]
    for note in (*split.notes, *_left_out(len(split.validation) - len(validation))):
        say(note)
    built = _build(options, labels, teacher, frozen)
    if recipe.adl and not frozen:
        insertion_points(built.network.trunk.backbone)
    # Boxes would have to be cropped with their images.
    squashed = built.preprocessing if frozen or teacher is not None else with_crop_margin(built.preprocessing)
    grounds = TrainingData(
        dataset,
        labels,
        verify_images(split.training, squashed, workers=options.workers),
        verify_images(validation, built.preprocessing, workers=options.workers),
        squashed,
    )
    _refuse_unreadable(grounds, options.max_unreadable)
    if teacher is None:
        _refuse_unreadable_classes(grounds)
    say(_summary(grounds, built.config, frozen, device))
    epochs = options.epochs or _epochs(recipe, frozen)
    lr = _rate(recipe, frozen) if options.lr is None else options.lr
    grounds, targets = _with_targets(grounds, teacher, say)
    return TrainingSetup(grounds, built, recipe, frozen, device, epochs, lr, targets, teacher)


def _labels(dataset: Dataset, split: Split, options: TrainOptions, teacher: Teacher | None) -> Labels:
    """The classes of what is learnt from, or those of the teacher."""
    learnt = split.training if _named(split.validation) else (*split.training, *split.validation)
    if options.teacher is None or teacher is None:
        return infer_labels(dataset, learnt, multi_label=options.multi_label, background=options.background_class)
    return labels_from_teacher(teacher.trained, learnt, options.teacher)


def _left_out(strange: int) -> tuple[str, ...]:
    """What is to be said of validation images of other classes."""
    return (f"{strange} validation images are of no class that is trained: they are left out.",) if strange else ()


def _build(options: TrainOptions, labels: Labels, teacher: Teacher | None, frozen: bool) -> BuiltNetwork:
    """The network with its first weights, those of the seed where they are random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        plan = _plan(options, labels) if teacher is None else _taught_plan(options, labels, teacher, frozen)
        built = build_network(plan, weights=None if options.weights == "none" or plan.shared else options.weights)
    if teacher is not None:
        load_teacher_weights(teacher, built.network, plan)
    if frozen and plan.input_size is None:
        return _seeing_larger(built, find_quality(options.quality).resolution_scale)
    return built


def _with_targets(
    grounds: TrainingData, teacher: Teacher | None, say: Say
) -> tuple[TrainingData, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Find out what is to be learnt of each image; those of which nothing is are left out."""
    both = (grounds.training, grounds.validation)
    if teacher is None:
        training, validation = (grounds.labels.targets(one.readable) for one in both)
        return grounds, (training, validation)
    (learnt, boxes), (held, held_boxes) = (find_pseudo_boxes(teacher, one, grounds.labels) for one in both)
    if not len(boxes):
        raise InputError("The run finds no box in the training images.", "Give one that was trained on such images.")
    say(f"{len(boxes)} of {len(grounds.training.readable)} training images have a pseudo box")
    return replace(grounds, training=learnt, validation=held), (boxes, held_boxes)


def _seeing_larger(built: BuiltNetwork, times: float) -> BuiltNetwork:
    """Let a frozen network see its images larger than its backbone was trained on, if it can."""
    frame = scale_input_size(built.preprocessing, times)
    try:
        with torch.no_grad(), eval_mode(built.network):
            built.network(torch.zeros(1, len(frame.mean), frame.height, frame.width))
    except (RuntimeError, AssertionError, ValueError):  # most transformers take one size only
        return built
    return replace(built, config=replace(built.config, input_size=frame.height), preprocessing=frame)


def _is_frozen(options: TrainOptions, device: torch.device) -> bool:
    """Whether the backbone stays as it is: by default on a CPU, unless it knows nothing or its method teaches it."""
    if options.freeze != "auto":
        return options.freeze == "backbone"
    return device.type == "cpu" and options.weights != "none" and parse_method(options.method).head != "spg"


def _epochs(recipe: TrainingMethod, frozen: bool) -> int:
    if not frozen:
        return EPOCHS
    return _EPOCHS_OF_BOXES if recipe.head == "psol" else FROZEN_EPOCHS


def _rate(recipe: TrainingMethod, frozen: bool) -> float:
    if recipe.head in ("acol", "spg"):
        return _RATE_WITH_BRANCHES
    return _FROZEN_RATE if frozen else _RATE


def _plan(options: TrainOptions, labels: Labels) -> NetworkConfig:
    return NetworkConfig(
        options.backbone,
        options.method,
        len(labels.class_names),
        output_stride=options.output_stride,
        input_size=options.input_size,
        multi_label=labels.multi_label,
        width=options.width,
        delta=options.delta,
    )


def _taught_plan(options: TrainOptions, labels: Labels, teacher: Teacher, frozen: bool) -> NetworkConfig:
    """A plan with the teacher's in it, and like it where the trunk is to be shared."""
    known = teacher.trained.config
    plan = replace(_plan(options, labels), teacher=known)
    alike = replace(plan, output_stride=known.output_stride, input_size=known.input_size, shared=True)
    changed = options.output_stride is not None or options.input_size is not None
    return plan if changed or not teacher.shares_trunk(plan.backbone, frozen=frozen) else alike


def _named(examples: Sequence[Sample]) -> bool:
    """Whether validation images are a split of the data set's own."""
    return any(example.split for example in examples)


def _refuse_unreadable(grounds: TrainingData, most: float) -> None:
    bad, good = grounds.unreadable, len(grounds.training.readable)
    share = len(bad) / (good + len(grounds.validation.readable) + len(bad))
    if share > most or not good:
        raise InputError(
            f"{len(bad)} images ({share:.0%}) cannot be read, the first: {bad[0].error.problem}",
            f"Mend them (weakspot check {grounds.dataset.root} lists them), or raise --max-unreadable above {most:g}.",
        )


def _refuse_unreadable_classes(grounds: TrainingData) -> None:
    """Refuse a class whose training images are all unreadable."""
    lost = grounds.labels.targets([one.example for one in grounds.training.unreadable])
    left = grounds.labels.targets(grounds.training.readable)
    for name, unreadable, readable in zip(grounds.labels.class_names, lost.T, left.T, strict=True):
        if unreadable.any() and not readable.any():
            raise InputError(
                f"No training image of the class {name} can be read.",
                f"Mend them (weakspot check {grounds.dataset.root} lists them), or take the class out.",
            )


def _summary(grounds: TrainingData, plan: NetworkConfig, frozen: bool, device: torch.device) -> str:
    several = ", several labels an image" if grounds.labels.multi_label else ""
    skipped = f", {len(grounds.unreadable)} unreadable skipped" if grounds.unreadable else ""
    how = "frozen" if frozen else "learning"
    return (
        f"{len(grounds.training.readable)} training and {len(grounds.validation.readable)} validation images{skipped}, "
        f"{len(grounds.labels.class_names)} classes{several}; {plan.method} on {plan.backbone} ({how}, "
        f"output stride {plan.output_stride}, {plan.input_size} px), {device}"
    )
