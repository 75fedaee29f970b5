"""Class folders: ``<class>/<name>.jpg``, or ``<split>/<class>/<name>.jpg``, at the root or in ``images/``.

A split may be called ``training_set`` or ``seg_train``, and be nested in a folder of its own name
(``training_set/training_set/<class>``): see :mod:`weakspot.data.formats.split_folders`. All may be in one more folder,
such as that of an archive.

Images of ``good``, ``ok`` or ``normal`` have no object if all others are ``bad``, ``ng``, ``defect`` or the like: see
:func:`weakspot.data.formats.good_classes.find_background`.
"""

from collections.abc import Iterable
from pathlib import Path

from weakspot.data.dataset import Dataset, ObjectAnnotation, Sample
from weakspot.data.formats.good_classes import find_background
from weakspot.data.formats.split_folders import find_split_folders, split_name
from weakspot.data.formats.walk import files_below, folders_in, images_below, is_image


def detect(root: Path) -> bool:
    """Return whether a folder contains folders of images."""
    return any("/" in name and is_image(name) for name in files_below(image_folder(root)))


def load(root: Path, images: Path | None = None) -> Dataset:
    """Load class folders, by default in ``root/images`` if it exists, else ``root``: labels without boxes.

    Raises InputError ``unknown-layout`` as :func:`weakspot.data.formats.split_folders.find_split_folders`.
    """
    base = images or image_folder(root)
    files = images_below(base)
    found = find_split_folders(base, files)
    samples = tuple(
        Sample(image_id, path, split, (ObjectAnnotation(label),) if label else ())
        for image_id, paths in files.items()
        for split, label in [found.split_and_class(image_id)]
        for path in paths
    )
    used = {item.label for sample in samples for item in sample.objects}
    is_plain = found.depth == (1 if found.splits else 0)
    empty = empty_classes(base, files, bool(found.splits)) if is_plain else ()
    background = find_background(samples)
    return Dataset(root, "class folders", tuple(sorted({*used, *empty})), samples, background=background)


def image_folder(root: Path) -> Path:
    """Return the folder of the class folders: ``images`` or the root, or one in it that contains all images."""
    if (root / "images").is_dir():
        return root / "images"
    files = images_below(root)
    folders = {name.partition("/")[0] for name in files}
    inner = {name.split("/")[1] for name in files if name.count("/") > 1}
    is_wrapped = len(folders) == 1 and len(inner) > 1 and all(name.count("/") > 1 for name in files)
    return image_folder(root / folders.pop()) if is_wrapped and not has_splits(files) else root


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


def empty_classes(base: Path, image_ids: Iterable[str], by_split: bool) -> tuple[str, ...]:
    """Return the sorted names of the class folders without any file."""
    nonempty = {split_and_class(image_id, by_split)[1] for image_id in image_ids} - {""}
    tops = [base / split for split in folders_in(base)] if by_split else [base]
    others = {top / name for top in tops for name in folders_in(top) if name not in nonempty}
    return tuple(sorted({folder.name for folder in others if not any(files_below(folder))}))
