"""Split labeled images into training and validation sets."""

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
    """Choose a fraction of the images of each class, ``share`` in (0, 1), for validation.

    Near-duplicates, which are found in the files ``paths``, stay in one split. If any image has a split already, all
    are returned unchanged; else each gets ``train`` or ``val``. An image with several classes counts for its rarest.
    """
    if any(image.split for image in images):
        return tuple(images)
    counts = Counter(label for image in images for label in _labels(image))
    rarest = [min(_labels(image), key=lambda label: (counts[label], label), default="") for image in images]
    is_validation = stratified_group_split(rarest, near_duplicates(paths, workers=workers), share=share, seed=seed)
    pairs = zip(images, is_validation, strict=True)
    return tuple(replace(image, split="val" if validates else "train") for image, validates in pairs)


def _labels(image: LabeledImage) -> set[str]:
    return {item.label for item in image.objects}
