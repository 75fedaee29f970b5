"""Learn from the decisions of a review."""

from collections.abc import Mapping
from pathlib import Path

from weakspot.data import Dataset, Sample
from weakspot.data.review_rows import ReviewRow


def learn_from_review(run: Path, images: Path, rows: Mapping[str, ReviewRow]) -> None:
    """Refit the thresholds of a run to the boxes that a person confirmed or corrected.

    Args:
        run: Folder of the run, which is changed.
        images: Folder of the images.
        rows: The decisions by name of the image, relative to the folder.

    Raises:
        InputError: ``missing-annotations`` with boxes in fewer than two images, or as
            :func:`weakspot.training.refit.refit_thresholds`.
        ModelError: If the run cannot be read.
    """
    from weakspot.training.refit import refit_thresholds

    samples = tuple(Sample(row.image, images / row.image, objects=row.objects, size=row.size) for row in rows.values())
    labels = sorted({item.label for sample in samples for item in sample.objects})
    refit_thresholds(run, Dataset(images, "review", tuple(labels), samples))
