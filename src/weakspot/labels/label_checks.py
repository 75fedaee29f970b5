"""Check labels before they are written; every label that is dropped is reported."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import isfinite
from unicodedata import category

from weakspot.data.dataset import Box, ObjectAnnotation, Sample, is_fraction
from weakspot.data.formats.records import LabelProblem
from weakspot.data.formats.split_folders import TRAINING, VALIDATION
from weakspot.data.image_index import ImageIndex
from weakspot.data.label_frames import Frame, proven_frame, size_problem, to_upright
from weakspot.errors import InputError

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
    samples: Iterable[Sample], classes: Sequence[str]
) -> tuple[tuple[Sample, ...], tuple[LabelProblem, ...]]:
    """Drop labels that formats cannot store, clip boxes to their images, and report what was dropped or clipped.

    These are objects of unknown classes, boxes that are not finite, have no area, are outside the image or in fractions
    of it, duplicate images, and names that label files cannot store.
    """
    names = frozenset(classes)
    problems: list[LabelProblem] = []
    valid: dict[str, Sample] = {}
    for sample in samples:
        problem = _image_problem(sample, valid)
        if problem:
            problems.append(LabelProblem(sample.image_id, f"{problem}: skipped"))
            continue
        split = SPLITS.get(sample.split.lower())
        if split is None:
            problems.append(
                LabelProblem(sample.image_id, f"the split {sample.split!r} is not train, val or test: ignored")
            )
        valid[sample.image_id] = replace(sample, objects=tuple(_objects(sample, names, problems)), split=split or "")
    return tuple(valid.values()), tuple(problems)


def _image_problem(sample: Sample, others: dict[str, Sample]) -> str:
    if sample.image_id in others:
        return "duplicate image"
    is_hidden = any(part.startswith(".") and part != ".." for part in sample.image_id.split("/"))
    if is_hidden or "\\" in sample.image_id or not _is_storable(sample.image_id):
        return "label files cannot store the name of the image"
    if sample.image_id.startswith("/") or ".." in sample.image_id.split("/"):
        return "the image is outside the folder of the images"
    return "" if sample.width > 0 and sample.height > 0 else "the image has no size"


def _objects(sample: Sample, classes: frozenset[str], problems: list[LabelProblem]) -> Iterator[ObjectAnnotation]:
    for item in sample.objects:
        problem, box = _clip(item, sample, classes)
        if problem:
            sides = "" if item.box is None else " " + ",".join(f"{side:g}" for side in item.box)
            problems.append(LabelProblem(sample.image_id, f"{item.label}{sides} {problem}"))
        if item.box is None and not problem:  # a label of the image
            yield item
        if box is not None:
            yield item if box == item.box else replace(item, box=box)


def _clip(item: ObjectAnnotation, sample: Sample, classes: frozenset[str]) -> tuple[str, Box | None]:
    """The problem of an object, and its box within the image, None if it has none."""
    if item.box is None:
        return "" if item.label in classes else "is of an unknown class: skipped", None
    x1, y1, x2, y2 = item.box
    frame = f"{sample.width} x {sample.height}"
    clipped = (max(x1, 0.0), max(y1, 0.0), min(x2, float(sample.width)), min(y2, float(sample.height)))
    if item.label not in classes:
        return "is of an unknown class: skipped", None
    wrong = {
        "is not finite": not all(map(isfinite, item.box)) or not isfinite(item.score or 0),
        "has no area": not (x1 < x2 and y1 < y2),
        "is in fractions of the image instead of pixels": is_fraction(item.box),
        f"is outside {frame}": not (clipped[0] < clipped[2] and clipped[1] < clipped[3]),
    }
    problem = next((what for what, occurs in wrong.items() if occurs), "")
    if problem:
        return f"{problem}: skipped", None
    excess = max(abs(old - new) for old, new in zip(item.box, clipped, strict=True))
    return f"is partly outside {frame}: clipped" if excess > SLACK else "", clipped


def drop_missing(
    samples: Iterable[Sample], index: ImageIndex, frame: Frame = "upright"
) -> tuple[tuple[Sample, ...], tuple[LabelProblem, ...]]:
    """Drop images that do not exist or whose size differs from that of their labels, and report them.

    The others get their names in the index. Labels for the stored pixels of an image that EXIF orientation turns are
    converted to the upright image; those whose own size does not prove for which pixels they are, are in the ``frame``.
    """
    existing, problems = [], []
    for sample in samples:
        name, header = index.match(sample.image_id), index.header(sample.image_id)
        if name is None or header is None:
            problem = "the image does not exist" if name is None else "the image is unreadable"
            problems.append(LabelProblem(sample.image_id, f"{problem}: skipped"))
            continue
        if problem := size_problem(sample, header):
            problems.append(LabelProblem(sample.image_id, f"{problem}: skipped"))
            continue
        orientation = header[1]
        is_stored = orientation != 1 and (proven_frame(sample, header) or frame) == "stored"
        existing.append(replace(to_upright(sample, orientation) if is_stored else sample, image_id=name))
    return tuple(existing), tuple(problems)
