"""Split labeled images into training and validation sets."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from weakspot.data.dataset import Sample
from weakspot.data.near_duplicates import near_duplicates
from weakspot.data.train_val_split import stratified_group_split


def split_samples(
    samples: Sequence[Sample], paths: Sequence[Path], *, val_fraction: float, seed: int = 0, workers: int = 2
) -> tuple[Sample, ...]:
    """Choose a fraction of the images of each class, ``val_fraction`` in (0, 1), for validation.

    Near-duplicates, which are found in the files ``paths``, stay in one split. If any image has a split already, all
    are returned unchanged; else each gets ``train`` or ``val``. An image with several classes counts for its rarest.
    """
    if any(sample.split for sample in samples):
        return tuple(samples)
    counts = Counter(label for sample in samples for label in _labels(sample))
    rarest = [min(_labels(sample), key=lambda label: (counts[label], label), default="") for sample in samples]
    is_validation = stratified_group_split(
        rarest, near_duplicates(paths, workers=workers), val_fraction=val_fraction, seed=seed
    )
    pairs = zip(samples, is_validation, strict=True)
    return tuple(replace(sample, split="val" if validates else "train") for sample, validates in pairs)


def _labels(sample: Sample) -> set[str]:
    return {item.label for item in sample.objects}
