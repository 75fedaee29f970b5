"""Learn from the decisions of a review."""

from collections.abc import Mapping
from pathlib import Path

from weakspot.data import Dataset, Sample
from weakspot.data.label_frames import resolve_frames
from weakspot.data.review_rows import REVIEW, ReviewRow
from weakspot.errors import InputError


def learn_from_review(run: Path, images: Path, rows: Mapping[str, ReviewRow]) -> None:
    """Teach a run with the boxes that a person confirmed or corrected.

    A run without a foreground head, which boxes could teach, gets new thresholds only.

    Args:
        run: Folder of the run, which is changed.
        images: Folder of the images.
        rows: The decisions by name of the image, relative to the folder.

    Raises:
        InputError: ``missing-annotations`` with boxes in fewer than two images, or as
            :func:`weakspot.training.refit.refit_thresholds`.
        ModelError: If the run cannot be read.
    """
    from weakspot.training.labels import annotated_samples
    from weakspot.training.refit import refit_thresholds
    from weakspot.training.teach import teach

    samples = tuple(Sample(row.image, images / row.image, objects=row.objects, size=row.size) for row in rows.values())
    labels = sorted({item.label for sample in samples for item in sample.objects})
    dataset = resolve_frames(Dataset(images, "review", tuple(labels), samples), Path(REVIEW), [""])
    annotated = annotated_samples(dataset)
    try:
        teach(run, annotated)
    except InputError as error:
        if error.code != "method-unsupported":
            raise
        refit_thresholds(run, dataset)
