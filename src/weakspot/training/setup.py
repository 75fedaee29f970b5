"""Prepare a run before its first step: classes, readable images, and the network."""

import logging
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from weakspot.data import Dataset, Preprocessing
from weakspot.data.annotation_kinds import describe_annotations
from weakspot.data.formats.mask_contents import mask_notes
from weakspot.data.joined_boxes import join_notes
from weakspot.data.label_frames import frame_notes
from weakspot.data.missing_masks import missing_mask_notes
from weakspot.data.passed_over import describe_passed_over, passed_over
from weakspot.data.predictions import prediction_notes
from weakspot.errors import InputError
from weakspot.inference.load_torch import scale_input_size
from weakspot.inference.quality import find_quality
from weakspot.models import check_model_name, find_device
from weakspot.models.hooks import eval_mode
from weakspot.models.networks import NetworkConfig, TrainingMethod, build_network, parse_method
from weakspot.models.networks.adl import insertion_points
from weakspot.models.networks.network import BuiltNetwork
from weakspot.terminal import counted
from weakspot.training.dataset import ReadableImages, UnreadableImage, verify_images, with_crop_margin
from weakspot.training.labels import Labels, Split, good_note, infer_labels, split_samples
from weakspot.training.options import TrainOptions
from weakspot.training.positions import check_positions
from weakspot.training.pseudo_boxes import (
    Teacher,
    find_pseudo_boxes,
    labels_from_teacher,
    load_teacher,
    load_teacher_weights,
    true_box,
)

logger = logging.getLogger(__name__)

# An epoch of a head on cached features takes almost no time.
EPOCHS, FROZEN_EPOCHS = 20, 40
# A true box is worth as many pseudo boxes.
_TRUE_BOX_COPIES = 4
# A box regressor uses whole feature maps, and overfits to the mistakes of its teacher if it is trained for long.
_PSOL_EPOCHS = 12
# Learning rates of the backbone; that of the head is 10 times as high. Heads of convolutions need a lower one.
_LR, _FROZEN_LR, _BRANCHES_LR = 1e-4, 3e-4, 3e-5


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The images of a run.

    Attributes:
        dataset: The data set.
        labels: The classes.
        training: Training images.
        validation: Validation images.
        resized: Size to which training images are resized.
    """

    dataset: Dataset
    labels: Labels
    training: ReadableImages
    validation: ReadableImages
    resized: Preprocessing

    @property
    def unreadable(self) -> tuple[UnreadableImage, ...]:
        """Images that are skipped."""
        return (*self.training.unreadable, *self.validation.unreadable)


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """What a run needs before its first step.

    Attributes:
        data: The images.
        built: The network, with the backbone's initial weights.
        method: The training method.
        frozen: Whether the backbone keeps its weights.
        device: Device of the network.
        epochs: Number of epochs.
        lr: Learning rate of the backbone.
        targets: Targets of the training and of the validation images: classes, shape (N, C), or pseudo boxes, shape
            (N, 4).
        teacher: The run that found the pseudo boxes; None if the targets are classes.
    """

    data: TrainingData
    built: BuiltNetwork
    method: TrainingMethod
    frozen: bool
    device: torch.device
    epochs: int
    lr: float
    targets: tuple[NDArray[np.float32], NDArray[np.float32]]
    teacher: Teacher | None = None


def set_up(dataset: Dataset, options: TrainOptions) -> TrainingSetup:
    """Split the data set, build the network, and verify the images."""
    check_model_name(options.backbone)  # before the images are verified, which may take minutes
    device = find_device(options.device)
    frozen = _is_frozen(options, device)
    method = parse_method(options.method, frozen=frozen)
    split = split_samples(dataset, val_fraction=options.val_fraction, seed=options.seed, workers=options.workers)
    teacher = None if options.teacher is None else load_teacher(options.teacher, device)
    labels = _labels(dataset, split, options, teacher)
    validation = [sample for sample in split.validation if labels.cover(sample)]
    folders = [dataset.root] if options.images is None else [dataset.root, options.images]
    notes = (*split.notes, *prediction_notes(dataset), *frame_notes(dataset), *join_notes(dataset))
    notes = (
        *notes,
        *mask_notes(dataset),
        *missing_mask_notes(dataset),
        good_note(dataset, labels),
        _background_note(split, labels),
        _learns_from(
            split, options, dataset.background if labels.background_index is None else labels.background_label
        ),
    )
    for note in filter(None, (*notes, describe_passed_over(list(passed_over(folders))))):
        logger.info(note)
    if len(validation) < len(split.validation):
        skipped = len(split.validation) - len(validation)
        verb = "is" if skipped == 1 else "are"
        logger.info("%s of unknown classes %s skipped.", counted(skipped, "validation image"), verb)
    built = _build_network(options, labels, teacher, frozen)
    if method.head == "mil":
        check_positions(built, labels, options)
    if method.adl and not frozen:
        insertion_points(built.network.trunk.backbone)  # refuses a backbone without a place for ADL
    # Pseudo boxes would have to be cropped together with their images.
    resized = built.preprocessing if frozen or teacher is not None else with_crop_margin(built.preprocessing)
    training_data = TrainingData(
        dataset,
        labels,
        verify_images(split.training, resized, workers=options.workers),
        verify_images(validation, built.preprocessing, workers=options.workers),
        resized,
    )
    _check_unreadable(training_data, options.max_unreadable)
    if teacher is None:
        _check_unreadable_classes(training_data)
    logger.info(_summary(training_data, built.config, frozen, device))
    epochs = options.epochs or _default_epochs(method, frozen)
    lr = _default_lr(method, frozen) if options.lr is None else options.lr
    training_data, targets = _with_targets(training_data, teacher, use_boxes=options.learn_from == "all")
    return TrainingSetup(training_data, built, method, frozen, device, epochs, lr, targets, teacher)


def _background_note(split: Split, labels: Labels) -> str:
    """Say how many images without a label teach the background: a person may have deleted their only box."""
    count = sum(not sample.annotations for sample in (*split.training, *split.validation))
    name = labels.background_label if labels.background_index is not None else "background"
    verbs = "has no label and trains" if count == 1 else "have no label and train"
    return f"{counted(count, 'image')} {verbs} as {name}." if count else ""


def _learns_from(split: Split, options: TrainOptions, background: str) -> str:
    """Say how many boxes and masks there are, and how many images have only a label; nothing if all have only that."""
    found = describe_annotations((*split.training, *split.validation), background)
    if not found:
        return ""
    return f"It learns from {found if options.learn_from == 'all' else 'labels alone'}."


def _labels(dataset: Dataset, split: Split, options: TrainOptions, teacher: Teacher | None) -> Labels:
    """Return the classes of the images, or those of the teacher."""
    has_val_split = any(sample.split for sample in split.validation)
    samples = split.training if has_val_split else (*split.training, *split.validation)
    if options.teacher is None or teacher is None:
        return infer_labels(dataset, samples, multi_label=options.multi_label, background=options.background_class)
    return labels_from_teacher(teacher.metadata, samples, options.teacher)


def _build_network(options: TrainOptions, labels: Labels, teacher: Teacher | None, frozen: bool) -> BuiltNetwork:
    """Build the network with its initial weights; random ones depend only on the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        config = _network_config(options, labels)
        if teacher is not None:
            config = _with_teacher(config, options, teacher, frozen)
        built = build_network(config, weights=None if options.weights == "none" or config.shared else options.weights)
    if teacher is not None:
        load_teacher_weights(teacher, built.network, config)
    if frozen and config.input_size is None:
        return _with_larger_input(built, find_quality(options.quality).resolution_scale)
    return built


def _network_config(options: TrainOptions, labels: Labels) -> NetworkConfig:
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


def _with_teacher(config: NetworkConfig, options: TrainOptions, teacher: Teacher, frozen: bool) -> NetworkConfig:
    """Add the teacher's configuration, and its stride and input size if the backbone is shared."""
    teacher_config = teacher.metadata.config
    config = replace(config, teacher=teacher_config)
    overridden = options.output_stride is not None or options.input_size is not None
    if overridden or not teacher.shares_backbone(config.backbone, frozen=frozen):
        return config
    stride, input_size = teacher_config.output_stride, teacher_config.input_size
    return replace(config, output_stride=stride, input_size=input_size, shared=True)


def _with_larger_input(built: BuiltNetwork, scale: float) -> BuiltNetwork:
    """Use larger images than the backbone was trained on if the network accepts them."""
    preprocessing = scale_input_size(built.preprocessing, scale)
    try:
        with torch.no_grad(), eval_mode(built.network):
            built.network(torch.zeros(1, len(preprocessing.mean), preprocessing.height, preprocessing.width))
    except (RuntimeError, AssertionError, ValueError):  # most transformers accept only one size
        return built
    return replace(built, config=replace(built.config, input_size=preprocessing.height), preprocessing=preprocessing)


def _with_targets(
    data: TrainingData, teacher: Teacher | None, *, use_boxes: bool
) -> tuple[TrainingData, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return the targets of the training and of the validation images, and the images that have a target."""
    if teacher is None:
        training_targets, validation_targets = (
            data.labels.targets(split.samples) for split in (data.training, data.validation)
        )
        return data, (training_targets, validation_targets)
    copies = _TRUE_BOX_COPIES if use_boxes else 0
    training, training_boxes = find_pseudo_boxes(teacher, data.training, data.labels, copies=copies)
    validation, validation_boxes = find_pseudo_boxes(teacher, data.validation, data.labels, copies=int(use_boxes))
    if not len(training_boxes):
        problem = "The teacher finds no box in the training images."
        raise InputError("pseudo-boxes-empty", problem, "Use a teacher that was trained on such images.")
    images = len({sample.path for sample in training.samples})
    boxed = sum(true_box(sample) is not None for sample in data.training.samples) if use_boxes else 0
    logger.info("%d of %d training images have a box, %d of them a true one", images, len(data.training.samples), boxed)
    return replace(data, training=training, validation=validation), (training_boxes, validation_boxes)


def _is_frozen(options: TrainOptions, device: torch.device) -> bool:
    """Return whether the backbone keeps its weights: by default on a CPU, if pretrained and the method allows it."""
    if options.freeze != "auto":
        return options.freeze == "backbone"
    return device.type == "cpu" and options.weights != "none" and parse_method(options.method).head != "spg"


def _default_epochs(method: TrainingMethod, frozen: bool) -> int:
    if not frozen:
        return EPOCHS
    return _PSOL_EPOCHS if method.head == "psol" else FROZEN_EPOCHS


def _default_lr(method: TrainingMethod, frozen: bool) -> float:
    if method.head in ("acol", "spg"):
        return _BRANCHES_LR
    return _FROZEN_LR if frozen else _LR


def _check_unreadable(data: TrainingData, max_unreadable: float) -> None:
    unreadable, num_training = data.unreadable, len(data.training.samples)
    total = num_training + len(data.validation.samples) + len(unreadable)
    share = len(unreadable) / total
    if share > max_unreadable or not num_training:
        raise InputError(
            "images-unreadable",
            f"{len(unreadable)} of {total} images ({share:.0%}) are unreadable, for example: "
            f"{unreadable[0].error.problem}",
            f"Fix them (weakspot check {data.dataset.root} lists them), or raise --max-unreadable, now "
            f"{max_unreadable:g}.",
        )


def _check_unreadable_classes(data: TrainingData) -> None:
    """Refuse a class whose training images are all unreadable."""
    unreadable_targets = data.labels.targets([image.sample for image in data.training.unreadable])
    targets = data.labels.targets(data.training.samples)
    for name, unreadable, readable in zip(data.labels.class_names, unreadable_targets.T, targets.T, strict=True):
        if unreadable.any() and not readable.any():
            raise InputError(
                "images-unreadable",
                f"All training images of the class {name} are unreadable.",
                f"Fix them (weakspot check {data.dataset.root} lists them), or remove the class.",
            )


def _summary(data: TrainingData, config: NetworkConfig, frozen: bool, device: torch.device) -> str:
    multi_label = ", several labels per image" if data.labels.multi_label else ""
    skipped = f", {len(data.unreadable)} unreadable skipped" if data.unreadable else ""
    state = "frozen" if frozen else "trainable"
    validation = counted(len(data.validation.samples), "validation image")
    return (
        f"{len(data.training.samples)} training and {validation}{skipped}, "
        f"{counted(len(data.labels.class_names), 'class')}{multi_label}; {config.method} on {config.backbone} "
        f"({state}, output stride {config.output_stride}, {config.input_size} px), {device}"
    )
