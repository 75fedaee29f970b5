"""CUB-200-2011 as published.

::

    images.txt               id path
    image_class_labels.txt   id class         classes.txt   class name
    train_test_split.txt     id 0|1           bounding_boxes.txt   id left top width height
    images/<path>            segmentations/<path>.png, here or in the parent folder; optional

Source:
    Wah et al., "The Caltech-UCSD Birds-200-2011 Dataset", CNS-TR-2011-001.
"""

from collections.abc import Iterator
from pathlib import Path

from weakspot.data.dataset import Box, Dataset, ObjectAnnotation, Sample, group_issues
from weakspot.data.formats.walk import files_below, without_suffix
from weakspot.errors import InputError
from weakspot.io.text import FileLine, parse_float, parse_int, read_lines, safe_relative_path, split_fields

IMAGES = "images.txt"
PARTS = ("image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt")

# A line, and its text after the id.
Entry = tuple[FileLine, str]


def detect(root: Path) -> bool:
    """Return whether a folder is CUB_200_2011, or contains it."""
    home = _home(root)
    return all((home / name).is_file() for name in (IMAGES, "classes.txt", *PARTS))


def load(root: Path, images: Path | None = None) -> Dataset:
    """Load CUB-200-2011; a box is ``(x, y, x + width, y + height)``, and the index of a class is its id - 1."""
    home = _home(root)
    classes = {parse_int(key, line): name for line, key, name in _entries(home / "classes.txt")}
    parts = {part: {key: (line, text) for line, key, text in _entries(home / part)} for part in PARTS}
    masks = _masks(home)
    samples, keys = [], set()
    for line, key, text in _entries(home / IMAGES):
        name = safe_relative_path(text, line)
        label, split, box = (parts[part].get(key) for part in PARTS)
        annotations = _objects(label, box, classes, masks.get(without_suffix(name)))
        samples.append(Sample(name, (images or home / "images") / name, _split(split), annotations))
        keys.add(key)
    unknown = [line for part in parts.values() for key, (line, _) in part.items() if key not in keys]
    issues = (("row for an unknown image", str(line)) for line in unknown)
    names = tuple(classes[key] for key in sorted(classes))
    return Dataset(root, "CUB-200-2011", names, tuple(samples), group_issues(issues))


def _home(root: Path) -> Path:
    return root / "CUB_200_2011" if (root / "CUB_200_2011").is_dir() else root


def _entries(file: Path) -> Iterator[tuple[FileLine, str, str]]:
    """The id and the rest of each line."""
    for line, text in read_lines(file):
        key, _, rest = text.strip().partition(" ")
        if not rest.strip():
            raise InputError("missing-fields", f"{line} must have 2 fields separated by a blank, got {text!r}.")
        yield line, key, rest.strip()


def _masks(home: Path) -> dict[str, Path]:
    """The masks by image name without suffix."""
    folders = [folder for folder in (home / "segmentations", home.parent / "segmentations") if folder.is_dir()]
    names = ((folder, name) for folder in folders[:1] for name in files_below(folder) if name.endswith(".png"))
    return {name.removesuffix(".png"): folder / name for folder, name in names}


def _objects(
    label: Entry | None, box: Entry | None, classes: dict[int, str], mask: Path | None
) -> tuple[ObjectAnnotation, ...]:
    """The object of an image with a label."""
    if label is None:
        return ()
    line, text = label
    key = parse_int(text, line)
    if key not in classes:
        raise InputError("unknown-class", f"{line}: class {key} is not in classes.txt.")
    masks = () if mask is None else (mask,)
    return (ObjectAnnotation(classes[key], None if box is None else _box(*box), key - 1, mask_files=masks),)


def _box(line: FileLine, text: str) -> Box:
    left, top, width, height = (parse_float(side, line) for side in split_fields(text, 4, line, separator=None))
    return left, top, left + width, top + height


def _split(entry: Entry | None) -> str:
    return "" if entry is None else "train" if parse_int(entry[1], entry[0]) else "test"
