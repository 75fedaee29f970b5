"""From a data set to what is trained on: examples, classes, and the share of each class in each image."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weakspot.data import Dataset, Sample
from weakspot.data.near_duplicates import near_duplicates
from weakspot.data.readers.class_folders import TRAINING, VALIDATION
from weakspot.data.readers.walk import is_file
from weakspot.data.train_val_split import stratified_group_split
from weakspot.errors import InputError
from weakspot.evaluation.samples import raise_if_any


@dataclass(frozen=True, eq=False)
class Labels:
    """What the classes of a data set are.

    Attributes:
        class_names: One for each logit.
        multi_label: Whether each class is present or not, for itself.
        background: Index of the class of images that hold no object, or None.
        nothing: The label of images that hold no object, where no class stands for them.
    """

    class_names: tuple[str, ...]
    multi_label: bool
    background: int | None
    nothing: str

    def know(self, example: Sample) -> bool:
        """Tell whether all labels of an image are among the classes, and if it has none, whether that is."""
        labels = set(_labels(example))
        if not labels:
            return self.multi_label or self.background is not None
        return labels <= {*self.class_names, *((self.nothing,) if self.multi_label else ())}

    def targets(self, examples: Sequence[Sample]) -> NDArray[np.float32]:
        """Which classes are in each image: shape (N, C), 0 or 1."""
        targets = np.zeros((len(examples), len(self.class_names)), np.float32)
        for row, example in zip(targets, examples, strict=True):
            row[[self.class_names.index(label) for label in _labels(example) if label in self.class_names]] = 1
            if not row.any() and self.background is not None:
                row[self.background] = 1
        return targets


@dataclass(frozen=True, eq=False)
class Split:
    """The examples that are trained on and those that validate, and what a user should know about them."""

    training: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    notes: tuple[str, ...]


def infer_labels(dataset: Dataset, examples: Sequence[Sample], *, multi_label: bool, background: str) -> Labels:
    """Find the classes of the training images.

    One class an image, and one more for those without a label, if there are any; or where images have several labels,
    each class for itself: then images without a label, or with that of the background, have none of them.

    Args:
        dataset: Where they come from.
        examples: The training images.
        multi_label: Take each class for itself, whether or not images have several.
        background: Name of the class of images that hold no object.

    Raises:
        InputError: If there is nothing to tell apart.
    """
    present = {label for example in examples for label in _labels(example)}
    several = multi_label or any(len(_labels(example)) > 1 for example in examples)
    names = [name for name in dataset.class_names if name in present]
    spelled = next((name for name in names if name.casefold() == background.casefold()), background)
    if several:
        names = [name for name in names if name != spelled]
    elif spelled not in names and not all(_labels(example) for example in examples):
        names.append(spelled)
    without = any(not set(_labels(example)) & set(names) for example in examples)
    if len(names) < 2 and not (several and names and without):
        told = f"only the class {names[0]}" if names else "no labels"
        raise InputError(
            f"{dataset.root} has {told}: there is nothing to tell apart.",
            f"Add images of another class, or of none in a folder named {background}.",
        )
    return Labels(tuple(names), several, names.index(spelled) if spelled in names else None, spelled)


def split_samples(dataset: Dataset, *, share: float, seed: int, workers: int) -> Split:
    """Find the training and the validation images, or set a share of the training images aside.

    Near-duplicates of one class are kept on one side, and so is a class with one image. A test split is left alone.

    Raises:
        InputError: If there is no training image, files are missing, or ``share`` is outside (0, 1).
    """
    training = [example for example in dataset.samples if example.split in TRAINING]
    validation = [example for example in dataset.samples if example.split in VALIDATION]
    if not training and not any(dataset.splits):
        training = list(dataset.samples)
    _refuse_unusable(dataset, training, validation)
    alone = tuple(
        f"The class {name} has one training image: it cannot be learnt from, nor be validated."
        for name, count in Counter(label for example in training for label in _labels(example)).items()
        if count == 1
    )
    empty = tuple(
        f"The class {name} has no training images: it is left out."
        for name in dataset.class_names
        if not any(name in _labels(example) for example in training)
    )
    if validation:
        return Split(tuple(training), tuple(validation), (*alone, *empty))
    chosen, groups = _set_aside(training, share, seed, workers)
    held = f"{chosen.sum()} of {len(training)} training images were set aside for validation"
    alike = len(training) - groups
    told = f"{held}, {alike} near-duplicates beside their likes." if alike else f"{held}."
    return Split(
        tuple(example for example, held in zip(training, chosen, strict=True) if not held),
        tuple(example for example, held in zip(training, chosen, strict=True) if held),
        (told, *alone, *empty),
    )


def _set_aside(examples: Sequence[Sample], share: float, seed: int, workers: int) -> tuple[NDArray[np.bool_], int]:
    """Choose what validates; and in how many groups of near-duplicates the images fall."""
    counts = Counter(label for example in examples for label in _labels(example))
    strata = [_stratum(example, counts) for example in examples]
    groups = near_duplicates([example.path for example in examples], workers=max(1, workers))
    # Of two classes that look alike each may have its own on either side: only copies must not be parted.
    pairs = [f"{stratum} {group}" for stratum, group in zip(strata, groups, strict=True)]
    numbers = np.unique(pairs, return_inverse=True)[1].astype(np.int64)
    return stratified_group_split(strata, numbers, share=share, seed=seed), len(set(pairs))


def _stratum(example: Sample, counts: Counter[str]) -> Hashable:
    """The rarest class of an image, by which it is drawn; nothing for one without a label."""
    return min(_labels(example), key=lambda label: (counts[label], label), default="")


def _labels(example: Sample) -> list[str]:
    return [truth.label for truth in example.annotations]


def _refuse_unusable(dataset: Dataset, training: Sequence[Sample], validation: Sequence[Sample]) -> None:
    if not training:
        known = ", ".join(name for name in dataset.splits if name) or "no images"
        raise InputError(
            f"{dataset.root} has no training images (it has {known}).",
            "Put them into a folder for each class, below a folder train if there are splits.",
        )
    missing = [str(example.path) for example in (*training, *validation) if not is_file(example.path)]
    hint = "Restore them, or remove their rows from the data set."
    raise_if_any(missing, "image-not-found", "image files are missing", hint)
