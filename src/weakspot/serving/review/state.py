"""The decisions of a review: written one by one, each with the revision of its image."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from weakspot.data import ObjectAnnotation
from weakspot.data.review_rows import ReviewRow, Status, append_review
from weakspot.errors import InputError, suggest
from weakspot.serving.review.items import ReviewItem
from weakspot.serving.review.source import ReviewSource

# Pixels by which sides of a box may lie outside the image, or differ from the predicted ones: rows are rounded.
_TOLERANCE = 0.51


@dataclass(frozen=True)
class Reviewed:
    """An image as the page shows it.

    Attributes:
        item: The image with its predictions.
        status: What a person decided.
        objects: Its objects: those of the decision, else the predicted ones.
        revision: Number of changes of this image; a decision states the one that it is based on.
        version: Number of changes of the review when this image last changed.
    """

    item: ReviewItem
    status: Status
    objects: tuple[ObjectAnnotation, ...]
    revision: int
    version: int


class ReviewState:
    """The images of a review and the decisions on them; its methods may be called from several threads."""

    def __init__(self, source: ReviewSource) -> None:
        self._file, self._class_names = source.file, source.class_names
        self._lock = threading.Lock()
        self._version = 0
        rows = source.rows
        self._images = {item.id: _reviewed(item, rows.get(item.name)) for item in source.items}

    @property
    def version(self) -> int:
        """Number of changes since the page was started."""
        return self._version

    def get(self, image_id: str) -> Reviewed:
        """Return an image; InputError ``unknown-image``."""
        try:
            return self._images[image_id]
        except KeyError as error:
            raise InputError("unknown-image", f"No image has the id {image_id[:40]!r}.") from error

    def changed_since(self, version: int) -> list[Reviewed]:
        """Return the images that changed after a version; all of them for -1."""
        with self._lock:
            return [image for image in self._images.values() if image.version > version]

    def of_status(self, *, touched: bool) -> list[Reviewed]:
        """Return the images that a person decided on, or the others."""
        with self._lock:
            return [image for image in self._images.values() if (image.status != "untouched") == touched]

    def rows(self) -> dict[str, ReviewRow]:
        """Return the current decision on each image that a person decided on, by its name."""
        return {image.item.name: _row(image) for image in self.of_status(touched=True)}

    def decide(self, image_id: str, revision: int, objects: Sequence[ObjectAnnotation] | None) -> Reviewed:
        """Write a decision on an image: its objects, none if it holds nothing, or None to withdraw the decision.

        Raises:
            InputError: ``unknown-image``; ``stale-revision`` if the image has changed since; ``box-invalid`` or
                ``unknown-class`` for an object; ``not-writable`` or ``disk-full``, and then nothing has changed.
        """
        with self._lock:
            before = self.get(image_id)
            if revision != before.revision:
                problem = f"{before.item.name} has changed since revision {revision}."
                raise InputError("stale-revision", problem, "Load the image again.")
            checked = None if objects is None else tuple(self._checked(item, before.item) for item in objects)
            status, found = _status(before.item, checked), before.item.objects if checked is None else checked
            after = Reviewed(before.item, status, found, revision + 1, self._version + 1)
            append_review(self._file, _row(after))
            self._images[image_id] = after
            self._version += 1
            return after

    def replace_predictions(self, items: Sequence[ReviewItem]) -> None:
        """Take over new predictions of the images that nobody decided on; the others stay as they are."""
        with self._lock:
            self._version += 1
            found = {item.name: item for item in items}
            for key, before in self._images.items():
                if before.status == "untouched" and before.item.name in found:
                    item = replace(found[before.item.name], id=key)  # also if its file has changed meanwhile
                    self._images[key] = Reviewed(item, "untouched", item.objects, before.revision + 1, self._version)

    def _checked(self, found: ObjectAnnotation, item: ReviewItem) -> ObjectAnnotation:
        """Return an object whose box lies within the image."""
        if found.label not in self._class_names:
            hint = suggest(found.label, self._class_names, "Choose a class of the list.")
            raise InputError("unknown-class", f"The class {found.label[:100]!r} does not exist.", hint)
        height, width = item.size
        x1, y1, x2, y2 = found.xyxy
        inside = min(x1, y1) >= -_TOLERANCE and x2 <= width + _TOLERANCE and y2 <= height + _TOLERANCE
        box = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
        if not inside or box[2] <= box[0] or box[3] <= box[1]:
            problem = f"A box must be a part of the image of {width} x {height} pixels, got {list(found.xyxy)}."
            raise InputError("box-invalid", problem)
        return ObjectAnnotation(found.label, box)


def _reviewed(item: ReviewItem, row: ReviewRow | None) -> Reviewed:
    """Return an image with the last decision on it; a row has the number of decisions before it."""
    if row is None:
        return Reviewed(item, "untouched", item.objects, 0, 0)
    objects = item.objects if row.status == "untouched" else row.objects
    return Reviewed(item, row.status, objects, row.revision + 1, 0)


def _status(item: ReviewItem, objects: Sequence[ObjectAnnotation] | None) -> Status:
    """Return what objects say of an image, compared with what was predicted."""
    if objects is None:
        return "untouched"
    if not objects:
        return "empty"
    predicted = item.objects
    same = len(objects) == len(predicted) and all(map(_equal, objects, predicted))
    return "confirmed" if same else "corrected"


def _equal(one: ObjectAnnotation, other: ObjectAnnotation) -> bool:
    sides = zip(one.xyxy, other.xyxy, strict=True)
    return one.label == other.label and all(abs(side - known) <= _TOLERANCE for side, known in sides)


def _row(image: Reviewed) -> ReviewRow:
    objects = () if image.status == "untouched" else image.objects
    objects = tuple(ObjectAnnotation(item.label, item.box) for item in objects)
    return ReviewRow(image.item.name, image.status, objects, image.item.size, image.revision - 1)
