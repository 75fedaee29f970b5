"""The images that label files refer to: their names below a folder, and their sizes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

from weakspot.data.decoding import read_orientation
from weakspot.data.formats.walk import images_below, without_suffix
from weakspot.data.orientation import upright_size
from weakspot.errors import InputError
from weakspot.io.text import plain_path

Size = tuple[int, int]

# Label Studio's prefix of the names of uploaded files, which its exports to other formats keep.
UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")


@dataclass(frozen=True)
class ImageIndex:
    """Images below a folder.

    Attributes:
        names: Relative paths, by the path without suffix.
        size_of: Returns ``(height, width)`` of the upright image; None if its file cannot be read.
        orientation_of: Returns the EXIF orientation, 1 to 8, of an image that can be read.
    """

    names: Mapping[str, tuple[str, ...]]
    size_of: Callable[[str], Size | None]
    orientation_of: Callable[[str], int] = lambda _: 1

    def find(self, name: str) -> str | None:
        """Find an image by its path, with its suffix or, if it is the only image of that name, without."""
        names = self.names.get(without_suffix(name), ())
        if name in names:
            return name
        return names[0] if len(names) == 1 and without_suffix(name) == name else None

    def match(self, name: str) -> str | None:
        """Find an image by its path; else the only image of its base name, if their folders agree.

        Label files may have more folders in their paths than the images, or none, and names of uploads have a prefix.
        Folders agree if one path is the end of the other: ``train/1.jpg`` is not ``val/1.jpg``. If no image
        has a name as it is written, backslashes separate folders, and surrounding blanks do not count.

        Example:
            >>> images = known_images({"cat/1.jpg": (480, 640), "2.jpg": (480, 640)})
            >>> images.match("1.jpg"), images.match("/home/me/2.jpg"), images.match("0a1b2c3d-2")
            ('cat/1.jpg', '2.jpg', '2.jpg')
            >>> images.match("dog/1.jpg") is None
            True
        """
        if ".." in name.replace("\\", "/").split("/"):
            return self.find(name)
        return self._match(name) or self._match(plain_path(name))

    def _match(self, name: str) -> str | None:
        if (found := self.find(name)) is not None:
            return found
        folder, slash, base = name.rpartition("/")
        for candidate in dict.fromkeys((base, UPLOAD_PREFIX.sub("", base))):
            bare = without_suffix(candidate)
            same_base = self._by_base_name.get(bare, [])
            if len(same_base) == 1 and _agree(same_base[0], f"{folder}{slash}{bare}"):
                return self.find(same_base[0] + candidate.removeprefix(bare))
        return None

    @cached_property
    def _by_base_name(self) -> dict[str, list[str]]:
        """Paths without suffix by their last part."""
        paths: dict[str, list[str]] = {}
        for name in self.names:
            paths.setdefault(name.rpartition("/")[2], []).append(name)
        return paths

    def size(self, name: str) -> Size | None:
        """Return ``(height, width)`` of an image by its path; None if it does not exist or cannot be read."""
        path = self.match(name)
        return None if path is None else self.size_of(path)

    def header(self, name: str) -> tuple[Size, int] | None:
        """Return ``(height, width)`` of the stored pixels and EXIF orientation, by path; None as :meth:`size`."""
        path = self.match(name)
        size = None if path is None else self.size_of(path)
        if path is None or size is None:
            return None
        orientation = self.orientation_of(path)
        return upright_size(size, orientation), orientation

    def as_stored(self) -> "ImageIndex":
        """Return the same images with the sizes of their stored pixels."""

        def stored_size(path: str) -> Size | None:
            header = self.header(path)
            return None if header is None else header[0]

        return replace(self, size_of=stored_size)


def _agree(one: str, other: str) -> bool:
    return f"/{one}".endswith(f"/{other}") or f"/{other}".endswith(f"/{one}")


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
    header = cache(lambda name: _header(files[name]))
    return ImageIndex(names, lambda name: header(name)[0], lambda name: header(name)[1])


def _header(path: Path) -> tuple[Size | None, int]:
    """Size of the upright image and EXIF orientation."""
    try:
        stored, orientation = read_orientation(path)
    except InputError:
        return None, 1
    return upright_size(stored, orientation), orientation
