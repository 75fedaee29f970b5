"""From what localizing found to labels: localizations, or their rows in ``boxes.jsonl``."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError
from weakspot.inference.localization import Localization
from weakspot.io.rows import read_rows
from weakspot.labels.instance_masks import split_mask
from weakspot.labels.records import LabeledObject, round_box
from weakspot.labels.rle import encode_rle
from weakspot.ops.nms import nms

# Gives the mask of an image and a class: None stands for the first that was asked for.
MaskOf = Callable[[Path, int | None], NDArray[np.bool_] | None]


class LocalizedImage(NamedTuple):
    """An image in which was localized: path and size, its objects, the number of each one's class, and a doubt."""

    path: Path
    width: int
    height: int
    objects: tuple[LabeledObject, ...]
    class_indices: tuple[int, ...]
    doubt: float | None


def from_localization(found: Localization, *, min_score: float = 0.0, masks: bool = True) -> LocalizedImage:
    """Take the boxes, and the masks if wanted, of every class that was asked for.

    Args:
        found: The localization of an image that was given by its path.
        min_score: Objects with a lower score are left out.
        masks: Whether masks are wanted: they cost more than boxes.
    """
    objects = [
        (one.class_index, labelled)
        for one in found
        for labelled in _objects(one.label, one.boxes, _scores(one), one.mask if masks and len(one.boxes) else None)
        if not below_min_score(labelled, min_score)
    ]
    indices, labelled = tuple(index for index, _ in objects), tuple(one for _, one in objects)
    doubt = found.uncertainty
    return LocalizedImage(Path(str(found.image)), found.width, found.height, labelled, indices, doubt)


def _scores(one: Localization) -> list[float]:
    """The score of each box; where only the largest region was looked for it is the class's."""
    return one.box_scores.tolist() if one.min_area < 1 else [one.score] * len(one.boxes)


def below_min_score(one: LabeledObject, min_score: float) -> bool:
    """Whether an object has a score below the minimum; NaN is reported later."""
    return one.score is not None and one.score < min_score


def _objects(
    label: str, boxes: NDArray[np.float64], scores: Sequence[float], mask: NDArray[np.bool_] | None
) -> Iterator[LabeledObject]:
    masks = [None] * len(boxes) if mask is None else split_mask(mask, boxes)
    for box, score, part in zip(boxes.tolist(), scores, masks, strict=True):
        runs = None if part is None or not part.any() else encode_rle(part)
        yield LabeledObject(label, round_box(round(side, 2) for side in box), round(score, 6), runs)


def suppress_overlaps(found: LocalizedImage, max_overlap: float) -> LocalizedImage:
    """Of boxes of a class that overlap by more than so much, keep the one with the highest score.

    Args:
        found: An image in which was localized.
        max_overlap: Greatest intersection over union of two that are kept, in [0, 1].

    Example:
        >>> one, two = LabeledObject("a", (0, 0, 4, 4), 0.5), LabeledObject("a", (0, 0, 4, 3), 0.9)
        >>> image = LocalizedImage(Path("a.jpg"), 9, 9, (one, two), (0, 0), None)
        >>> [kept.score for kept in suppress_overlaps(image, 0.5).objects]
        [0.9]
    """
    boxes = np.array([one.box for one in found.objects], np.float64).reshape(-1, 4)
    scores = np.array([1.0 if one.score is None else one.score for one in found.objects])
    kept = sorted(nms(boxes, scores, max_overlap, classes=np.array(found.class_indices, np.int64)).tolist())
    objects = tuple(found.objects[i] for i in kept)
    return found._replace(objects=objects, class_indices=tuple(found.class_indices[i] for i in kept))


def read_localized_images(
    file: Path, *, min_score: float = 0.0, largest: bool = False, mask_of: MaskOf | None = None
) -> Iterator[LocalizedImage]:
    """Read a file of rows.

    Args:
        file: Rows of ``weakspot localize``, JSON Lines or Parquet.
        min_score: Objects with a lower score are left out.
        largest: Take the first box of each class only.
        mask_of: Gives the mask of a class in an image, if there is one.

    Raises:
        InputError: If a line is no such row.
    """
    for place, row in read_rows(file):
        try:
            yield _of_row(row, min_score, largest, mask_of)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{place}, is not a row of found boxes.", "Give boxes.jsonl of weakspot localize."
            ) from error


def _of_row(row: Mapping[str, Any], min_score: float, largest: bool, mask_of: MaskOf | None) -> LocalizedImage:
    path = Path(row["image"])
    objects: list[LabeledObject] = []
    indices: list[int] = []
    for which, one in enumerate((row, *row.get("others", ()))):
        boxes = np.array(one["boxes"], np.float64).reshape(-1, 4)
        scores = [float(score) for score in one.get("box_scores") or [one["score"]] * len(boxes)]
        further = None if which == 0 else int(one["class_index"])
        mask = mask_of(path, further) if mask_of is not None and len(boxes) else None
        found = list(_objects(str(one["label"]), boxes, scores, mask))[: 1 if largest else None]
        kept = [labelled for labelled in found if not below_min_score(labelled, min_score)]
        objects += kept
        indices += [int(one["class_index"])] * len(kept)
    doubt = row.get("uncertainty", row.get("doubt"))  # "doubt" before 0.2
    width, height = int(row["width"]), int(row["height"])
    return LocalizedImage(path, width, height, tuple(objects), tuple(indices), None if doubt is None else float(doubt))


def name_classes(
    found: Iterable[LocalizedImage], class_names: Sequence[str] | None = None
) -> tuple[tuple[str, ...], list[LocalizedImage]]:
    """Name the classes of what was found so that no two have the same name.

    Args:
        found: Images in which was localized.
        class_names: One name for each number; None takes those that were found, in the order of their numbers.

    Returns:
        The classes, and the images with these names. Of classes that are called the same (ImageNet has two cranes),
        all but the first have their number behind the name.

    Example:
        >>> cat, dog = LabeledObject("cat", (0, 0, 1, 1)), LabeledObject("dog", (0, 0, 1, 1))
        >>> name_classes([LocalizedImage(Path("a.jpg"), 9, 9, (cat, dog), (7, 3), None)])[0]
        ('dog', 'cat')
    """
    images = list(found)
    if class_names is None:
        said = {
            index: one.label for image in images for index, one in zip(image.class_indices, image.objects, strict=True)
        }
    else:
        said = dict(enumerate(class_names))
    named = unique_names(dict(sorted(said.items())))
    return tuple(named.values()), [_renamed(image, named) for image in images]


def _renamed(image: LocalizedImage, names: Mapping[int, str]) -> LocalizedImage:
    pairs = zip(image.class_indices, image.objects, strict=True)
    return image._replace(objects=tuple(replace(one, label=names[index]) for index, one in pairs))


def unique_names(names: Mapping[int, str]) -> dict[int, str]:
    """Put the number behind every name but the first of those that are the same.

    Example:
        >>> unique_names({134: "crane", 285: "cat", 517: "crane"})
        {134: 'crane', 285: 'cat', 517: 'crane (517)'}
    """
    firsts: dict[str, int] = {}
    for index, name in names.items():
        firsts.setdefault(name, index)
    return {index: name if firsts[name] == index else f"{name} ({index})" for index, name in names.items()}
