"""Check labels before they are written; every label that is dropped is reported."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import isfinite
from unicodedata import category

from weakspot.data.readers.class_folders import TRAINING, VALIDATION
from weakspot.errors import InputError
from weakspot.labels.image_index import ImageIndex
from weakspot.labels.records import Box, LabeledImage, LabeledObject, LabelProblem

# Pixels by which a box may exceed the image without a report: less than a decimal of boxes.jsonl.
SLACK = 0.01

# Names of splits by those of data sets.
SPLITS = {"": "", "test": "test", "testing": "test"}
SPLITS |= dict.fromkeys(TRAINING, "train") | dict.fromkeys(VALIDATION, "val")


def check_classes(classes: Sequence[str]) -> None:
    """Check that class names are unique, not empty, and without surrounding blanks and control characters."""
    for name in classes:
        if not name.strip() or not _is_storable(name):
            problem = f"A class name must not be empty, or have surrounding blanks or control characters, got {name!r}."
            raise InputError("class-names-invalid", problem)
    if len(set(classes)) < len(classes):
        duplicates = sorted({name for name in classes if classes.count(name) > 1})
        raise InputError("class-names-invalid", f"Class names must be unique, got {duplicates[0]!r} twice.")


def _is_storable(name: str) -> bool:
    controls = ("Cc", "Cs", "Zl", "Zp")
    # XML cannot contain the last two characters.
    return name == name.strip() and not any(category(letter) in controls or letter in "\ufffe\uffff" for letter in name)


def drop_invalid(
    images: Iterable[LabeledImage], classes: Sequence[str]
) -> tuple[tuple[LabeledImage, ...], tuple[LabelProblem, ...]]:
    """Drop labels that formats cannot store, clip boxes to their images, and report what was dropped or clipped.

    These are objects of unknown classes, boxes that are not finite, have no area or are outside the image, duplicate
    images, and names that label files cannot store.
    """
    names = frozenset(classes)
    problems: list[LabelProblem] = []
    valid: dict[str, LabeledImage] = {}
    for image in images:
        problem = _image_problem(image, valid)
        if problem:
            problems.append(LabelProblem(image.path, f"{problem}: skipped"))
            continue
        split = SPLITS.get(image.split.lower())
        if split is None:
            problems.append(LabelProblem(image.path, f"the split {image.split!r} is not train, val or test: ignored"))
        valid[image.path] = replace(image, objects=tuple(_objects(image, names, problems)), split=split or "")
    return tuple(valid.values()), tuple(problems)


def _image_problem(image: LabeledImage, others: dict[str, LabeledImage]) -> str:
    if image.path in others:
        return "duplicate image"
    is_hidden = any(part.startswith(".") and part != ".." for part in image.path.split("/"))
    if is_hidden or "\\" in image.path or not _is_storable(image.path):
        return "label files cannot store the name of the image"
    if image.path.startswith("/") or ".." in image.path.split("/"):
        return "the image is outside the folder of the images"
    return "" if image.width > 0 and image.height > 0 else "the image has no size"


def _objects(image: LabeledImage, classes: frozenset[str], problems: list[LabelProblem]) -> Iterator[LabeledObject]:
    for item in image.objects:
        problem, box = _clip(item, image, classes)
        if problem:
            sides = ",".join(f"{side:g}" for side in item.box)
            problems.append(LabelProblem(image.path, f"{item.label} {sides} {problem}"))
        if box is not None:
            yield item if box == item.box else replace(item, box=box)


def _clip(item: LabeledObject, image: LabeledImage, classes: frozenset[str]) -> tuple[str, Box | None]:
    """The problem of an object, and its box within the image, None if it has none."""
    x1, y1, x2, y2 = item.box
    frame = f"{image.width} x {image.height}"
    clipped = (max(x1, 0.0), max(y1, 0.0), min(x2, float(image.width)), min(y2, float(image.height)))
    if item.label not in classes:
        return "is of an unknown class: skipped", None
    if not all(map(isfinite, item.box)) or not isfinite(item.score or 0):
        return "is not finite: skipped", None
    if not (x1 < x2 and y1 < y2):
        return "has no area: skipped", None
    if not (clipped[0] < clipped[2] and clipped[1] < clipped[3]):
        return f"is outside {frame}: skipped", None
    excess = max(abs(old - new) for old, new in zip(item.box, clipped, strict=True))
    return f"is partly outside {frame}: clipped" if excess > SLACK else "", clipped


def drop_missing(
    images: Iterable[LabeledImage], index: ImageIndex
) -> tuple[tuple[LabeledImage, ...], tuple[LabelProblem, ...]]:
    """Drop images that do not exist or whose size differs from that of their labels, and report them.

    The others get their names in the index.
    """
    existing, problems = [], []
    for image in images:
        name, size = index.find(image.path), index.size(image.path)
        if name is None or size is None:
            problem = "the image does not exist" if name is None else "the image is unreadable"
            problems.append(LabelProblem(image.path, f"{problem}: skipped"))
        elif size != (image.height, image.width):
            problem = f"its labels are for {image.width} x {image.height} pixels, it has {size[1]} x {size[0]}"
            problems.append(LabelProblem(image.path, f"{problem}: skipped"))
        else:
            existing.append(replace(image, path=name))
    return tuple(existing), tuple(problems)
