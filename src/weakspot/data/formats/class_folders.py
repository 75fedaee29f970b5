"""Class folders: ``<class>/<name>.jpg``, or ``<split>/<class>/<name>.jpg``, at the root or in ``images/``.

A split may be called ``training_set`` or ``train_images``, and be nested in a folder of its own name
(``training_set/training_set/<class>``). All may be in one more folder, such as that of an archive.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from weakspot.data.dataset import Dataset, ObjectAnnotation, Sample
from weakspot.data.formats.walk import files_below, folders_in, images_below, is_image
from weakspot.errors import InputError

TRAINING = frozenset({"train", "training"})
VALIDATION = frozenset({"val", "valid", "validation", "dev"})
SPLITS = TRAINING | VALIDATION | {"test", "testing"}
# What follows or precedes the name of a split in the name of its folder.
_AROUND = re.compile(r"(?:(?:images?|imgs?|data)[ _-])?(.+?)(?:[ _-]?(?:set|images?|imgs?|data|folder))?")


def detect(root: Path) -> bool:
    """Return whether a folder contains folders of images."""
    return any("/" in name and is_image(name) for name in files_below(_image_folder(root)))


def load(root: Path, images: Path | None = None) -> Dataset:
    """Load class folders, by default in ``root/images`` if it exists, else ``root``: labels without boxes."""
    base = images or _image_folder(root)
    files = images_below(base)
    by_split = has_splits(files)
    _check_topmost(root, files)
    is_nested = by_split and all(map(_is_nested, files))
    # Without the outer folder of ``train/train``, paths have the usual form.
    inner = {image_id: image_id.partition("/")[2] if is_nested else image_id for image_id in files}
    samples = (
        Sample(image_id, path, *_split_and_objects(inner[image_id], by_split))
        for image_id, paths in files.items()
        for path in paths
    )
    names = classes_below(base, inner.values(), by_split, only_used=is_nested)
    return Dataset(root, "class folders", names, tuple(samples))


def _image_folder(root: Path) -> Path:
    if (root / "images").is_dir():
        return root / "images"
    files = images_below(root)
    folders = {name.partition("/")[0] for name in files}
    inner = {name.split("/")[1] for name in files if name.count("/") > 1}
    is_wrapped = len(folders) == 1 and len(inner) > 1 and all(name.count("/") > 1 for name in files)
    return _image_folder(root / folders.pop()) if is_wrapped and not has_splits(files) else root


def _is_nested(image_id: str) -> bool:
    """Return whether an image is in a folder ``train/train/<class>``."""
    parts = image_id.lower().split("/")
    return len(parts) > 3 and parts[0] == parts[1]


def _check_topmost(root: Path, image_ids: Iterable[str]) -> None:
    """Refuse folders of splits with classes that are next to other folders of images, which would all be classes."""
    folders = {tuple(image_id.split("/")[:-1][:2]) for image_id in image_ids if "/" in image_id}
    splits = sorted({parts[0] for parts in folders if len(parts) > 1 and split_name(parts[0])})
    others = sorted({parts[0] for parts in folders if not split_name(parts[0])})
    if (
        others
        and len({split_name(name) for name in splits}) > 1
        and any(split_name(name) in TRAINING for name in splits)
    ):
        problem = f"{root} has folders of splits ({', '.join(splits)}) next to others ({', '.join(others)})."
        raise InputError("unknown-layout", problem, "Move the others away, or list the labels in labels.csv.")


def split_name(folder: str) -> str:
    """Return the split that a folder is named after; empty if it is not named after one.

    Example:
        >>> split_name("Train"), split_name("training_set"), split_name("testing data"), split_name("trainer")
        ('train', 'training', 'testing', '')
    """
    name = folder.lower()
    match = _AROUND.fullmatch(name)
    return next((part for part in (name, match[1] if match else "") if part in SPLITS), "")


def has_splits(image_ids: Iterable[str]) -> bool:
    """Return whether the top-level folders of the images are splits, not classes.

    Example:
        >>> has_splits(["train/cat/a", "val/dog/b"]), has_splits(["test/a", "cat/b"])
        (True, False)
    """
    topmost = {image_id.partition("/")[0] for image_id in image_ids if "/" in image_id}
    return bool(topmost) and all(map(split_name, topmost))


def split_and_class(image_id: str, by_split: bool) -> tuple[str, str]:
    """Return the split and class of an image by its folders, each empty without such a folder."""
    folders = image_id.split("/")[:-1]
    split = split_name(folders.pop(0)) if by_split and folders else ""
    return split, folders[0] if folders else ""


def classes_below(
    base: Path, image_ids: Iterable[str], by_split: bool, *, only_empty: bool = False, only_used: bool = False
) -> tuple[str, ...]:
    """Return the sorted names of the class folders that contain an image, or no files at all, or either."""
    nonempty = {split_and_class(image_id, by_split)[1] for image_id in image_ids} - {""}
    if only_used:
        return tuple(sorted(nonempty))
    tops = [base / split for split in folders_in(base)] if by_split else [base]
    others = {top / name for top in tops for name in folders_in(top) if name not in nonempty}
    empty = {folder.name for folder in others if not any(files_below(folder))}
    return tuple(sorted(empty if only_empty else nonempty | empty))


def _split_and_objects(image_id: str, by_split: bool) -> tuple[str, tuple[ObjectAnnotation, ...]]:
    split, label = split_and_class(image_id, by_split)
    return split, (ObjectAnnotation(label),) if label else ()
