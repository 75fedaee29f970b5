"""Images with a mask each, which says where the object is, or that there is none: KolektorSDD and the like.

::

    kos01/Part0.jpg, kos01/Part0_label.bmp             KolektorSDD: the images of a folder show one item
    train/10000.png, train/10000_GT.png                KolektorSDD2
    images/<path>.jpg, masks/<path>.png                also <path>_mask.png; also in train/images/, train/masks/
    <defect>/<name>.jpg, <defect>/<name>_mask.png      class folders; those of good images need no mask

A mask has the path of its image without the folders ``images`` and ``masks`` (or ``gt``, ``ground_truth``), and its
name, also with ``_mask``, ``_GT`` or ``_label``. It is a PNG, BMP, TIFF or GIF, as JPEG does not keep zeros.

A black mask says that no object is in its image, which gets the class ``good``, also if there is no such folder. All
others are of the class of the folder, else of the class ``defect``.

Source:
    Tabernik et al., "Segmentation-based deep-learning approach for surface-defect detection", Journal of Intelligent
    Manufacturing 2020 (KolektorSDD); Bozic et al., "Mixed supervision for surface-defect detection: from weakly to
    fully supervised learning", Computers in Industry 2021 (KolektorSDD2).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from weakspot.data.dataset import Dataset, Issue, ObjectAnnotation, Sample, group_issues
from weakspot.data.formats.class_folders import has_splits, image_folder, split_and_class
from weakspot.data.formats.good_classes import DEFECT, good_first, is_good
from weakspot.data.formats.mask_contents import (
    CONTRADICTORY,
    LEVELS,
    NO_MASK,
    UNREADABLE,
    MaskContent,
    read_masks,
)
from weakspot.data.formats.mvtec import GROUND_TRUTH, UNKNOWN_IMAGE
from weakspot.data.formats.split_folders import IMAGES, find_split_folders
from weakspot.data.formats.walk import images_below
from weakspot.errors import InputError

LAYOUT = "images with masks"
GOOD = "good"
MASK_FOLDERS = GROUND_TRUTH | {"gt", "mask", "masks"}
_LOSSLESS = frozenset({".png", ".bmp", ".tif", ".tiff", ".gif"})
_SUFFIX = re.compile(r"(.+)_(?:mask|gt|label)", re.IGNORECASE)
_ITEM = re.compile(r"kos\d+", re.IGNORECASE)

Place = Callable[[str], tuple[str, str]]


class _Pairs(NamedTuple):
    """Image files by path, the masks of each, and masks without an image."""

    images: dict[str, list[Path]]
    masks: dict[str, list[Path]]
    unknown: list[Path]


def detect(root: Path) -> bool:
    """Return whether at least half of the images that are not in a folder of good ones have a mask.

    Next to class folders, ``masks/`` is of another layout: :mod:`weakspot.data.formats.masks`; so is ``classes.txt``.
    """
    base = _base(root)
    pairs = _find(base, None)
    if not pairs.masks or (base / "classes.txt").is_file():
        return False
    with suppress(InputError):  # folders that may be splits or classes
        labels = {name: label for name, (_, label) in _placed(root, pairs.images).items()}
        needed = [name for name, label in labels.items() if not is_good(label)]
        if any(labels.values()) and (root / "masks").is_dir():
            return False
        return 2 * sum(name in pairs.masks for name in needed) >= len(needed)
    return False


def load(root: Path, images: Path | None = None) -> Dataset:
    """Load images with their masks, each of which is decoded once, to tell whether it is black.

    Images whose mask cannot be read are left out, as are those without a mask, unless they are in a class folder.
    """
    pairs = _find(_base(root), images)
    places = _placed(root, pairs.images)
    contents = read_masks(file for files in pairs.masks.values() for file in files)
    good = next((label for _, label in places.values() if is_good(label)), GOOD)
    samples: list[Sample] = []
    issues: list[Issue] = [(UNKNOWN_IMAGE, str(file)) for file in pairs.unknown]
    for name, paths in pairs.images.items():
        split, label = places[name]
        masks = {file: contents[file] for file in pairs.masks.get(name, ())}
        found = list(_issues(name, label, masks))
        issues += found
        if not {kind for kind, _ in found} - {LEVELS}:
            item = _object(label, masks, good)
            samples += [Sample(name, path, split, (item,), group=_item(name)) for path in paths]
    classes = good_first(item.label for sample in samples for item in sample.objects)
    return Dataset(root, LAYOUT, classes, tuple(samples), group_issues(issues), good if good in classes else "")


def _base(root: Path) -> Path:
    """The root, or the only folder in it that holds all images and masks."""
    folder = image_folder(root)
    return folder.parent if folder != root and folder.name.lower() in IMAGES else folder


def _find(base: Path, images: Path | None) -> _Pairs:
    """Tell images from masks: a mask is in a folder of masks, or is named after an image next to it."""
    files = images_below(base)
    in_folder = {name for name in files if any(part.lower() in MASK_FOLDERS for part in name.split("/")[:-1])}
    others = files if images is None else images_below(images)
    named = {name: paths for name, paths in others.items() if images is not None or name not in in_folder}
    suffixed = {name for name, paths in named.items() if _bare(name) in named and all(map(_is_lossless, paths))}
    found: dict[str, list[Path]] = {}
    for name in (name for name in named if name not in suffixed):
        found.setdefault(_without(name, IMAGES), []).extend(named[name])
    pairs = _Pairs(found, {}, [])
    masks = [*((name, files[name]) for name in in_folder), *((name, named[name]) for name in suffixed)]
    for name, paths in sorted(masks):
        whole = _without(name, MASK_FOLDERS | IMAGES)
        owner = whole if whole in found and name in in_folder else _bare(whole)
        lossless = [path for path in paths if _is_lossless(path)]
        if owner in found:
            pairs.masks.setdefault(owner, []).extend(lossless)
        else:
            pairs.unknown.extend(paths)
    return pairs


def _is_lossless(path: Path) -> bool:
    return path.suffix.lower() in _LOSSLESS


def _bare(name: str) -> str:
    """The path of the image that a mask next to it is named after; empty if it is not named so."""
    folder, slash, last = name.rpartition("/")
    match = _SUFFIX.fullmatch(last)
    return f"{folder}{slash}{match[1]}" if match else ""


def _without(name: str, folders: Iterable[str]) -> str:
    """A path without folders of these names."""
    *parents, last = name.split("/")
    return "/".join([*(part for part in parents if part.lower() not in folders), last])


def _item(name: str) -> str:
    """The folder of an image of KolektorSDD, whose images show one item; else empty."""
    folder = name.rpartition("/")[0]
    return folder if _ITEM.fullmatch(folder.rpartition("/")[2]) else ""


def _placed(root: Path, names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The split and class of each image by its folders, each empty without such a folder."""
    paths = {name: "/".join([*name.split("/")[:-2], name.split("/")[-1]]) if _item(name) else name for name in names}
    if has_splits(paths.values()):
        return {name: split_and_class(path, True) for name, path in paths.items()}
    found = find_split_folders(root, paths.values())
    return {name: found.split_and_class(path) for name, path in paths.items()}


def _issues(name: str, label: str, masks: Mapping[Path, MaskContent]) -> Iterator[Issue]:
    """What is wrong with the masks of an image."""
    if not masks and not label:
        yield NO_MASK, name
    for file, content in masks.items():
        if content.problem:
            yield UNREADABLE, content.problem
        elif is_good(label) and not content.is_black:
            yield CONTRADICTORY, str(file)
        elif content.has_levels:
            yield LEVELS, str(file)


def _object(label: str, masks: Mapping[Path, MaskContent], good: str) -> ObjectAnnotation:
    """The object in an image, or the class of images without one."""
    files = tuple(file for file, content in masks.items() if not content.is_black)
    return ObjectAnnotation(good) if masks and not files else ObjectAnnotation(label or DEFECT, mask_files=files)
