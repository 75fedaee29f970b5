"""The images that label files refer to: their names below a folder, and their sizes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from weakspot.data.decoding import read_sizes
from weakspot.data.formats.walk import images_below, without_suffix
from weakspot.errors import InputError

Size = tuple[int, int]


@dataclass(frozen=True)
class ImageIndex:
    """Images below a folder.

    Attributes:
        names: Relative paths, by the path without suffix.
        size_of: Returns ``(height, width)`` of the upright image; None if its file cannot be read.
    """

    names: Mapping[str, tuple[str, ...]]
    size_of: Callable[[str], Size | None]

    def find(self, name: str) -> str | None:
        """Find an image by its path, with its suffix or, if it is the only image of that name, without."""
        names = self.names.get(without_suffix(name), ())
        if name in names:
            return name
        return names[0] if len(names) == 1 and without_suffix(name) == name else None

    def size(self, name: str) -> Size | None:
        """Return ``(height, width)`` of an image by its path; None if it does not exist or cannot be read."""
        path = self.find(name)
        return None if path is None else self.size_of(path)


def index_images(folder: Path) -> ImageIndex:
    """Index the images below a folder; their sizes are read on demand.

    Raises:
        InputError: ``folder-not-found`` or ``folder-unreadable``.
    """
    if not folder.is_dir():
        raise InputError("folder-not-found", f"The folder of images {folder} does not exist.", "Set --images.")
    paths = (path for group in images_below(folder).values() for path in group)
    return index_files({path.relative_to(folder).as_posix(): path for path in paths})


def known_images(sizes: Mapping[str, Size]) -> ImageIndex:
    """Index images of known sizes.

    Example:
        >>> known_images({"cat/1.jpg": (480, 640)}).find("cat/1")
        'cat/1.jpg'
    """
    names: dict[str, tuple[str, ...]] = {}
    for name in sizes:
        names[without_suffix(name)] = (*names.get(without_suffix(name), ()), name)
    return ImageIndex(names, sizes.get)


def index_files(files: Mapping[str, Path]) -> ImageIndex:
    """Index files by name; their sizes are read on demand."""
    names = known_images(dict.fromkeys(files, (0, 0))).names
    return ImageIndex(names, cache(lambda name: _upright_size(files[name])))


def _upright_size(path: Path) -> Size | None:
    try:
        return read_sizes(path)[1]
    except InputError:
        return None
