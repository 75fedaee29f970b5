"""Files with the same bytes, found without reading all of every file."""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path

TAIL = 4096


def exact_duplicates(sizes: Mapping[Path, int]) -> list[list[Path]]:
    """Group files of the same bytes: by size, then by their last bytes, then by all of them.

    Args:
        sizes: The files, and the number of bytes in each.

    Returns:
        Groups of two or more files, in the order in which they were given. Files that cannot be read are in none.
    """
    groups = _refined([list(sizes)], sizes.__getitem__)
    return _refined(_refined(groups, lambda path: _digest(path, TAIL)), _digest)


def _refined(groups: Iterable[list[Path]], key: Callable[[Path], Hashable]) -> list[list[Path]]:
    refined = []
    for group in groups:
        alike: dict[Hashable, list[Path]] = {}
        for path in group:
            alike.setdefault(key(path), []).append(path)
        refined += [paths for same, paths in alike.items() if len(paths) > 1 and same is not None]
    return refined


def _digest(path: Path, tail: int | None = None) -> bytes | None:
    """Digest the last bytes of a file, or all; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            if tail is not None:
                file.seek(max(0, path.stat().st_size - tail))
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        return None
