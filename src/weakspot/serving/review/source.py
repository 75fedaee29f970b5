"""The folder that is reviewed: where its images are, which run localized them, and its classes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weakspot.data.review_rows import REVIEW, ReviewRow, read_review
from weakspot.errors import InputError
from weakspot.io.folders import RUN_FILE, recorded_path
from weakspot.io.settings import load_settings
from weakspot.labels.image_names import folder_of_review, listed
from weakspot.models.run_files import GRAPH_SUFFIX, MODEL_FILE, is_run, read_class_names
from weakspot.serving.review.items import ReviewItem, read_report_items, review_items


@dataclass(frozen=True)
class ReviewSource:
    """What is reviewed.

    Attributes:
        folder: Output folder of ``weakspot localize``.
        images: Folder that the names of images are relative to.
        moved: Folder in which the images are now, if they have moved; else None.
        run: Folder of the run that localized them, or None if the model is not a run.
        class_names: Classes that an object may have.
        items: The images.
        rows: The decisions of earlier reviews, by name of the image.
    """

    folder: Path
    images: Path
    moved: Path | None
    run: Path | None
    class_names: tuple[str, ...]
    items: tuple[ReviewItem, ...]
    rows: Mapping[str, ReviewRow]

    @property
    def file(self) -> Path:
        """The file of decisions."""
        return self.folder / REVIEW

    @property
    def note(self) -> str:
        """A sentence about decisions on images that are not among the localized ones; empty if there are none."""
        names = {item.name for item in self.items}
        lost = [name for name, row in self.rows.items() if row.status != "untouched" and name not in names]
        if not lost:
            return ""
        where = f"their images ({listed(lost)}) are not among those of {self.folder}"
        return f"{len(lost)} decisions of {REVIEW} are kept but not shown: {where}."

    def read_items(self) -> tuple[ReviewItem, ...]:
        """Read the images again, after they were localized again."""
        return review_items(read_report_items(self.folder, self.moved), self.images)


def open_source(folder: Path, moved: Path | None = None) -> ReviewSource:
    """Read an output folder of ``weakspot localize``, and the decisions of earlier reviews.

    Args:
        folder: The output folder.
        moved: Folder in which the images are now, if they have moved.

    Raises:
        InputError: ``missing-images`` if it has no rows, ``review-invalid`` for a damaged file of decisions, or as
            :func:`weakspot.serving.review.items.read_report_items`.
    """
    settings = load_settings(folder / RUN_FILE)
    found = read_report_items(folder, moved)
    if not found:
        raise InputError("missing-images", f"{folder} has no localized images.", "Run weakspot localize first.")
    images = folder_of_review(folder, settings, [item.image for item in found], moved)
    items = review_items(found, images)
    run = _find_run(folder, settings)
    file = folder / REVIEW
    names = {item.name for item in items}
    rows = read_review(file, lambda name: name if name in names else None) if file.exists() else {}
    return ReviewSource(folder, images, moved, run, _class_names(run, items, rows.values()), items, rows)


def _find_run(folder: Path, settings: Mapping[str, Any]) -> Path | None:
    """Return the run of the settings: its path as recorded, or without links."""
    model = Path(str(settings.get("model", "")))
    file = Path(str(settings.get("model_path", "")))
    candidates = [recorded_path(model, folder), *([file.parent] if file.name == MODEL_FILE else [])]
    return next((path for path in candidates if path.suffix != GRAPH_SUFFIX and path.is_dir() and is_run(path)), None)


def _class_names(run: Path | None, items: Iterable[ReviewItem], rows: Iterable[ReviewRow]) -> tuple[str, ...]:
    """Return the classes of the run, then those of predictions and decisions that it does not have."""
    names = read_class_names(str(run)) if run is not None else ()
    predicted = {prediction.label for item in items for prediction in item.predictions}
    decided = {item.label for row in rows for item in row.objects}
    return (*names, *sorted((predicted | decided) - set(names)))
