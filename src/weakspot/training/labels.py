"""Classes, targets and the validation split of a data set."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from weakspot.data import Dataset, Sample
from weakspot.data.annotation_kinds import is_located
from weakspot.data.formats.split_folders import TRAINING, VALIDATION
from weakspot.data.near_duplicates import near_duplicates
from weakspot.data.train_val_split import join_groups, stratified_group_split
from weakspot.errors import InputError
from weakspot.io.folders import is_file

# Fewer cannot be cross-validated.
MIN_ANNOTATED = 2
MIN_REPRESENTATIVE = 6


@dataclass(frozen=True, eq=False)
class Labels:
    """The classes that a run learns.

    Attributes:
        class_names: Class names in the order of the logits.
        multi_label: Whether each class is present or absent independently of the others.
        background_index: Index of the background class, of images that contain no object; None if there is none.
        background_label: Label of images that contain no object, also if it is not a class.
    """

    class_names: tuple[str, ...]
    multi_label: bool
    background_index: int | None
    background_label: str

    def cover(self, sample: Sample) -> bool:
        """Return whether all labels of an image are known; of an image without labels, whether it can have none."""
        labels = set(_labels(sample))
        if not labels:
            return self.multi_label or self.background_index is not None
        return labels <= {*self.class_names, *((self.background_label,) if self.multi_label else ())}

    def targets(self, samples: Sequence[Sample]) -> NDArray[np.float32]:
        """Return the classes of each image, shape (N, C), 0 or 1."""
        targets = np.zeros((len(samples), len(self.class_names)), np.float32)
        for row, sample in zip(targets, samples, strict=True):
            row[[self.class_names.index(label) for label in _labels(sample) if label in self.class_names]] = 1
            if not row.any() and self.background_index is not None:
                row[self.background_index] = 1
        return targets


@dataclass(frozen=True, eq=False)
class Split:
    """Training and validation images, and messages for the user about them."""

    training: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    notes: tuple[str, ...]


def annotated_samples(dataset: Dataset) -> list[Sample]:
    """Return the images that have a box or a mask; InputError ``missing-annotations`` with fewer than two."""
    annotated = [sample for sample in dataset.samples if any(map(is_located, sample.objects))]
    if len(annotated) < MIN_ANNOTATED:
        problem = f"At least {MIN_ANNOTATED} images must have a box or mask, {dataset.root} has {len(annotated)}."
        raise InputError("missing-annotations", problem, "Draw more, or name their file with --ground-truth.")
    return annotated


def representative_samples(samples: Sequence[Sample]) -> list[Sample]:
    """Return the images that no review offered for their uncertainty, if there are 6 or more; otherwise all.

    Boxes of uncertain images choose thresholds that suit few of the others.
    """
    alike = [sample for sample in samples if not sample.by_uncertainty]
    return alike if len(alike) >= MIN_REPRESENTATIVE else list(samples)


def without_test_images(dataset: Dataset) -> tuple[Dataset, int]:
    """Return a data set without the images of other splits than training and validation, and how many these are.

    If there are no images of these two, it is returned as it is.
    """
    kept = tuple(sample for sample in dataset.samples if sample.split in TRAINING | VALIDATION)
    return (replace(dataset, samples=kept), len(dataset.samples) - len(kept)) if kept else (dataset, 0)


def infer_labels(dataset: Dataset, samples: Sequence[Sample], *, multi_label: bool, background: str) -> Labels:
    """Find the classes of the training images.

    With one label per image, images without a label form the background class. With several labels per image, each
    class is independent, and images without a label, or with the background label, have none of them.

    Args:
        dataset: The data set, for the order of its classes.
        samples: The training images.
        multi_label: Treat the classes as independent even if no image has several.
        background: Name of the class of images that contain no object, unless the layout of the data set defines it.
    """
    present = {label for sample in samples for label in _labels(sample)}
    several = multi_label or any(len(_labels(sample)) > 1 for sample in samples)
    names = [name for name in dataset.class_names if name in present]
    spelled = next(
        (name for name in names if name.casefold() == background.casefold()), dataset.background or background
    )
    if several:
        names = [name for name in names if name != spelled]
    elif spelled not in names and not all(_labels(sample) for sample in samples):
        names.append(spelled)
    any_without = any(not set(_labels(sample)) & set(names) for sample in samples)
    if len(names) < 2 and not (several and names and any_without):
        classes = f"only the class {names[0]}" if names else "no labels"
        others = ", ".join(name for name in dataset.class_names if name not in present)
        raise InputError(
            "too-few-classes",
            f"{dataset.root} has {classes} to train on; training needs at least two classes.",
            f"Move some images of {others} to the training images."
            if others
            else f"Add images of another class, or images without an object in a folder named {background}.",
        )
    return Labels(tuple(names), several, names.index(spelled) if spelled in names else None, spelled)


def good_note(dataset: Dataset, labels: Labels) -> str:
    """Say which class of the data set has no object, as its layout or the name of the class tells."""
    name = dataset.background
    return f"Images of the class {name} count as images without an object." if name == labels.background_label else ""


def training_samples(dataset: Dataset) -> tuple[list[Sample], list[Sample]]:
    """Return the images of the training and of the validation split; without splits all images are for training.

    Raises InputError ``missing-training-images``, or ``image-not-found`` for files that do not exist.
    """
    training = [sample for sample in dataset.samples if sample.split in TRAINING]
    validation = [sample for sample in dataset.samples if sample.split in VALIDATION]
    if not training and not any(dataset.splits):
        training = list(dataset.samples)
    _check_samples(dataset, training, validation)
    return training, validation


def split_samples(dataset: Dataset, *, val_fraction: float, seed: int, workers: int) -> Split:
    """Return the training and validation images of a data set, or split validation images off the training images.

    Near-duplicates of one class stay in the same split, as do the images of an item (``Sample.group``), and a class
    with a single image stays in training. A test split is not used.

    Args:
        dataset: The data set.
        val_fraction: Fraction of the training images for validation, in (0, 1), if the data set has no such split.
        seed: Seed of the split.
        workers: Number of threads that search for near-duplicates.
    """
    training, validation = training_samples(dataset)
    counts = Counter(label for sample in training for label in _labels(sample))
    single = tuple(
        f"Class {name} has only one training image, so it cannot be validated."
        for name, count in counts.items()
        if count == 1
    )
    empty = tuple(
        f"Class {name} has no training images and is skipped." for name in dataset.class_names if not counts[name]
    )
    others = Counter(sample.split for sample in dataset.samples)
    unused = tuple(
        f"{count} images of the split {name} are not used."
        for name, count in others.items()
        if name and name not in TRAINING | VALIDATION and not name.startswith("test")
    )
    if validation:
        return Split(tuple(training), tuple(validation), (*single, *empty, *unused))
    in_validation, num_groups = _choose_validation(training, val_fraction, seed, workers)
    note = f"{in_validation.sum()} of {len(training)} training images are held out for validation"
    duplicates = len(training) - num_groups
    note += f"; {duplicates} near-duplicates stay together." if duplicates else "."
    num_items = len({sample.group for sample in training if sample.group})
    note += f" They show {num_items} items, and the images of an item stay together." if num_items else ""
    return Split(
        tuple(sample for sample, held_out in zip(training, in_validation, strict=True) if not held_out),
        tuple(sample for sample, held_out in zip(training, in_validation, strict=True) if held_out),
        (note, *single, *empty, *unused),
    )


def _choose_validation(
    samples: Sequence[Sample], val_fraction: float, seed: int, workers: int
) -> tuple[NDArray[np.bool_], int]:
    """Return which images are for validation, and the number of groups of near-duplicates."""
    counts = Counter(label for sample in samples for label in _labels(sample))
    strata = [_stratum(sample, counts) for sample in samples]
    groups = near_duplicates([sample.path for sample in samples], workers=max(1, workers))
    # Similar images of different classes may be in different splits: only copies must stay together.
    pairs = [f"{stratum} {group}" for stratum, group in zip(strata, groups, strict=True)]
    numbers = np.unique(pairs, return_inverse=True)[1].astype(np.int64)
    numbers = join_groups(numbers, [sample.group for sample in samples])
    return stratified_group_split(strata, numbers, val_fraction=val_fraction, seed=seed), len(set(pairs))


def _stratum(sample: Sample, counts: Counter[str]) -> Hashable:
    """Return the rarest class of an image, by which the split is stratified; empty without a label."""
    return min(_labels(sample), key=lambda label: (counts[label], label), default="")


def _labels(sample: Sample) -> list[str]:
    return [annotation.label for annotation in sample.annotations]


def _check_samples(dataset: Dataset, training: Sequence[Sample], validation: Sequence[Sample]) -> None:
    if not training:
        splits = ", ".join(name for name in dataset.splits if name) or "no images"
        raise InputError(
            "missing-training-images",
            f"{dataset.root} has no training images (it has {splits}).",
            "Put them into one folder per class, inside a folder named train if there are splits.",
        )
    missing = [str(sample.path) for sample in (*training, *validation) if not is_file(sample.path)]
    if missing:
        names = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        problem = f"{len(missing)} image files do not exist: {names}."
        raise InputError("image-not-found", problem, "Restore them, or remove their rows from the data set.")
