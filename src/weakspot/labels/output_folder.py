"""Write label folders atomically, and link or copy images into them."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from weakspot.errors import InputError
from weakspot.io.folder_lock import LOCK, folder_lock
from weakspot.io.folders import LABEL_FILE, check_writable
from weakspot.io.temporary_files import abandoned_folders, temporary_folder

LinkMode = Literal["link", "copy", "none"]

_HINT = "Choose another --output."
_OLD = "old"  # where a folder is while another takes its name


def check_output_free(folder: Path, *, overwrite: bool = False) -> None:
    """Check that a folder is empty, or is output of weakspot label and may be overwritten."""
    if not folder.exists() or _is_empty(folder):
        return
    if not overwrite:
        raise InputError("folder-exists", f"{folder} is not empty.", "Choose another --output, or add --overwrite.")
    if not (folder / LABEL_FILE).is_file():
        raise InputError("folder-exists", f"{folder} is not output of weakspot label.", _HINT)


def check_output_apart(folder: Path, sources: Iterable[Path]) -> None:
    """Check that the output folder does not contain inputs, which would be deleted."""
    output = folder.resolve()
    inside = (source for source in sources if source.resolve().is_relative_to(output))
    first = next(inside, None) if folder.exists() else None
    if first is not None:
        raise InputError("output-contains-input", f"{folder} contains the input {first}.", _HINT)


def _is_empty(folder: Path) -> bool:
    """Return whether a folder has nothing but the lock of this process."""
    return not any(not path.name.startswith(LOCK) for path in folder.iterdir())


@contextmanager
def output_lock(folder: Path) -> Iterator[None]:
    """Hold the output folder; if a process was killed while it replaced the folder, the folder that it had is back."""
    check_writable(folder)
    with folder_lock(folder):
        for abandoned in abandoned_folders(folder):
            if (abandoned / _OLD).is_dir() and _is_empty(folder):
                for path in (abandoned / _OLD).iterdir():
                    path.rename(folder / path.name)
        yield


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder, which replaces another folder at the end; the caller holds the lock of the latter.

    If the block raises, the temporary folder is deleted and the other folder is unchanged.
    """
    try:
        with temporary_folder(folder) as temporary:
            new = temporary / "new"
            new.mkdir()
            yield new
            _exchange(new, folder, temporary / _OLD)
    except OSError as error:
        raise InputError("not-writable", f"Cannot write {folder}: {error.strerror or error}.", _HINT) from error


def _exchange(new: Path, folder: Path, old: Path) -> None:
    """Move a folder away and rename another to its name; on failure, move it back."""
    try:
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise


def link_or_copy(source: Path, target: Path, how: LinkMode) -> None:
    """Link or copy an image to its path in a format.

    A link is a symbolic link to the file itself, not to another link; if the system refuses it, a hard link, else a
    copy.
    """
    if how == "none":
        return
    methods: tuple[Callable[[Path, Path], object], ...]
    methods = (shutil.copyfile,) if how == "copy" else (os.symlink, os.link, shutil.copyfile)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for method in methods[:-1]:
            with suppress(OSError):
                method(source.resolve(), target)
                return
        methods[-1](source.resolve(), target)
    except OSError as error:
        hint = "Use --image-files none to leave out the images."
        raise InputError("not-writable", f"Cannot copy {source} to {target}: {error.strerror}.", hint) from error
