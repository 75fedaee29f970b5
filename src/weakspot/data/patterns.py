"""Match the files of glob patterns, without going round circles of links."""

import os
from collections.abc import Iterator
from glob import escape, has_magic, iglob
from pathlib import Path

from weakspot.data.folder_files import is_folder_entry

RECURSIVE = "**"


def is_pattern(source: str | Path) -> bool:
    """Return whether a source is a glob pattern, and not a file whose name looks like one."""
    return has_magic(str(source)) and not os.path.lexists(source)


def matches(pattern: str) -> Iterator[Path]:
    """Yield the paths that match a glob pattern, sorted; ``**`` stands for any number of folders that are not hidden.

    ``**`` enters links to folders, but each folder only once, because links may form circles.
    """
    return map(Path, sorted(set(_expanded(pattern.replace(os.altsep or os.sep, os.sep)))))


def _expanded(pattern: str) -> Iterator[str]:
    head, recursive, rest = _split(pattern)
    if not recursive:
        yield from iglob(head)
        return
    for start in iglob(head) if has_magic(head) else [head]:
        for folder in _folders_below(start):
            yield from _expanded(os.path.join(escape(folder), rest or "*"))  # noqa: PTH118 - a pattern


def _split(pattern: str) -> tuple[str, bool, str]:
    """Split a pattern at its first ``**``: what is before it, whether there is one, and what is after it."""
    parts = pattern.split(os.sep)  # noqa: PTH206 - a Path would change the pattern
    if RECURSIVE not in parts:
        return pattern, False, ""
    first = last = parts.index(RECURSIVE)
    while parts[last + 1 : last + 2] == [RECURSIVE]:  # several are the same as one
        last += 1
    head, rest = (os.sep.join(some) for some in (parts[:first], parts[last + 1 :]))  # noqa: PTH118
    return os.sep if parts[:first] == [""] else head, True, rest


def _folders_below(start: str) -> Iterator[str]:
    """Yield a folder and those below it, each once: by its own path if it has one, else by that of a link."""
    folders, links = [start], list[str]()
    seen = set[tuple[int, int]]()
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        try:
            status = os.stat(folder or os.curdir)  # noqa: PTH116 - paths of patterns are text
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder or os.curdir) as entries:
                below = [entry for entry in entries if not entry.name.startswith(".") and is_folder_entry(entry)]
        except OSError:  # not a folder, or it cannot be read
            continue
        yield folder
        for entry in below:
            path = os.path.join(folder, entry.name)  # noqa: PTH118
            (links if entry.is_symlink() else folders).append(path)
