"""Find files with equal bytes without reading every file in full."""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path

TAIL = 4096


def exact_duplicates(sizes: Mapping[Path, int]) -> list[list[Path]]:
    """Group files of equal bytes: by size in bytes, then by their last bytes, then by all of them.

    Groups have two or more files, in the order of ``sizes``. Files that cannot be read are in no group.
    """
    groups = _subdivide([list(sizes)], sizes.__getitem__)
    return _subdivide(_subdivide(groups, lambda path: _digest(path, TAIL)), _digest)


def _subdivide(groups: Iterable[list[Path]], key: Callable[[Path], Hashable]) -> list[list[Path]]:
    subgroups = []
    for group in groups:
        by_key: dict[Hashable, list[Path]] = {}
        for path in group:
            by_key.setdefault(key(path), []).append(path)
        subgroups += [paths for value, paths in by_key.items() if len(paths) > 1 and value is not None]
    return subgroups


def _digest(path: Path, tail: int | None = None) -> bytes | None:
    """Digest the last bytes of a file, or all of them; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            if tail is not None:
                file.seek(max(0, path.stat().st_size - tail))
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        return None
