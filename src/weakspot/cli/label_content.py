"""What ``weakspot label`` writes: valid labels of images that exist; all others are listed as problems."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from weakspot.data.dataset import Dataset, Sample
from weakspot.data.formats.text_files import read_classes
from weakspot.data.image_index import ImageIndex
from weakspot.data.label_frames import Frame
from weakspot.labels import LabelProblem
from weakspot.labels.label_checks import check_classes, drop_invalid, drop_missing
from weakspot.labels.options import LabelOptions
from weakspot.labels.splits import split_samples

LOST_ALL_LABELS = "all labels of the image are invalid: skipped"


@dataclass(frozen=True)
class LabelsToWrite:
    """Labels to write, the folder of their images, the image files by name, problems, and images without a label."""

    labels: Dataset
    folder: Path
    files: dict[str, Path]
    problems: tuple[LabelProblem, ...]
    notes: tuple[str, ...] = ()
    untouched: tuple[Sample, ...] = ()


def complete_labels(
    samples: Iterable[Sample],
    classes: tuple[str, ...],
    index: ImageIndex,
    files: dict[str, Path],
    options: LabelOptions,
    frame: Frame = "upright",
) -> LabelsToWrite:
    """Remove invalid labels, and split the images."""
    names = classes if options.class_names is None else read_classes(options.class_names)
    check_classes(names)
    existing, missing = drop_missing(samples, index, frame)
    valid, invalid = drop_invalid(existing, names)
    notes: tuple[str, ...] = ()
    if options.val_fraction is not None and any(sample.split for sample in valid):
        notes = ("the images already have splits, so --val-fraction is ignored",)
    elif options.val_fraction is not None:
        paths = [files[sample.image_id] for sample in valid]
        valid = split_samples(
            valid, paths, val_fraction=options.val_fraction, seed=options.seed, workers=max(1, options.workers)
        )
    return LabelsToWrite(Dataset(Path(), "labels", names, valid), Path(), files, (*missing, *invalid), notes)


def without_lost(complete: LabelsToWrite) -> LabelsToWrite:
    """Leave out images whose objects, as a person has said, are all invalid: they are not empty."""
    samples = complete.labels.samples
    lost = {one.image_id for one in samples if one.status in ("confirmed", "corrected") and not one.objects}
    kept = tuple(sample for sample in samples if sample.image_id not in lost)
    problems = (LabelProblem(image, LOST_ALL_LABELS) for image in sorted(lost))
    return replace(complete, labels=replace(complete.labels, samples=kept), problems=(*complete.problems, *problems))
