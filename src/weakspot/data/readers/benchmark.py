"""Metadata of the field's benchmark: a folder for each set, with up to four text files.

::

    <set>/image_ids.txt        path
    <set>/class_labels.txt     path,class index
    <set>/image_sizes.txt      path,width,height             may be missing
    <set>/localization.txt     path,x0,y0,x1,y1 or path,mask,ignore; several lines an image; may be missing

Source:
    Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, github
    clovaai/wsolevaluation. OpenImages30k comes so, with masks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from weakspot.data.dataset import Annotation, Dataset, Sample
from weakspot.data.noticed import Issue, group_issues
from weakspot.data.readers.annotations import Box, boxes_array
from weakspot.data.readers.walk import first_containing, folders_in
from weakspot.errors import InputError
from weakspot.io.text import FileLine, parse_float, parse_int, parse_size, read_lines, safe_relative_path, split_fields


@dataclass
class _Located:
    """What ``localization.txt`` says of one image."""

    boxes: list[Box] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    ignore: str = ""


@dataclass(frozen=True)
class _Set:
    """The files of one set, by image."""

    split: str
    image_ids: list[str]
    labels: dict[str, list[int]]
    sizes: dict[str, tuple[int, int] | None]
    located: dict[str, _Located]


def detect(root: Path) -> bool:
    """Tell whether a folder, or one in it, holds ``image_ids.txt``."""
    return bool(_folders(root))


def load(root: Path, images: Path | None = None) -> Dataset:
    """Read the benchmark's metadata; coordinates are as written, and classes are numbers.

    Args:
        root: The folder of the sets, or one set.
        images: The folder of images and masks; default ``root``, ``root/images`` or the folder above ``root``,
            whichever holds them.

    Raises:
        InputError: If a line is not as it should be, an image lies outside, or a file cannot be read.
    """
    sets = [_read_set(folder) for folder in _folders(root)]
    candidates = [images] if images else [root, root / "images", root.parent]
    base = first_containing(candidates, (name for one in sets for name in one.image_ids))
    masks = (name for one in sets for located in one.located.values() for name in located.masks)
    mask_base = first_containing([*candidates, root], masks)
    examples = tuple(example for one in sets for example in _examples(one, base, mask_base))
    indices = sorted({truth.class_index or 0 for example in examples for truth in example.annotations})
    names = tuple(str(index) for index in indices)
    noticed = (problem for one in sets for problem in _noticed(one))
    return Dataset(root, "benchmark metadata", names, examples, group_issues(noticed))


def _folders(root: Path) -> list[Path]:
    candidates = [root, *(root / name for name in folders_in(root))]
    return [folder for folder in candidates if (folder / "image_ids.txt").is_file()]


def _read_set(folder: Path) -> _Set:
    image_ids = [safe_relative_path(line, place) for place, line in _lines(folder / "image_ids.txt")]
    labels: dict[str, list[int]] = {}
    for place, line in _lines(folder / "class_labels.txt"):
        name, index = split_fields(line, 2, place)
        labels.setdefault(safe_relative_path(name, place), []).append(parse_int(index, place))
    sizes = {}
    for place, line in _lines(folder / "image_sizes.txt"):
        name, width, height = split_fields(line, 3, place)
        sizes[safe_relative_path(name, place)] = parse_size(parse_float(width, place), parse_float(height, place))
    located = _located(folder / "localization.txt")
    return _Set(folder.resolve().name.lower(), image_ids, labels, sizes, located)


def _lines(file: Path) -> Iterable[tuple[FileLine, str]]:
    return read_lines(file) if file.is_file() else ()


def _located(file: Path) -> dict[str, _Located]:
    located: dict[str, _Located] = {}
    for place, line in _lines(file):
        if line.count(",") == 2:
            name, mask, ignore = line.split(",")
            known = located.setdefault(safe_relative_path(name, place), _Located())
            known.masks.append(safe_relative_path(mask, place))
            known.ignore = known.ignore or (safe_relative_path(ignore, place) if ignore.strip() else "")
        else:
            name, *sides = _box_fields(line, place)
            x0, y0, x1, y1 = (parse_float(side, place) for side in sides)
            located.setdefault(safe_relative_path(name, place), _Located()).boxes.append((x0, y0, x1, y1))
    return located


def _box_fields(line: str, place: FileLine) -> list[str]:
    if line.count(",") < 4:
        problem = f"{place}, is neither path,x0,y0,x1,y1 nor path,mask,ignore."
        raise InputError(problem, "Separate the fields by commas; ignore may be empty.")
    return split_fields(line, 5, place)


def _examples(one: _Set, base: Path, mask_base: Path) -> Iterator[Sample]:
    for name in one.image_ids:
        located = one.located.get(name, _Located())
        masks = tuple(mask_base / mask for mask in located.masks)
        ignore = mask_base / located.ignore if located.ignore else None
        index = next(iter(one.labels.get(name, [])), None)
        truth = Annotation(str(index), index, boxes_array(located.boxes), masks, ignore)
        yield Sample(name, base / name, one.split, () if index is None else (truth,), one.sizes.get(name))


def _noticed(one: _Set) -> Iterator[Issue]:
    known = set(one.image_ids)
    for kind, names in (("label", one.labels), ("size", one.sizes), ("boxes", one.located)):
        yield from ((f"{kind} for an unknown image", f"{one.split}: {name}") for name in names if name not in known)
    for name, indices in one.labels.items():
        if len(set(indices)) > 1:
            yield "several labels for an image, the first is taken", f"{one.split}: {name}: {indices}"
