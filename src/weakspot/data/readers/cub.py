"""CUB-200-2011 as shipped.

::

    images.txt               id path
    image_class_labels.txt   id class         classes.txt   class name
    train_test_split.txt     id 0|1           bounding_boxes.txt   id left top width height
    images/<path>            segmentations/<path>.png, here or in the folder above; may be missing

Source:
    Wah et al., "The Caltech-UCSD Birds-200-2011 Dataset", CNS-TR-2011-001.
"""

from collections.abc import Iterator
from pathlib import Path

from weakspot.data.dataset import Annotation, Dataset, Sample
from weakspot.data.noticed import group_issues
from weakspot.data.readers.annotations import Box, boxes_array
from weakspot.data.readers.walk import files_below, without_suffix
from weakspot.errors import InputError
from weakspot.io.text import FileLine, parse_float, parse_int, read_lines, safe_relative_path, split_fields

LISTED = "images.txt"
PARTS = ("image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt")

Said = tuple[FileLine, str]


def detect(root: Path) -> bool:
    """Tell whether a folder is CUB_200_2011, or holds it."""
    home = _home(root)
    return all((home / name).is_file() for name in (LISTED, "classes.txt", *PARTS))


def load(root: Path, images: Path | None = None) -> Dataset:
    """Read CUB-200-2011; a box reaches from ``(x, y)`` to ``(x + width, y + height)``, a class's index is its id - 1.

    Args:
        root: CUB_200_2011, or the folder that holds it.
        images: The folder of the images; default ``images`` in it.

    Raises:
        InputError: If a line is not as it should be, an image lies outside, or a file cannot be read.
    """
    home = _home(root)
    classes = {parse_int(key, place): name for place, key, name in _pairs(home / "classes.txt")}
    parts = {part: {key: (place, text) for place, key, text in _pairs(home / part)} for part in PARTS}
    masks = _masks(home)
    examples, listed = [], set()
    for place, key, text in _pairs(home / LISTED):
        name = safe_relative_path(text, place)
        label, split, box = (parts[part].get(key) for part in PARTS)
        truth = _truth(label, box, classes, masks.get(without_suffix(name)))
        examples.append(Sample(name, (images or home / "images") / name, _split(split), truth))
        listed.add(key)
    unknown = [place for part in parts.values() for key, (place, _) in part.items() if key not in listed]
    noticed = (("row for an unknown image", str(place)) for place in unknown)
    names = tuple(classes[key] for key in sorted(classes))
    return Dataset(root, "CUB-200-2011", names, tuple(examples), group_issues(noticed))


def _home(root: Path) -> Path:
    return root / "CUB_200_2011" if (root / "CUB_200_2011").is_dir() else root


def _pairs(file: Path) -> Iterator[tuple[FileLine, str, str]]:
    """The lines of a file: an id, and the rest."""
    for place, line in read_lines(file):
        key, _, rest = line.strip().partition(" ")
        if not rest.strip():
            raise InputError(f"{place}, has 1 field, not 2.", "Separate fields by blanks.")
        yield place, key, rest.strip()


def _masks(home: Path) -> dict[str, Path]:
    """The mask of each image, by its name without suffix."""
    folders = [folder for folder in (home / "segmentations", home.parent / "segmentations") if folder.is_dir()]
    names = ((folder, name) for folder in folders[:1] for name in files_below(folder) if name.endswith(".png"))
    return {name.removesuffix(".png"): folder / name for folder, name in names}


def _truth(label: Said | None, box: Said | None, classes: dict[int, str], mask: Path | None) -> tuple[Annotation, ...]:
    """The truth of an image, if its class is known."""
    if label is None:
        return ()
    place, text = label
    key = parse_int(text, place)
    if key not in classes:
        raise InputError(f"{place}, names the class {key}, which classes.txt lacks.", "Copy the data set again.")
    boxes = boxes_array([] if box is None else [_corners(*box)])
    return (Annotation(classes[key], key - 1, boxes, () if mask is None else (mask,)),)


def _corners(place: FileLine, text: str) -> Box:
    left, top, width, height = (parse_float(side, place) for side in split_fields(text, 4, place, separator=None))
    return left, top, left + width, top + height


def _split(said: Said | None) -> str:
    return "" if said is None else "train" if parse_int(said[1], said[0]) else "test"
