"""Names of images: paths relative to one folder, unique in label files."""

import os
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from weakspot.data.formats.walk import without_suffix
from weakspot.io.folders import recorded_path


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


def folder_of_review(
    folder: Path, settings: Mapping[str, Any], paths: Sequence[Path], moved: Path | None = None
) -> Path:
    """Return the folder that names in a review are relative to: the one that was localized.

    It is the deepest common one of all images if there were several sources.

    Args:
        folder: Output folder of ``weakspot localize``.
        settings: Its settings.
        paths: All images.
        moved: Folder in which the images are now, if they have moved.
    """
    sources = [recorded_path(Path(source), folder) for source in settings.get("sources", ())]
    candidates = [moved] if moved is not None else sources if len(sources) == 1 else []
    for candidate in candidates:
        root = Path(os.path.abspath(candidate))
        if all(Path(os.path.abspath(path)).is_relative_to(root) for path in paths) and root.is_dir():
            return folder_of_images(root, paths)
    return common_folder(paths)


def name_in_review(path: Path, folder: Path) -> str:
    """Return the name of an image in a review, relative to the folder of :func:`folder_of_review`."""
    return Path(os.path.relpath(path, folder)).as_posix()


def listed(names: Sequence[str]) -> str:
    """Return the first of some names as text.

    Example:
        >>> listed(["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
        'a.jpg, b.jpg, c.jpg, ...'
    """
    return ", ".join((*names[:3], "...") if len(names) > 3 else names)


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
