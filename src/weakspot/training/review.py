"""Learn from the decisions of a review."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from weakspot.concurrency import available_cores
from weakspot.data import Dataset, Sample, read_dataset
from weakspot.data.decoding import read_file
from weakspot.data.label_frames import resolve_frames
from weakspot.data.review_rows import REVIEW, ReviewRow
from weakspot.errors import InputError
from weakspot.io.folders import CONFIG
from weakspot.training.labels import without_test_images
from weakspot.training.run_folder import read_config

# A JPEG is decoded at an eighth of its size, which is enough to find out whether it can be.
_DRAFT = ("RGB", (64, 64))
_MIN_IMAGES = 2


def learn_from_review(run: Path, images: Path, rows: Mapping[str, ReviewRow]) -> tuple[tuple[str, ...], str]:
    """Teach a run with the boxes that a person confirmed or corrected, and with the images that hold nothing.

    A run without a foreground head, which boxes could teach, gets new thresholds only. Images that the data set of the
    run has for testing teach nothing.

    Args:
        run: Folder of the run, which is changed.
        images: Folder of the images.
        rows: The decisions by name of the image, relative to the folder; an untouched image is forgotten.

    Returns:
        Why images cannot be read, which teach nothing; and what was learnt, in sentences.

    Raises:
        InputError: ``missing-annotations`` with boxes in fewer than two images, or as
            :func:`weakspot.training.refit.refit_thresholds`.
        ModelError: If the run cannot be read.
    """
    from weakspot.training.refit import describe_refit, refit_thresholds
    from weakspot.training.teach import describe_taught, teach

    withdrawn = [images / row.image for row in rows.values() if row.status == "untouched"]
    decided = [row for row in rows.values() if row.status != "untouched"]
    tested = _tested_images(run)
    decisions = [row for row in decided if (images / row.image).resolve() not in tested]
    left_out = len(decided) - len(decisions)
    samples = [row.to_sample(images / row.image) for row in decisions]
    with ThreadPoolExecutor(available_cores()) as threads:
        problems = list(threads.map(_problem_of, samples))
    read = tuple(sample for sample, problem in zip(samples, problems, strict=True) if not problem)
    boxed = sum(bool(sample.objects) for sample in read)
    note = f"{left_out} of the test split teach nothing." if left_out else ""
    if boxed < _MIN_IMAGES:
        problem = f"At least {_MIN_IMAGES} images must have boxes that you accepted or drew, got {boxed}."
        raise InputError("missing-annotations", f"{problem} {note}".strip(), "Go on, then learn again.")
    labels = sorted({item.label for sample in read for item in sample.objects})
    dataset = resolve_frames(Dataset(images, "review", tuple(labels), read), Path(REVIEW), [""])
    try:
        learnt = describe_taught(teach(run, dataset.samples, forget=[*withdrawn, *tested]))
    except InputError as error:
        if error.code != "method-unsupported":
            raise
        learnt = describe_refit(refit_thresholds(run, dataset))
    return tuple(filter(None, problems)), f"{learnt} {note}".strip()


def _tested_images(run: Path) -> set[Path]:
    """Return the images of the data set of a run that are outside its training and validation splits.

    If the data set cannot be read any more, these are unknown.
    """
    try:
        data, options = read_config(run / CONFIG)
        dataset = read_dataset(data, ground_truth=options.labels, images=options.images)
    except InputError:
        return set()
    kept = {sample.path for sample in without_test_images(dataset)[0].samples}
    return {sample.path.resolve() for sample in dataset.samples if sample.path not in kept}


def _problem_of(sample: Sample) -> str:
    """Return why an image cannot be read; empty if it can be."""
    try:
        read_file(sample.path, draft=_DRAFT)
    except InputError as error:
        return error.problem
    return ""
