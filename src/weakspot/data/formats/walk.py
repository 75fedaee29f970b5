"""Find the files below the folder of a data set."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from weakspot.data.folder_files import ARCHIVE_METADATA, IMAGE_SUFFIXES, is_folder_entry, is_special_entry
from weakspot.errors import InputError
from weakspot.io.folders import is_file


def files_below(folder: Path) -> Iterator[str]:
    """Yield the files below a folder in sorted order, as relative paths with ``/``.

    Symbolic links are followed. Hidden files and folders are skipped, as are pipes, sockets and devices.
    """
    yield from _below(folder, "", frozenset())


def _below(folder: Path, prefix: str, parents: frozenset[tuple[int, int]]) -> Iterator[str]:
    status = folder.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in parents:  # a link to one of its parent folders
        return
    names, folders = _entries(folder)
    yield from (f"{prefix}{name}" for name in names)
    for name in folders:
        yield from _below(folder / name, f"{prefix}{name}/", parents | {identity})


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """The files of a folder, and its folders."""
    try:
        with os.scandir(folder) as entries:
            names = (entry for entry in entries if not entry.name.startswith(".") and entry.name != ARCHIVE_METADATA)
            visible = sorted((entry.name, is_folder_entry(entry)) for entry in names if not is_special_entry(entry))
    except OSError as error:
        raise InputError("folder-unreadable", f"Cannot read the folder {folder}: {error.strerror}.") from error
    return [name for name, is_folder in visible if not is_folder], [name for name, is_folder in visible if is_folder]


def folders_in(folder: Path) -> list[str]:
    """Return the sorted names of the folders in a folder, without hidden ones."""
    return _entries(folder)[1]


def is_image(name: str) -> bool:
    """Return whether a file is an image, by its suffix."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - a Path for each file is slow


def without_suffix(name: str) -> str:
    """Remove the suffix of an image from its name.

    Example:
        >>> without_suffix("cat/a.jpg"), without_suffix("cat/a.v2")
        ('cat/a', 'cat/a.v2')
    """
    return name.rpartition(".")[0] if is_image(name) else name


def images_below(folder: Path) -> dict[str, list[Path]]:
    """Find the images below a folder by name, the relative path without suffix; most names have one file."""
    files: dict[str, list[Path]] = {}
    for name in files_below(folder):
        if is_image(name):
            files.setdefault(without_suffix(name), []).append(folder / name)
    return files


def images_outside_masks(folder: Path, root: Path) -> dict[str, list[Path]]:
    """Find the images below a folder as :func:`images_below`, without ``masks/`` if it is the root of the data set."""
    files = images_below(folder)
    return {name: paths for name, paths in files.items() if folder != root or not name.startswith("masks/")}


def first_containing(candidates: Iterable[Path], names: Iterable[str]) -> Path:
    """Return the first folder that contains one of the first hundred names, else the first that exists.

    Names are those of images, with or without suffix.
    """
    folders = list(candidates)
    first_names = list(islice(names, 100))
    containing = (folder for folder in folders if folder.is_dir() and any(_has(folder, name) for name in first_names))
    existing = (folder for folder in folders if folder.is_dir())
    return next(containing, None) or next(existing, folders[0])


def _has(folder: Path, name: str) -> bool:
    suffixes = [""] if is_image(name) else sorted(IMAGE_SUFFIXES)
    return any(is_file(folder / f"{name}{suffix}") for suffix in suffixes)
