"""Metadata of the WSOL benchmark: a folder for each split, with up to four text files.

::

    <split>/image_ids.txt        path
    <split>/class_labels.txt     path,class index
    <split>/image_sizes.txt      path,width,height             optional
    <split>/localization.txt     path,x0,y0,x1,y1 or path,mask,ignore; several lines per image; optional

Source:
    Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, github
    clovaai/wsolevaluation. OpenImages30k is published in this format, with masks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from weakspot.data.dataset import Box, Dataset, Issue, ObjectAnnotation, Sample, group_issues
from weakspot.data.formats.walk import first_containing, folders_in
from weakspot.errors import InputError
from weakspot.io.text import FileLine, parse_float, parse_int, parse_size, read_lines, safe_relative_path, split_fields


@dataclass
class _Location:
    """Boxes or masks of an image in ``localization.txt``."""

    boxes: list[Box] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    ignore: str = ""


@dataclass(frozen=True)
class _Split:
    """Content of the files of a split, by image."""

    name: str
    image_ids: list[str]
    labels: dict[str, list[int]]
    sizes: dict[str, tuple[int, int] | None]
    locations: dict[str, _Location]


def detect(root: Path) -> bool:
    """Return whether a folder, or one in it, contains ``image_ids.txt``."""
    return bool(_folders(root))


def load(root: Path, images: Path | None = None) -> Dataset:
    """Load metadata of the benchmark; coordinates are as written, and class names are their indices.

    The default folder of images and masks is the first of ``root``, ``root/images`` and the parent of ``root`` that
    contains them.
    """
    splits = [_read_split(folder) for folder in _folders(root)]
    candidates = [images] if images else [root, root / "images", root.parent]
    base = first_containing(candidates, (name for split in splits for name in split.image_ids))
    masks = (name for split in splits for location in split.locations.values() for name in location.masks)
    mask_base = first_containing([*candidates, root], masks)
    samples = tuple(sample for split in splits for sample in _samples(split, base, mask_base))
    indices = sorted({annotation.class_index or 0 for sample in samples for annotation in sample.annotations})
    names = tuple(str(index) for index in indices)
    issues = (issue for split in splits for issue in _issues(split))
    return Dataset(root, "benchmark metadata", names, samples, group_issues(issues))


def _folders(root: Path) -> list[Path]:
    candidates = [root, *(root / name for name in folders_in(root))]
    return [folder for folder in candidates if (folder / "image_ids.txt").is_file()]


def _read_split(folder: Path) -> _Split:
    image_ids = [safe_relative_path(text, line) for line, text in _lines(folder / "image_ids.txt")]
    labels: dict[str, list[int]] = {}
    for line, text in _lines(folder / "class_labels.txt"):
        name, index = split_fields(text, 2, line)
        labels.setdefault(safe_relative_path(name, line), []).append(parse_int(index, line))
    sizes = {}
    for line, text in _lines(folder / "image_sizes.txt"):
        name, width, height = split_fields(text, 3, line)
        sizes[safe_relative_path(name, line)] = parse_size(parse_float(width, line), parse_float(height, line))
    locations = _read_locations(folder / "localization.txt")
    return _Split(folder.resolve().name.lower(), image_ids, labels, sizes, locations)


def _lines(file: Path) -> Iterable[tuple[FileLine, str]]:
    return read_lines(file) if file.is_file() else ()


def _read_locations(file: Path) -> dict[str, _Location]:
    locations: dict[str, _Location] = {}
    for line, text in _lines(file):
        if text.count(",") == 2:
            name, mask, ignore = text.split(",")
            location = locations.setdefault(safe_relative_path(name, line), _Location())
            location.masks.append(safe_relative_path(mask, line))
            location.ignore = location.ignore or (safe_relative_path(ignore, line) if ignore.strip() else "")
        else:
            name, *sides = _box_fields(text, line)
            x0, y0, x1, y1 = (parse_float(side, line) for side in sides)
            locations.setdefault(safe_relative_path(name, line), _Location()).boxes.append((x0, y0, x1, y1))
    return locations


def _box_fields(text: str, line: FileLine) -> list[str]:
    if text.count(",") < 4:
        raise InputError("missing-fields", f"{line} must be path,x0,y0,x1,y1 or path,mask,ignore, got {text!r}.")
    return split_fields(text, 5, line)


def _samples(split: _Split, base: Path, mask_base: Path) -> Iterator[Sample]:
    for name in split.image_ids:
        location = split.locations.get(name, _Location())
        masks = tuple(mask_base / mask for mask in location.masks)
        ignore = mask_base / location.ignore if location.ignore else None
        index = next(iter(split.labels.get(name, [])), None)
        boxes: list[Box | None] = [] if index is None else [*location.boxes] or [None]
        objects = tuple(ObjectAnnotation(str(index), box, index, mask_files=masks) for box in boxes)
        yield Sample(name, base / name, split.name, objects, split.sizes.get(name), ignore)


def _issues(split: _Split) -> Iterator[Issue]:
    image_ids = set(split.image_ids)
    for kind, names in (("label", split.labels), ("size", split.sizes), ("boxes", split.locations)):
        yield from (
            (f"{kind} for an unknown image", f"{split.name}: {name}") for name in names if name not in image_ids
        )
    for name, indices in split.labels.items():
        if len(set(indices)) > 1:
            yield "several labels for an image, the first is used", f"{split.name}: {name}: {indices}"
