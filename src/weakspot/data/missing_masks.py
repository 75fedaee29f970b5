"""Masks that a data set names and that do not exist: boxes of the same objects are used without them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from weakspot.data.dataset import Dataset, DatasetIssue, ObjectAnnotation, Sample
from weakspot.io.folders import is_file
from weakspot.terminal import counted

BOX_WITHOUT_MASK = "mask that does not exist: the box is used"


def without_missing_masks(dataset: Dataset) -> Dataset:
    """Return a data set without the masks that do not exist, if there are boxes instead; they are issues of it."""
    samples, missing = drop_missing_masks(dataset.samples)
    if not missing:
        return dataset
    issue = DatasetIssue(BOX_WITHOUT_MASK, tuple(map(str, missing)))
    return replace(dataset, samples=samples, issues=(*dataset.issues, issue))


def drop_missing_masks(samples: Iterable[Sample]) -> tuple[tuple[Sample, ...], tuple[Path, ...]]:
    """Return images without the masks that do not exist, if a class has boxes instead, and these masks.

    A class in an image of which there is no box keeps them: to read them is an error, which names the file.
    """
    found = [_without_missing(sample) for sample in samples]
    return tuple(sample for sample, _ in found), tuple(dict.fromkeys(file for _, files in found for file in files))


def missing_mask_notes(dataset: Dataset) -> tuple[str, ...]:
    """Return a sentence about the masks of a data set that do not exist; none if all do."""
    return tuple(describe_missing_masks(issue.where) for issue in dataset.issues if issue.kind == BOX_WITHOUT_MASK)


def describe_missing_masks(files: Sequence[object]) -> str:
    """Say how many masks do not exist, and that their boxes are used.

    Example:
        >>> describe_missing_masks(["masks/a.png", "masks/b.png"])
        '2 masks do not exist, such as masks/a.png: their boxes are used.'
        >>> describe_missing_masks(["masks/a.png"])
        '1 mask does not exist, masks/a.png: its boxes are used.'
    """
    if len(files) == 1:
        return f"1 mask does not exist, {files[0]}: its boxes are used."
    return f"{counted(len(files), 'mask')} do not exist, such as {files[0]}: their boxes are used."


def _without_missing(sample: Sample) -> tuple[Sample, list[Path]]:
    boxed = {item.label for item in sample.objects if item.box is not None}
    files = dict.fromkeys(file for item in sample.objects if item.label in boxed for file in item.mask_files)
    missing = [file for file in files if not is_file(file)]
    if not missing:
        return sample, []

    def keep(item: ObjectAnnotation) -> ObjectAnnotation:
        is_dropped = item.label in boxed and not set(missing).isdisjoint(item.mask_files)
        return replace(item, mask_files=()) if is_dropped else item

    return replace(sample, objects=tuple(map(keep, sample.objects))), missing
