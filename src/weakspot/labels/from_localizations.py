"""Convert localizations, or their rows in ``boxes.jsonl``, to labels."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakspot.data.dataset import ObjectAnnotation, round_box
from weakspot.data.rle import encode_rle
from weakspot.errors import InputError
from weakspot.inference.localization import Localization
from weakspot.io.rows import read_image_rows
from weakspot.labels.instance_masks import split_mask
from weakspot.ops.nms import nms

# Returns the mask of an image and a class index; None for the first class of the row.
MaskOf = Callable[[Path, int | None], NDArray[np.bool_] | None]


class LocalizedImage(NamedTuple):
    """A localized image: path and size, its objects with their class indices, and its uncertainty.

    The status is that of :class:`weakspot.data.Sample`: empty if nobody has reviewed any of the images.
    """

    path: Path
    width: int
    height: int
    objects: tuple[ObjectAnnotation, ...]
    class_indices: tuple[int, ...]
    uncertainty: float | None
    status: str = ""

    @property
    def is_decided(self) -> bool:
        """Whether a person has said what is in it."""
        return self.status not in ("", "untouched")


def from_localization(localization: Localization, *, min_score: float = 0.0, masks: bool = True) -> LocalizedImage:
    """Convert the boxes, and optionally the masks, of all classes of a localization of an image with a path.

    Masks are slower than boxes alone.
    """
    objects = [
        (item.class_index, labeled)
        for item in localization
        for labeled in _objects(item.label, item.boxes, _scores(item), item.mask if masks and len(item.boxes) else None)
        if not below_min_score(labeled, min_score)
    ]
    return LocalizedImage(
        Path(str(localization.image)),
        localization.width,
        localization.height,
        tuple(labeled for _, labeled in objects),
        tuple(index for index, _ in objects),
        localization.uncertainty,
    )


def _scores(localization: Localization) -> list[float]:
    """Return the confidence in each box; without any, the scores of boxes or of the class, as in rows of 0.1."""
    if localization.box_confidences is not None:
        return list(map(float, localization.box_confidences))
    is_default_only = localization.min_area >= 1
    return [localization.score] * len(localization.boxes) if is_default_only else localization.box_scores.tolist()


def below_min_score(item: ObjectAnnotation, min_score: float) -> bool:
    """Return whether the score of an object is below the minimum; False for NaN, which is reported later."""
    return item.score is not None and item.score < min_score


def _objects(
    label: str, boxes: NDArray[np.float64], scores: Sequence[float], mask: NDArray[np.bool_] | None
) -> Iterator[ObjectAnnotation]:
    masks = [None] * len(boxes) if mask is None else split_mask(mask, boxes)
    for box, score, part in zip(boxes.tolist(), scores, masks, strict=True):
        rle = None if part is None or not part.any() else encode_rle(part)
        yield ObjectAnnotation(label, round_box(round(side, 2) for side in box), score=round(score, 6), mask=rle)


def suppress_overlaps(image: LocalizedImage, max_overlap: float) -> LocalizedImage:
    """Apply non-maximum suppression to the boxes of each class, with a maximum IoU of two remaining boxes in [0, 1].

    Boxes of a person all remain.
    """
    if image.is_decided:
        return image
    boxes = np.array([item.xyxy for item in image.objects], np.float64).reshape(-1, 4)
    scores = np.array([1.0 if item.score is None else item.score for item in image.objects])
    indices = sorted(nms(boxes, scores, max_overlap, classes=np.array(image.class_indices, np.int64)).tolist())
    objects = tuple(image.objects[i] for i in indices)
    return image._replace(objects=objects, class_indices=tuple(image.class_indices[i] for i in indices))


def select_boxes(image: LocalizedImage, *, min_score: float = 0.0, first_only: bool = False) -> LocalizedImage:
    """Keep the boxes with a minimum score, and with ``first_only`` of these only the first box of each class.

    The first box is that of all scores. Boxes of a person all remain.
    """
    if image.is_decided:
        return image
    indices = image.class_indices
    kept = [
        i
        for i, item in enumerate(image.objects)
        if not below_min_score(item, min_score) and not (first_only and indices[i] in indices[:i])
    ]
    objects = tuple(image.objects[i] for i in kept)
    return image._replace(objects=objects, class_indices=tuple(indices[i] for i in kept))


def read_localized_images(*files: Path, mask_of: MaskOf | None = None) -> Iterator[LocalizedImage]:
    """Read the rows of ``weakspot localize``, JSON Lines or Parquet.

    Raises:
        InputError: ``duplicate-rows`` or ``row-invalid``.
    """
    for line, row in read_image_rows(files):
        try:
            yield _from_row(row, mask_of)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError("row-invalid", f"{line} is not a row of weakspot localize.") from error


def _from_row(row: Mapping[str, Any], mask_of: MaskOf | None) -> LocalizedImage:
    path = Path(row["image"])
    objects: list[ObjectAnnotation] = []
    indices: list[int] = []
    for position, item in enumerate((row, *row.get("others", ()))):
        boxes = np.array(item["boxes"], np.float64).reshape(-1, 4)
        confidences = item.get("box_confidences") or item.get("box_scores") or [item["score"]] * len(boxes)
        scores = [float(confidence) for confidence in confidences]
        mask_class = None if position == 0 else int(item["class_index"])
        mask = mask_of(path, mask_class) if mask_of is not None and len(boxes) else None
        labeled = list(_objects(str(item["label"]), boxes, scores, mask))
        objects += labeled
        indices += [int(item["class_index"])] * len(labeled)
    value = row.get("uncertainty", row.get("doubt"))  # "doubt" before 0.2
    uncertainty = None if value is None else float(value)
    return LocalizedImage(path, int(row["width"]), int(row["height"]), tuple(objects), tuple(indices), uncertainty)


def name_classes(
    images: Iterable[LocalizedImage], class_names: Sequence[str] | None = None
) -> tuple[tuple[str, ...], list[LocalizedImage]]:
    """Give the classes of localized images unique names; return all class names, and the images with these names.

    ``class_names`` has one name for each class index; None uses the classes of the images, sorted by index. Classes
    with equal names (ImageNet has two cranes) get their index appended, except the first.
    """
    localized = list(images)
    if class_names is None:
        pairs = (pair for image in localized for pair in zip(image.class_indices, image.objects, strict=True))
        labels = {index: item.label for index, item in pairs}
    else:
        labels = dict(enumerate(class_names))
    names = unique_names(dict(sorted(labels.items())))
    return tuple(names.values()), [_rename(image, names) for image in localized]


def _rename(image: LocalizedImage, names: Mapping[int, str]) -> LocalizedImage:
    pairs = zip(image.class_indices, image.objects, strict=True)
    return image._replace(objects=tuple(replace(item, label=names[index]) for index, item in pairs))


def unique_names(names: Mapping[int, str]) -> dict[int, str]:
    """Append the index to duplicate names, except the first.

    Example:
        >>> unique_names({134: "crane", 285: "cat", 517: "crane"})
        {134: 'crane', 285: 'cat', 517: 'crane (517)'}
    """
    firsts: dict[str, int] = {}
    for index, name in names.items():
        firsts.setdefault(name, index)
    return {index: name if firsts[name] == index else f"{name} ({index})" for index, name in names.items()}
