"""Class folders: ``<class>/<name>.jpg``, or ``<split>/<class>/<name>.jpg``, at the root or in ``images/``."""

from collections.abc import Iterable
from pathlib import Path

from weakspot.data.dataset import Dataset, ObjectAnnotation, Sample
from weakspot.data.formats.walk import files_below, folders_in, images_below, is_image

TRAINING = frozenset({"train", "training"})
VALIDATION = frozenset({"val", "valid", "validation", "dev"})
SPLITS = TRAINING | VALIDATION | {"test", "testing"}


def detect(root: Path) -> bool:
    """Return whether a folder contains folders of images."""
    return any("/" in name and is_image(name) for name in files_below(_image_folder(root)))


def load(root: Path, images: Path | None = None) -> Dataset:
    """Load class folders, by default in ``root/images`` if it exists, else ``root``: labels without boxes."""
    base = images or _image_folder(root)
    files = images_below(base)
    by_split = has_splits(files)
    samples = (
        Sample(image_id, path, *_split_and_objects(image_id, by_split))
        for image_id, paths in files.items()
        for path in paths
    )
    return Dataset(root, "class folders", classes_below(base, files, by_split), tuple(samples))


def _image_folder(root: Path) -> Path:
    return root / "images" if (root / "images").is_dir() else root


def has_splits(image_ids: Iterable[str]) -> bool:
    """Return whether the top-level folders of the images are splits, not classes.

    Example:
        >>> has_splits(["train/cat/a", "val/dog/b"]), has_splits(["test/a", "cat/b"])
        (True, False)
    """
    topmost = {image_id.partition("/")[0].lower() for image_id in image_ids if "/" in image_id}
    return bool(topmost) and topmost <= SPLITS


def split_and_class(image_id: str, by_split: bool) -> tuple[str, str]:
    """Return the split and class of an image by its folders, each empty without such a folder."""
    folders = image_id.split("/")[:-1]
    split = folders.pop(0).lower() if by_split and folders else ""
    return split, folders[0] if folders else ""


def classes_below(base: Path, image_ids: Iterable[str], by_split: bool, only_empty: bool = False) -> tuple[str, ...]:
    """Return the sorted names of the class folders that contain an image (unless ``only_empty``) or no files at all."""
    nonempty = {split_and_class(image_id, by_split)[1] for image_id in image_ids} - {""}
    tops = [base / split for split in folders_in(base)] if by_split else [base]
    others = {top / name for top in tops for name in folders_in(top) if name not in nonempty}
    empty = {folder.name for folder in others if not any(files_below(folder))}
    return tuple(sorted(empty if only_empty else nonempty | empty))


def _split_and_objects(image_id: str, by_split: bool) -> tuple[str, tuple[ObjectAnnotation, ...]]:
    split, label = split_and_class(image_id, by_split)
    return split, (ObjectAnnotation(label),) if label else ()
