"""Write files so that a reader finds either the old one or the whole new one."""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from PIL import Image

from weakspot.errors import InputError

_TEMPORARY = ".weakspot-"


@contextmanager
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path`` for writing, and rename it to ``path`` at the end.

    Folders are made. When the block raises, the temporary file goes and ``path`` stays as it was.

    Args:
        path: The file.
        durable: Whether all of it is to be on the disk before it has its name, so that a power cut leaves no half.

    Raises:
        InputError: If the file cannot be written: read-only, disk full, a folder in its place.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with atomic_write(Path(folder, "new", "a.txt")) as file:
        ...         _ = file.write(b"whole")
        ...     Path(folder, "new", "a.txt").read_text()
        'whole'
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=_TEMPORARY, delete=False) as file:
            try:
                yield file
                file.flush()
                if durable:
                    os.fsync(file.fileno())
                Path(file.name).chmod(0o666 & ~_umask())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        if not _is_about(path, error):
            raise  # about another file, in the caller's block
        raise InputError(f"{path} cannot be written: {error.strerror or error}.", "Choose another output.") from error


def save_image(image: Image.Image, path: Path) -> None:
    """Write an image by way of a temporary name; the suffix says the format.

    Raises:
        InputError: If the suffix is no image format, or the file cannot be written.
    """
    format_ = Image.registered_extensions().get(path.suffix.lower())
    if format_ not in Image.SAVE:
        raise InputError(f"{path} does not end in the name of an image format.", "End it in .png or .jpg.")
    with atomic_write(path) as file:
        try:
            image.save(file, format=format_)
        except (ValueError, OverflowError, struct.error) as error:
            problem = f"{path} cannot hold an image of {image.width} x {image.height} pixels: {error}."
            raise InputError(problem, "Take another format, such as .png.") from error


def _is_about(path: Path, error: OSError) -> bool:
    """Whether an error is about writing a file: itself, its folders, its temporary name, or no name at all."""
    about = None if error.filename is None else Path(os.fsdecode(error.filename))
    return about is None or about in (path, *path.parents) or about.name.startswith(_TEMPORARY)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
