"""What a person said in a review, in place of what was predicted."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from weakspot.data.dataset import ObjectAnnotation, Sample
from weakspot.data.review_rows import REVIEW, ReviewRow, read_review
from weakspot.io.folders import RUN_FILE, is_file, recorded_path
from weakspot.io.rows import read_rows
from weakspot.io.settings import load_settings
from weakspot.io.shards import row_files
from weakspot.labels.from_localizations import LocalizedImage
from weakspot.labels.image_names import folder_of_review, listed, name_in_review

# Pixels by which sides of a box may differ from the predicted ones, or lie outside the image: rows are rounded.
ROUNDING = 0.51


@dataclass(frozen=True)
class Decisions:
    """The last decisions on images of a folder that a person has touched.

    Attributes:
        rows: Those on localized images, by the absolute path of the image.
        note: A sentence about those on other images; empty if there are none.
    """

    rows: Mapping[Path, ReviewRow] = field(default_factory=dict)
    note: str = ""


def read_decisions(folder: Path, files: Sequence[Path]) -> Decisions:
    """Read the decisions in an output folder of ``weakspot localize``; none if nobody has reviewed it.

    Args:
        folder: The folder.
        files: Files of rows in it. Names of images are relative to a folder that depends on all rows of the folder.

    Raises:
        InputError: As :func:`weakspot.data.review_rows.read_review`.
    """
    file = folder / REVIEW
    if not is_file(file):
        return Decisions()
    all_files = dict.fromkeys([*row_files(folder), *files])
    found = [Path(str(row["image"])) for rows in all_files for _, row in read_rows(rows) if "image" in row]
    paths = {recorded_path(path, folder): path for path in found}
    root = folder_of_review(folder, load_settings(folder / RUN_FILE), list(paths))
    names = {name_in_review(place, root): path for place, path in paths.items()}
    last = read_review(file, lambda name: name if name in names else None)
    touched = {name: row for name, row in last.items() if row.status != "untouched"}
    lost = [name for name in touched if name not in names]
    where = f"their images ({listed(lost)}) are not among those of {folder}"
    note = f"{len(lost)} decisions of {REVIEW} are left out: {where}." if lost else ""
    return Decisions({_key(names[name]): row for name, row in touched.items() if name in names}, note)


def with_decisions(images: Iterable[LocalizedImage], rows: Mapping[Path, ReviewRow]) -> list[LocalizedImage]:
    """Give images that a person has touched the objects of the decision, without scores and uncertainty.

    The others are untouched. A box that is as it was predicted keeps its mask. A class that was not predicted in any
    image gets an index after all others.
    """
    localized = list(images)
    if not rows:
        return localized
    indices = _class_indices(localized, rows.values())
    return [_decided(image, rows.get(_key(image.path)), indices) for image in localized]


def decision_note(samples: Iterable[Sample]) -> str:
    """Return a sentence about how many images are as a person said; empty if there are none.

    Example:
        >>> states = ("confirmed", "empty", "untouched", "confirmed")
        >>> decision_note(Sample(str(i), Path(str(i)), status=status) for i, status in enumerate(states))
        '3 images as reviewed: 2 confirmed, 1 without objects; 1 are predictions.'
    """
    counts = Counter(sample.status for sample in samples)
    words = {"confirmed": "confirmed", "corrected": "corrected", "empty": "without objects"}
    known = ", ".join(f"{counts[status]} {text}" for status, text in words.items() if counts[status])
    reviewed = sum(counts[status] for status in words)
    return f"{reviewed} images as reviewed: {known}; {counts['untouched']} are predictions." if reviewed else ""


def same_box(one: ObjectAnnotation, other: ObjectAnnotation) -> bool:
    """Return whether two objects have the same class and, except for rounding, the same box."""
    sides = zip(one.xyxy, other.xyxy, strict=True)
    return one.label == other.label and all(abs(side - known) <= ROUNDING for side, known in sides)


def _key(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _class_indices(images: Sequence[LocalizedImage], rows: Iterable[ReviewRow]) -> dict[str, int]:
    """The index of each class: the lowest if several have its name."""
    pairs = {
        (index, item.label) for image in images for index, item in zip(image.class_indices, image.objects, strict=True)
    }
    known = {label: index for index, label in sorted(pairs, reverse=True)}
    new = sorted({item.label for row in rows for item in row.objects} - known.keys())
    return known | {label: index for index, label in enumerate(new, start=max(known.values(), default=-1) + 1)}


def _decided(image: LocalizedImage, row: ReviewRow | None, indices: Mapping[str, int]) -> LocalizedImage:
    if row is None:
        return image._replace(status="untouched")
    own = {item.label: index for index, item in zip(image.class_indices, image.objects, strict=True)}
    height, width = row.size
    predicted = image.objects if (image.height, image.width) == row.size else ()
    return LocalizedImage(
        image.path,
        width,
        height,
        tuple(_with_mask(item, predicted) for item in row.objects),
        tuple(own.get(item.label, indices[item.label]) for item in row.objects),
        None,
        row.status,
    )


def _with_mask(item: ObjectAnnotation, predicted: Iterable[ObjectAnnotation]) -> ObjectAnnotation:
    mask = next((other.mask for other in predicted if same_box(item, other)), None)
    return item if mask is None else replace(item, mask=mask)
