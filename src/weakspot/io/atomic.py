"""Write files atomically: a reader finds either the old file or the complete new one."""

import errno
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from PIL import Image

from weakspot.errors import InputError
from weakspot.io.temporary_files import PREFIX, temporary_file


@contextmanager
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[IO[bytes]]:
    """Open a temporary file next to ``path`` for writing, and rename it to ``path`` at the end.

    Missing folders are created. If the block raises, the temporary file is deleted and ``path`` is unchanged. A
    ``durable`` file is flushed to disk before it is renamed, so that a power cut cannot truncate it. Raises InputError:
    ``not-writable`` or ``disk-full``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_file(path.parent) as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            Path(file.name).chmod(0o666 & ~_umask())
            Path(file.name).replace(path)
    except OSError as error:
        if not _is_about(path, error):
            raise  # it concerns another file, in the caller's block
        raise not_writable(path, error) from error


def save_image(image: Image.Image, path: Path) -> None:
    """Write an image atomically, in the format of the suffix.

    Raises InputError: ``unknown-format``, ``image-too-large`` for the format, ``not-writable`` or ``disk-full``.
    """
    format_ = Image.registered_extensions().get(path.suffix.lower())
    if format_ not in Image.SAVE:
        problem = f"{path} must end in the suffix of an image format."
        raise InputError("unknown-format", problem, "For example .png or .jpg.")
    with atomic_write(path) as file:
        try:
            image.save(file, format=format_, compress_type=zlib.Z_RLE)  # PNG: as small, and four times as fast
        except (ValueError, OverflowError, struct.error) as error:
            problem = f"Cannot write {image.width} x {image.height} pixels to {path}: {error}."
            raise InputError("image-too-large", problem, "Choose another format, such as .png.") from error


def not_writable(path: Path, error: OSError, hint: str = "") -> InputError:
    """Return the InputError for a file that cannot be written: ``disk-full`` or ``not-writable``."""
    code = "disk-full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "not-writable"
    return InputError(code, f"Cannot write {path}: {error.strerror or error}.", hint)


def _is_about(path: Path, error: OSError) -> bool:
    """Return whether an error concerns the file, its folders or its temporary file, or names no file."""
    name = None if error.filename is None else Path(os.fsdecode(error.filename))
    return name is None or name in (path, *path.parents) or name.name.startswith(PREFIX)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
