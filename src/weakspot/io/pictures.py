"""Find the file of an image or mask below a folder that has been moved."""

import os
from pathlib import Path


def find_below(folder: Path, path: Path, suffix: str = "") -> Path | None:
    """Find the file below a folder whose path ends most like another's; None where there is none.

    A path is tried whole, then without its first folder, and so on: it was written from another working folder
    perhaps. What is found never lies outside of the folder.

    Args:
        folder: Where to look.
        path: The path whose ends are tried.
        suffix: Appended to each.
    """
    if not folder.is_dir():
        return None
    parts = Path(os.path.abspath(path)).parts[1:]
    tails = (folder.joinpath(*parts[first:-1], parts[-1] + suffix) for first in range(len(parts)))
    return next((tail for tail in tails if _is_file(tail)), None)


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises of a name too long
