"""What is wrong with labels, before they are written: nothing is dropped without being listed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import isfinite
from unicodedata import category

from weakspot.data.readers.class_folders import TRAINING, VALIDATION
from weakspot.errors import InputError
from weakspot.labels.image_index import ImageIndex
from weakspot.labels.records import Box, LabeledImage, LabeledObject, LabelProblem

# Pixels that a box may reach over the edge without a word: less than a decimal of boxes.jsonl.
SLACK = 0.01

# What splits are called, by what data sets call them.
SPLITS = {"": "", "test": "test", "testing": "test"}
SPLITS |= dict.fromkeys(TRAINING, "train") | dict.fromkeys(VALIDATION, "val")


def check_classes(classes: Sequence[str]) -> None:
    """Refuse names that a label file could not hold.

    Raises:
        InputError: If a name is empty, has blanks around it or control characters in it, or stands there twice.
    """
    for name in classes:
        if not name.strip() or not _writable(name):
            problem = f"The class name {name!r} is empty, or has blanks around it or control characters in it."
            raise InputError(problem, "Rename the class.")
    twice = sorted({name for name in classes if classes.count(name) > 1}) if len(set(classes)) < len(classes) else []
    if twice:
        raise InputError(f"The class {twice[0]!r} is named twice.", "Name each class once.")


def _writable(name: str) -> bool:
    unwritable = ("Cc", "Cs", "Zl", "Zp")
    # XML has no place for the last two.
    return name == name.strip() and not any(category(one) in unwritable or one in "\ufffe\uffff" for one in name)


def drop_invalid(
    images: Iterable[LabeledImage], classes: Sequence[str]
) -> tuple[tuple[LabeledImage, ...], tuple[LabelProblem, ...]]:
    """Leave out what no format can hold, and cut boxes at the edges of their images.

    Args:
        images: Labelled images.
        classes: The names that are known.

    Returns:
        The images with what is right of their objects; and what was left out or clipped: objects of unknown classes,
        boxes that are not finite, without area or outside of the image; images that are named twice or whose names
        label files cannot hold.

    Example:
        >>> box = (-5.0, 0.0, 5.0, 5.0)
        >>> image = LabeledImage("a.jpg", 9, 9, (LabeledObject("cat", box),))
        >>> (found,), problems = drop_invalid([image], ["cat"])
        >>> found.objects[0].box, problems[0].problem
        ((0.0, 0.0, 5.0, 5.0), 'cat -5,0,5,5 lies partly outside of 9 x 9: clipped')
    """
    known = frozenset(classes)
    problems: list[LabelProblem] = []
    kept: dict[str, LabeledImage] = {}
    for image in images:
        why = _wrong_image(image, kept)
        if why:
            problems.append(LabelProblem(image.path, f"{why}: left out"))
            continue
        split = SPLITS.get(image.split.lower())
        if split is None:
            problems.append(LabelProblem(image.path, f"the split {image.split!r} is none of train, val and test: none"))
        kept[image.path] = replace(image, objects=tuple(_objects(image, known, problems)), split=split or "")
    return tuple(kept.values()), tuple(problems)


def _wrong_image(image: LabeledImage, known: dict[str, LabeledImage]) -> str:
    if image.path in known:
        return "the image is named twice"
    hidden = any(part.startswith(".") and part != ".." for part in image.path.split("/"))
    if hidden or "\\" in image.path or not _writable(image.path):
        return "label files cannot hold the image's name"
    if image.path.startswith("/") or ".." in image.path.split("/"):
        return "the image lies outside of the folder of the images"
    return "" if image.width > 0 and image.height > 0 else "the image has no size"


def _objects(image: LabeledImage, known: frozenset[str], problems: list[LabelProblem]) -> Iterator[LabeledObject]:
    for one in image.objects:
        why, box = _judged(one, image, known)
        if why:
            sides = ",".join(f"{side:g}" for side in one.box)
            problems.append(LabelProblem(image.path, f"{one.label} {sides} {why}"))
        if box is not None:
            yield one if box == one.box else replace(one, box=box)


def _judged(one: LabeledObject, image: LabeledImage, known: frozenset[str]) -> tuple[str, Box | None]:
    """What is wrong with an object, and its box in the image, None if it has none."""
    x1, y1, x2, y2 = one.box
    frame = f"{image.width} x {image.height}"
    clipped = (max(x1, 0.0), max(y1, 0.0), min(x2, float(image.width)), min(y2, float(image.height)))
    if one.label not in known:
        return "is of an unknown class: left out", None
    if not all(map(isfinite, one.box)) or not isfinite(one.score or 0):
        return "is not finite: left out", None
    if not (x1 < x2 and y1 < y2):
        return "has no area: left out", None
    if not (clipped[0] < clipped[2] and clipped[1] < clipped[3]):
        return f"lies outside of {frame}: left out", None
    outside = max(abs(old - new) for old, new in zip(one.box, clipped, strict=True))
    return f"lies partly outside of {frame}: clipped" if outside > SLACK else "", clipped


def drop_missing(
    images: Iterable[LabeledImage], photos: ImageIndex
) -> tuple[tuple[LabeledImage, ...], tuple[LabelProblem, ...]]:
    """Leave out images that are not there, and those that have another size than their labels say.

    Args:
        images: What label files name.
        photos: What is there.

    Returns:
        The images, by their names in ``photos``, and what was left out.
    """
    kept, problems = [], []
    for image in images:
        name, size = photos.find(image.path), photos.size(image.path)
        if name is None or size is None:
            why = "there is no such image" if name is None else "the image cannot be read"
            problems.append(LabelProblem(image.path, f"{why}: left out"))
        elif size != (image.height, image.width):
            why = f"the labels are of {image.width} x {image.height} pixels, the image has {size[1]} x {size[0]}"
            problems.append(LabelProblem(image.path, f"{why}: left out"))
        else:
            kept.append(replace(image, path=name))
    return tuple(kept), tuple(problems)
