"""Say what a data set holds and what is wrong with it, before anything is computed."""

from collections import Counter
from pathlib import Path

from weakspot.data import Dataset, DatasetIssue, check_dataset, read_dataset

NAMED = 10  # places of each kind that are printed


def check_data(
    data: Path, *, truth: Path | None = None, images: Path | None = None
) -> tuple[list[str], list[DatasetIssue]]:
    """Read a data set and look for what is wrong.

    Args:
        data: Its folder.
        truth: File of the true boxes, if it is not where the layout has it.
        images: Folder of the images, likewise.

    Returns:
        A few lines on what it holds, and the problems.

    Raises:
        InputError: If its layout is not known, or a file of it cannot be understood.
    """
    dataset = read_dataset(data, truth=truth, images=images)
    return _summary(dataset), check_dataset(dataset)


def _summary(dataset: Dataset) -> list[str]:
    splits = ", ".join(f"{name or 'no split'} {count}" for name, count in dataset.splits.items())
    truths = [truth for example in dataset.samples for truth in example.annotations]
    boxes, masks = sum(len(truth.boxes) for truth in truths), sum(bool(truth.masks) for truth in truths)
    labels = Counter(truth.label for truth in truths)
    most = ", ".join(f"{label} {count}" for label, count in labels.most_common(5)) + ", ..." * (len(labels) > 5)
    return [
        f"{dataset.root}: {dataset.layout}, {len(dataset.samples)} images ({splits})",
        f"{len(dataset.class_names)} classes ({most}), {boxes} boxes, {masks} masks",
    ]
