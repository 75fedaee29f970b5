"""Temporary files and folders that are renamed when they are complete, and what killed processes left of them."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile, mkdtemp
from typing import IO

from weakspot.io.os_locks import NO_FOLLOW, NoLocksError, is_at, try_lock

PREFIX = ".weakspot-"
_FILE = re.compile(re.escape(PREFIX) + "[a-z0-9_]{8}")  # as the module tempfile names files
OUTPUT_IMAGES = ("heatmaps", "masks", "plots")  # their subfolders


@contextmanager
def temporary_file(folder: Path) -> Iterator[IO[bytes]]:
    """Open a file in a folder that no other process removes while it is open; it is deleted if the block fails."""
    while True:
        file = NamedTemporaryFile(dir=folder, prefix=PREFIX, delete=False)  # noqa: SIM115 - closed below
        with suppress(NoLocksError):
            if not (try_lock(file.fileno()) and is_at(file.fileno(), Path(file.name))):
                file.close()  # another process has just taken it for one that was left behind
                continue
        break
    with file:
        try:
            yield file
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def remove_temporary_files(folder: Path) -> None:
    """Delete the temporary files that killed processes left in a folder of results; those in use are kept."""
    for place in (folder, *(path for name in OUTPUT_IMAGES for path in _folders_below(folder / name))):
        with suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                if _FILE.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    _remove_abandoned(Path(entry.path))


def _folders_below(folder: Path) -> Iterator[Path]:
    return (Path(path) for path, _, _ in os.walk(folder) if not os.path.islink(folder))  # noqa: PTH114 - for each


def _remove_abandoned(file: Path) -> None:
    """Delete a file unless a process has it locked; on a file system without locks nobody knows."""
    with suppress(OSError):
        descriptor = os.open(file, os.O_RDWR | NO_FOLLOW)
        try:
            if try_lock(descriptor) and is_at(descriptor, file):
                file.unlink()
        finally:
            os.close(descriptor)


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """Create a folder next to a path that the caller has locked, for what is to be renamed to it.

    What remains in it at the end is deleted, and so are the temporary folders of the path that killed processes left.
    """
    for abandoned in abandoned_folders(target):
        shutil.rmtree(abandoned, ignore_errors=True)
    folder = Path(mkdtemp(dir=target.parent, prefix=_prefix(target)))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def abandoned_folders(target: Path) -> list[Path]:
    """Return the temporary folders of a path that the caller has locked, so that none is in use."""
    name = re.compile(re.escape(_prefix(target)) + "[a-z0-9_]{8}")
    return [path for path in target.parent.iterdir() if name.fullmatch(path.name) and path.is_dir()]


def _prefix(target: Path) -> str:
    """Begin the names of temporary folders by a hash, since the name of the target may be as long as names can be."""
    return f"{PREFIX}{blake2b(os.fsencode(target.name), digest_size=4).hexdigest()}-"
