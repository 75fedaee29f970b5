"""Names of images in label files: paths below one folder, no two alike."""

import os
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from weakspot.data.readers.walk import without_suffix


def common_folder(paths: Sequence[Path]) -> Path:
    """Find the deepest folder that all images lie below.

    Example:
        >>> common_folder([Path("/photos/cat/1.jpg"), Path("/photos/dog/1.jpg")]).as_posix()
        '/photos'
    """
    return Path(os.path.commonpath([os.path.abspath(path.parent) for path in paths])) if paths else Path.cwd()


def folder_of_images(folder: Path, paths: Sequence[Path]) -> Path:
    """Give the folder that names count from: of a data set that keeps all images in ``images``, that one.

    So images have the same names as in the data set, and no folder ``images`` comes twice in a path.

    Args:
        folder: What a user has named.
        paths: The images below it.

    Example:
        >>> folder_of_images(Path("/birds"), [Path("/birds/images/wren/1.jpg")]).as_posix()
        '/birds/images'
    """
    inner = Path(os.path.abspath(folder / "images"))
    return inner if paths and all(Path(os.path.abspath(path)).is_relative_to(inner) for path in paths) else folder


def names_below(folder: Path, paths: Sequence[Path]) -> list[str]:
    """Name images by their paths from a folder on, with ``/``.

    Images in different folders stay in different folders. Formats name label files by the image without its suffix:
    of ``a.jpg`` and ``a.png`` in one folder the second becomes ``a-2.png``.

    Args:
        folder: A folder that all images lie below.
        paths: The images.

    Example:
        >>> names_below(Path("/p"), [Path("/p/cat/1.jpg"), Path("/p/dog/1.jpg"), Path("/p/dog/1.png")])
        ['cat/1.jpg', 'dog/1.jpg', 'dog/1-2.png']
    """
    wanted = [Path(os.path.abspath(path)).relative_to(os.path.abspath(folder)).as_posix() for path in paths]
    taken: set[str] = set()
    given = {without_suffix(name).casefold() for name in wanted}
    return [_free(name, taken, given) for name in wanted]


def _free(name: str, taken: set[str], given: set[str]) -> str:
    """The name, or one with a number that nobody has; some file systems do not tell upper case from lower."""
    bare = without_suffix(name)
    suffix = name.removeprefix(bare)
    numbered = (f"{bare}-{number}" for number in count(2))
    if bare.casefold() in taken:
        bare = next(one for one in numbered if one.casefold() not in taken | given)
    taken.add(bare.casefold())
    return bare + suffix
