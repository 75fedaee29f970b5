"""The images that label files are about: their names below a folder, and their sizes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from weakspot.data.decoding import read_sizes
from weakspot.data.readers.walk import images_below, without_suffix
from weakspot.errors import InputError

Size = tuple[int, int]


@dataclass(frozen=True)
class Photos:
    """Images below a folder.

    Attributes:
        names: The paths from the folder on, by the path without suffix.
        size_of: Gives ``(height, width)`` of the upright image; None where its file cannot be read.
    """

    names: Mapping[str, tuple[str, ...]]
    size_of: Callable[[str], Size | None]

    def find(self, name: str) -> str | None:
        """Find an image by its path, with the suffix or, where only one has that name, without it."""
        named = self.names.get(without_suffix(name), ())
        if name in named:
            return name
        return named[0] if len(named) == 1 and without_suffix(name) == name else None

    def size(self, name: str) -> Size | None:
        """Give ``(height, width)`` of an image by its path; None where there is none, or it cannot be read."""
        path = self.find(name)
        return None if path is None else self.size_of(path)


def photos_below(folder: Path) -> Photos:
    """Find the images below a folder; sizes are read from headers when they are asked for.

    Raises:
        InputError: If there is no such folder, or it may not be read.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder of images {folder}.", "Name it with --images.")
    names = {
        key: tuple(path.relative_to(folder).as_posix() for path in paths) for key, paths in images_below(folder).items()
    }
    return Photos(names, cache(lambda name: _upright_size(folder / name)))


def known_photos(sizes: Mapping[str, Size]) -> Photos:
    """Take images whose sizes are known.

    Example:
        >>> known_photos({"cat/1.jpg": (480, 640)}).find("cat/1")
        'cat/1.jpg'
    """
    names: dict[str, tuple[str, ...]] = {}
    for name in sizes:
        names[without_suffix(name)] = (*names.get(without_suffix(name), ()), name)
    return Photos(names, sizes.get)


def photos_of(files: Mapping[str, Path]) -> Photos:
    """Take files by the names that they are given; sizes are read from headers when they are asked for."""
    names = known_photos(dict.fromkeys(files, (0, 0))).names
    return Photos(names, cache(lambda name: _upright_size(files[name])))


def _upright_size(path: Path) -> Size | None:
    try:
        return read_sizes(path)[1]
    except InputError:
        return None
