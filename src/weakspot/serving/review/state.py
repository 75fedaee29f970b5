"""The decisions of a review: written one by one, each with the revision of its image."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from weakspot.data import ObjectAnnotation
from weakspot.data.review_rows import ReviewRow, Sampling, Status, append_review
from weakspot.errors import InputError, suggest
from weakspot.labels.decisions import ROUNDING, same_box
from weakspot.labels.review_round import ReviewRound
from weakspot.serving.review.colors import COLORS, KnownColors
from weakspot.serving.review.items import ReviewItem
from weakspot.serving.review.rounds import begin_round, is_right, name_of_round
from weakspot.serving.review.source import ReviewSource
from weakspot.serving.review.standing import Standing


@dataclass(frozen=True)
class Reviewed:
    """An image as the page shows it.

    Attributes:
        item: The image with its predictions.
        status: What a person decided.
        objects: Its objects: those of the decision, else the predicted ones.
        revision: Number of decisions on this image; a decision states the one that it is based on.
        version: Number of changes of the review when this image last changed.
        sampling: How it came to be touched; None if it is untouched, or if its row is of an older version.
    """

    item: ReviewItem
    status: Status
    objects: tuple[ObjectAnnotation, ...]
    revision: int
    version: int
    sampling: Sampling | None = None


class ReviewState:
    """The images of a review and the decisions on them; its methods may be called from several threads.

    Args:
        source: What is reviewed.
        stop_at: Percentage of right images at which the review may stop, or None.
        on_reached: Called with a sentence when they are reached, once.
    """

    def __init__(
        self,
        source: ReviewSource,
        stop_at: float | None = None,
        *,
        on_reached: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._file, self._class_names, self._stop_at = source.file, source.class_names, stop_at
        self._on_reached, self._is_reached = on_reached, False
        self._lock = threading.Lock()
        self._version = 0
        rows = source.rows
        self._images = {item.id: _reviewed(item, rows.get(item.name)) for item in source.items}
        self._colors = KnownColors(source.folder / COLORS)
        self._teaches = source.run is not None
        self._round_name, self._round = self._begin(source.items)
        self._number = max(
            (sampling.number for sampling in self._samplings().values() if sampling is not None), default=0
        )

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

    def offers(self, count: int) -> list[tuple[str, bool]]:
        """Return the ids of the images that are offered next, and whether they were drawn at random."""
        with self._lock:
            ids = {image.item.name: image.item.id for image in self._images.values()}
            offers = self._round.offers(count)
            return [(ids[offer.image], offer.is_random) for offer in offers if offer.image in ids]

    def ranked(self, count: int) -> list[str]:
        """Return the ids of the next untouched images that are not drawn at random."""
        with self._lock:
            ids = {image.item.name: image.item.id for image in self._images.values()}
            return [ids[name] for name in self._round.ranked(count) if name in ids]

    def standing(self) -> Standing:
        """Return how many images are right, as far as it is known."""
        with self._lock:
            found = Standing(len(self._images), self._round.estimate(), self._stop_at)
            is_news, self._is_reached = found.is_reached and not self._is_reached, found.is_reached or self._is_reached
        if is_news:
            self._on_reached(found.text)
        return found

    def rows(self) -> dict[str, ReviewRow]:
        """Return the last decision on each image that a person decided on, by its name; also withdrawn ones."""
        with self._lock:
            return {image.item.name: _row(image) for image in self._images.values() if image.revision}

    def decide(self, image_id: str, revision: int, objects: Sequence[ObjectAnnotation] | None) -> Reviewed:
        """Write a decision on an image: its objects, none if it holds nothing, or None to withdraw the decision.

        It counts also if it is about boxes that have been predicted anew since: it says what a person saw.

        Raises:
            InputError: ``unknown-image``; ``stale-revision`` if there was another decision since; ``box-invalid`` or
                ``unknown-class`` for an object; ``not-writable`` or ``disk-full``, and then nothing has changed.
        """
        with self._lock:
            before = self.get(image_id)
            if revision != before.revision:
                problem = f"{before.item.name} has changed since revision {revision}."
                raise InputError("stale-revision", problem, "Load the image again.")
            checked = None if objects is None else tuple(self._checked(item, before.item) for item in objects)
            status, found = _status(before.item, checked), before.item.objects if checked is None else checked
            sampling = None if checked is None else self._sampling(before, checked)
            after = Reviewed(before.item, status, found, revision + 1, self._version + 1, sampling)
            append_review(self._file, _row(after))
            self._images[image_id] = after
            self._version += 1
            self._count(after)
            return after

    def replace_predictions(self, items: Sequence[ReviewItem]) -> None:
        """Take over new predictions of the untouched images; the others stay as they are.

        Another round begins if any has changed.
        """
        with self._lock:
            self._version += 1
            found = {item.name: item for item in items}
            for key, before in self._images.items():
                if before.status == "untouched" and before.item.name in found:
                    item = replace(found[before.item.name], id=key)  # also if its file has changed meanwhile
                    self._images[key] = replace(before, item=item, objects=item.objects, version=self._version)
            if name_of_round(items) != self._round_name:
                self._round_name, self._round = self._begin(items)

    def _begin(self, items: Sequence[ReviewItem]) -> tuple[str, ReviewRound]:
        return begin_round(items, self._samplings(), self._colors.of, teaches=self._teaches)

    def _samplings(self) -> dict[str, Sampling | None]:
        """Return the sampling of each touched image, by its name."""
        images = self._images.values()
        return {image.item.name: image.sampling for image in images if image.status != "untouched"}

    def _sampling(self, before: Reviewed, objects: Sequence[ObjectAnnotation]) -> Sampling | None:
        """Return the sampling of an image, of which only ``right`` is new if a decision is changed."""
        right = is_right(before.item.objects, objects)
        if before.status != "untouched":
            return None if before.sampling is None else replace(before.sampling, right=right)
        return Sampling(self._round_name, self._number + 1, self._round.offer_of(before.item.name), right)

    def _count(self, image: Reviewed) -> None:
        """Count a decision in the round."""
        if image.status == "untouched":
            self._round.withdraw(image.item.name)
        elif image.sampling is not None and image.sampling.round == self._round_name:
            self._number = max(self._number, image.sampling.number)
            self._round.add(image.item.name, image.sampling)

    def _checked(self, found: ObjectAnnotation, item: ReviewItem) -> ObjectAnnotation:
        """Return an object whose box lies within the image."""
        if found.label not in self._class_names:
            hint = suggest(found.label, self._class_names, "Choose a class of the list.")
            raise InputError("unknown-class", f"The class {found.label[:100]!r} does not exist.", hint)
        height, width = item.size
        x1, y1, x2, y2 = found.xyxy
        inside = min(x1, y1) >= -ROUNDING and x2 <= width + ROUNDING and y2 <= height + ROUNDING
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
    return Reviewed(item, row.status, objects, row.revision + 1, 0, row.sampling)


def _status(item: ReviewItem, objects: Sequence[ObjectAnnotation] | None) -> Status:
    """Return what objects say of an image, compared with what was predicted."""
    if objects is None:
        return "untouched"
    if not objects:
        return "empty"
    predicted = item.objects
    same = len(objects) == len(predicted) and all(map(same_box, objects, predicted))
    return "confirmed" if same else "corrected"


def _row(image: Reviewed) -> ReviewRow:
    objects = () if image.status == "untouched" else image.objects
    objects = tuple(ObjectAnnotation(item.label, item.box) for item in objects)
    return ReviewRow(image.item.name, image.status, objects, image.item.size, image.revision - 1, image.sampling)
