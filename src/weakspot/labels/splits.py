"""Which images train a detector and which validate it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from weakspot.data.near_duplicates import near_duplicates
from weakspot.data.train_val_split import stratified_group_split
from weakspot.labels.records import LabeledImage


def split_images(
    images: Sequence[LabeledImage], paths: Sequence[Path], *, share: float, seed: int = 0, workers: int = 2
) -> tuple[LabeledImage, ...]:
    """Set a share of the images of each class aside; near-duplicates stay on one side.

    Args:
        images: The images, in any order. Where one has a split already, all are given back as they are.
        paths: Their files, to be compared.
        share: Fraction of the images of a class that validate, in (0, 1).
        seed: Of the choice.
        workers: Threads that decode.

    Returns:
        The images, each of the split ``train`` or ``val``. An image with several classes counts for its rarest one.

    Raises:
        InputError: If ``share`` is outside (0, 1) or ``seed`` is negative.
    """
    if any(image.split for image in images):
        return tuple(images)
    counts = Counter(label for image in images for label in _labels(image))
    rarest = [min(_labels(image), key=lambda label: (counts[label], label), default="") for image in images]
    validates = stratified_group_split(rarest, near_duplicates(paths, workers=workers), share=share, seed=seed)
    return tuple(
        replace(image, split="val" if chosen else "train") for image, chosen in zip(images, validates, strict=True)
    )


def _labels(image: LabeledImage) -> set[str]:
    return {one.label for one in image.objects}
