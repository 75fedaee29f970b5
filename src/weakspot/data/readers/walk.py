"""The files below a data set's folder, found in one pass."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from weakspot.data.sources import IMAGE_SUFFIXES
from weakspot.errors import InputError


def files_below(folder: Path) -> Iterator[str]:
    """Give the files below a folder, also behind symbolic links, in sorted order; hidden ones are left out.

    Yields:
        Paths from the folder on, with ``/``.

    Raises:
        InputError: If a folder may not be read.
    """
    yield from _below(folder, "", frozenset())


def _below(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    here = folder.stat()
    identity = (here.st_dev, here.st_ino)
    if identity in above:  # a link to a folder that it lies in
        return
    names, folders = _listed(folder)
    yield from (f"{prefix}{name}" for name in names)
    for name in folders:
        yield from _below(folder / name, f"{prefix}{name}/", above | {identity})


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    """The files of a folder, and its folders."""
    try:
        with os.scandir(folder) as entries:
            visible = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be read: {error.strerror}.", "Check its permissions.") from error
    return [name for name, is_folder in visible if not is_folder], [name for name, is_folder in visible if is_folder]


def folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones are left out.

    Raises:
        InputError: If the folder may not be read.
    """
    return _listed(folder)[1]


def is_file(path: Path) -> bool:
    """Tell whether a path is a file; one that cannot be, of a name too long or with a zero byte, is none."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises of a name too long


def is_image(name: str) -> bool:
    """Tell by its suffix whether a file is an image.

    Example:
        >>> is_image("cat/a.JPEG"), is_image("cat/a.v2")
        (True, False)
    """
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - a Path for each file is slow


def without_suffix(name: str) -> str:
    """Take the suffix of an image off its name.

    Example:
        >>> without_suffix("cat/a.jpg"), without_suffix("cat/a.v2")
        ('cat/a', 'cat/a.v2')
    """
    return name.rpartition(".")[0] if is_image(name) else name


def images_below(folder: Path) -> dict[str, list[Path]]:
    """Find the images below a folder.

    Returns:
        The files of each name, which is the path from the folder on without suffix. Mostly one file each.

    Raises:
        InputError: If a folder may not be read.
    """
    found: dict[str, list[Path]] = {}
    for name in files_below(folder):
        if is_image(name):
            found.setdefault(without_suffix(name), []).append(folder / name)
    return found


def first_containing(candidates: Iterable[Path], names: Iterable[str]) -> Path:
    """Choose the first folder which holds one of the first hundred names; else the first that exists.

    Args:
        candidates: Folders, at least one.
        names: Images, with or without suffix.
    """
    folders = list(candidates)
    asked = list(islice(names, 100))
    holding = (folder for folder in folders if folder.is_dir() and any(_holds(folder, name) for name in asked))
    existing = (folder for folder in folders if folder.is_dir())
    return next(holding, None) or next(existing, folders[0])


def _holds(folder: Path, name: str) -> bool:
    suffixes = [""] if is_image(name) else sorted(IMAGE_SUFFIXES)
    return any(is_file(folder / f"{name}{suffix}") for suffix in suffixes)
