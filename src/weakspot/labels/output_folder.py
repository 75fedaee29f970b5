"""Folders of labels that are there as a whole or not at all, and images in them."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

from weakspot.errors import InputError
from weakspot.io.folders import check_writable

LinkMode = Literal["link", "copy", "none"]

# A folder with this file holds what weakspot label wrote.
SETTINGS = "label.toml"


def check_output_free(folder: Path, *, overwrite: bool = False) -> None:
    """Refuse a folder that holds something, unless it was written by weakspot label and may be overwritten.

    Raises:
        InputError: If it holds something or cannot be written to.
    """
    check_writable(folder)
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not overwrite:
        raise InputError(f"{folder} exists and is not empty.", "Name another --output, or give --overwrite.")
    if not (folder / SETTINGS).is_file():
        raise InputError(f"{folder} was not written by weakspot label.", "Name another --output.")


def check_output_apart(folder: Path, sources: Iterable[Path]) -> None:
    """Refuse to replace a folder that holds what is read: corrected labels would go, and links would lead nowhere.

    Raises:
        InputError: If a source lies in the folder.
    """
    there = folder.resolve()
    inside = (source for source in sources if source.resolve().is_relative_to(there))
    first = next(inside, None) if folder.exists() else None
    if first is not None:
        raise InputError(f"{folder} holds {first}, which is read.", "Name another --output.")


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder beside another, and rename it to that at the end.

    What was in the folder goes only then. When the block raises, the temporary folder goes instead.

    Raises:
        InputError: If it cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(mkdtemp(dir=folder.parent, prefix=".weakspot-"))
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}.", "Choose another --output.") from error
    try:
        new = temporary / "new"
        new.mkdir()
        yield new
        _exchange(new, folder, temporary / "old")
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written: {error.strerror or error}.", "Choose another --output."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(new: Path, folder: Path, old: Path) -> None:
    """Rename a folder to another, which is put aside; if that fails or is interrupted, the other is put back."""
    try:
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise


def link_or_copy(source: Path, target: Path, how: LinkMode) -> None:
    """Link or copy an image to where a format has it.

    A link is a symbolic one to the file itself, not to another link, which may go; where the system refuses it, a hard
    link, and else a copy.

    Raises:
        InputError: If the image cannot be read or written.
    """
    if how == "none":
        return
    ways: tuple[Callable[[Path, Path], object], ...]
    ways = (shutil.copyfile,) if how == "copy" else (_symbolic_link, os.link, shutil.copyfile)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for way in ways[:-1]:
            with suppress(OSError):
                way(source.resolve(), target)
                return
        ways[-1](source.resolve(), target)
    except OSError as error:
        problem = f"{source} cannot be put to {target}: {error.strerror}."
        raise InputError(problem, "Check both, or take --image-files none.") from error


def _symbolic_link(source: Path, target: Path) -> None:
    target.symlink_to(source)
