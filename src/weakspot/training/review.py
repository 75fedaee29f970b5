"""Learn from the decisions of a review."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from weakspot.concurrency import available_cores
from weakspot.data import Dataset, Sample
from weakspot.data.decoding import read_file
from weakspot.data.label_frames import resolve_frames
from weakspot.data.review_rows import REVIEW, ReviewRow
from weakspot.errors import InputError

# A JPEG is decoded at an eighth of its size, which is enough to find out whether it can be.
_DRAFT = ("RGB", (64, 64))
_MIN_IMAGES = 2


def learn_from_review(run: Path, images: Path, rows: Mapping[str, ReviewRow]) -> tuple[str, ...]:
    """Teach a run with the boxes that a person confirmed or corrected, and with the images that hold nothing.

    A run without a foreground head, which boxes could teach, gets new thresholds only.

    Args:
        run: Folder of the run, which is changed.
        images: Folder of the images.
        rows: The decisions by name of the image, relative to the folder; an untouched image is forgotten.

    Returns:
        Why images cannot be read, which teach nothing.

    Raises:
        InputError: ``missing-annotations`` with boxes in fewer than two images, or as
            :func:`weakspot.training.refit.refit_thresholds`.
        ModelError: If the run cannot be read.
    """
    from weakspot.training.refit import refit_thresholds
    from weakspot.training.teach import teach

    withdrawn = [images / row.image for row in rows.values() if row.status == "untouched"]
    decisions = [row for row in rows.values() if row.status != "untouched"]
    samples = [Sample(row.image, images / row.image, objects=row.objects, size=row.size) for row in decisions]
    with ThreadPoolExecutor(available_cores()) as threads:
        problems = list(threads.map(_problem_of, samples))
    read = tuple(sample for sample, problem in zip(samples, problems, strict=True) if not problem)
    boxed = sum(bool(sample.objects) for sample in read)
    if boxed < _MIN_IMAGES:
        problem = f"At least {_MIN_IMAGES} images must have boxes that you accepted or drew, got {boxed}."
        raise InputError("missing-annotations", problem, "Go on, then learn again.")
    labels = sorted({item.label for sample in read for item in sample.objects})
    dataset = resolve_frames(Dataset(images, "review", tuple(labels), read), Path(REVIEW), [""])
    try:
        teach(run, dataset.samples, forget=withdrawn)
    except InputError as error:
        if error.code != "method-unsupported":
            raise
        refit_thresholds(run, dataset)
    return tuple(filter(None, problems))


def _problem_of(sample: Sample) -> str:
    """Return why an image cannot be read; empty if it can be."""
    try:
        read_file(sample.path, draft=_DRAFT)
    except InputError as error:
        return error.problem
    return ""
