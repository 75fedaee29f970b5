"""Unique names of images in label files: paths relative to one folder."""

import os
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from weakspot.data.formats.walk import without_suffix


def common_folder(paths: Sequence[Path]) -> Path:
    """Return the deepest common folder of all images."""
    return Path(os.path.commonpath([os.path.abspath(path.parent) for path in paths])) if paths else Path.cwd()


def folder_of_images(folder: Path, paths: Sequence[Path]) -> Path:
    """Return the folder of the images: the subfolder ``images`` if it contains all of them.

    Names are then those of the data set, and paths do not contain ``images`` twice.

    Example:
        >>> folder_of_images(Path("/birds"), [Path("/birds/images/wren/1.jpg")]).as_posix()
        '/birds/images'
    """
    inner = Path(os.path.abspath(folder / "images"))
    return inner if paths and all(Path(os.path.abspath(path)).is_relative_to(inner) for path in paths) else folder


def names_below(folder: Path, paths: Sequence[Path]) -> list[str]:
    """Name images by their paths relative to a folder, with ``/``.

    Formats name label files by the image without its suffix: of ``a.jpg`` and ``a.png`` in a folder the second becomes
    ``a-2.png``.
    """
    names = [Path(os.path.abspath(path)).relative_to(os.path.abspath(folder)).as_posix() for path in paths]
    used: set[str] = set()
    reserved = {without_suffix(name).casefold() for name in names}
    return [_unique_name(name, used, reserved) for name in names]


def _unique_name(name: str, used: set[str], reserved: set[str]) -> str:
    """The name, or one with a number that is unused, ignoring case as some file systems do."""
    bare = without_suffix(name)
    suffix = name.removeprefix(bare)
    numbered = (f"{bare}-{number}" for number in count(2))
    if bare.casefold() in used:
        bare = next(candidate for candidate in numbered if candidate.casefold() not in used | reserved)
    used.add(bare.casefold())
    return bare + suffix
