"""Class folders: ``<class>/<name>.jpg``, or ``<split>/<class>/<name>.jpg``, at the root or in ``images/``."""

from collections.abc import Iterable
from pathlib import Path

from weakspot.data.dataset import Annotation, Dataset, Sample
from weakspot.data.readers.walk import files_below, folders_in, images_below, is_image

TRAINING = frozenset({"train", "training"})
VALIDATION = frozenset({"val", "valid", "validation", "dev"})
SPLITS = TRAINING | VALIDATION | {"test", "testing"}


def detect(root: Path) -> bool:
    """Tell whether a folder holds folders of images."""
    base = root / "images" if (root / "images").is_dir() else root
    return any("/" in name and is_image(name) for name in files_below(base))


def load(root: Path, images: Path | None = None) -> Dataset:
    """Read class folders: labels without boxes.

    Args:
        root: The data set.
        images: The folder of the class folders; default ``root/images`` if there is one, else ``root``.

    Raises:
        InputError: If a folder may not be read.
    """
    base = images or (root / "images" if (root / "images").is_dir() else root)
    found = images_below(base)
    by_split = has_splits(found)
    examples = (
        Sample(image_id, path, *_split_and_truths(image_id, by_split))
        for image_id, paths in found.items()
        for path in paths
    )
    return Dataset(root, "class folders", classes_below(base, found, by_split), tuple(examples))


def has_splits(image_ids: Iterable[str]) -> bool:
    """Tell whether the topmost folders of the images are splits, not classes.

    Sample:
        >>> has_splits(["train/cat/a", "val/dog/b"]), has_splits(["test/a", "cat/b"])
        (True, False)
    """
    topmost = {image_id.partition("/")[0].lower() for image_id in image_ids if "/" in image_id}
    return bool(topmost) and topmost <= SPLITS


def split_and_class(image_id: str, by_split: bool) -> tuple[str, str]:
    """Read the folders that an image lies in.

    Args:
        image_id: Path of the image from the folder of the class folders on.
        by_split: Whether the topmost folders are splits, see :func:`has_splits`.

    Returns:
        Split and class, each empty where there is none.

    Sample:
        >>> split_and_class("train/cat/a", by_split=True), split_and_class("cat/a", by_split=False)
        (('train', 'cat'), ('', 'cat'))
    """
    folders = image_id.split("/")[:-1]
    split = folders.pop(0).lower() if by_split and folders else ""
    return split, folders[0] if folders else ""


def classes_below(base: Path, image_ids: Iterable[str], by_split: bool, only_empty: bool = False) -> tuple[str, ...]:
    """Name the class folders.

    Args:
        base: The folder of the class folders.
        image_ids: The images in them.
        by_split: Whether the topmost folders are splits.
        only_empty: Leave out those that hold an image.

    Returns:
        Sorted names of the folders that hold an image or nothing at all.
    """
    filled = {split_and_class(image_id, by_split)[1] for image_id in image_ids} - {""}
    tops = [base / split for split in folders_in(base)] if by_split else [base]
    others = {top / name for top in tops for name in folders_in(top) if name not in filled}
    empty = {folder.name for folder in others if not any(files_below(folder))}
    return tuple(sorted(empty if only_empty else filled | empty))


def _split_and_truths(image_id: str, by_split: bool) -> tuple[str, tuple[Annotation, ...]]:
    split, label = split_and_class(image_id, by_split)
    return split, (Annotation(label),) if label else ()
