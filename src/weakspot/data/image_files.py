"""Open image files; whatever goes wrong while an image is read is an error of that image."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISREG, S_ISSOCK
from typing import BinaryIO

from weakspot.errors import InputError, WeakspotError

# What torch (a RuntimeError) and decoders of Pillow (an OSError) say instead of a MemoryError.
_OUT_OF_MEMORY = ("not enough memory", "decoder error -9")
# Files that hold no image: reading them may never end, or do something else.
_SPECIAL = ((S_ISDIR, "folder"), (S_ISFIFO, "pipe"), (S_ISSOCK, "socket"), (S_ISCHR, "device"), (S_ISBLK, "device"))


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryIO]:
    """Open an image file for reading.

    Raises:
        InputError: ``image-not-found``; ``image-unreadable`` if it is not a regular file or cannot be read; whatever
            else is raised before it is closed, as :func:`errors_of_image` says.
    """
    _check_regular(path)
    with errors_of_image(str(path)), path.open("rb") as file:
        yield file


def _check_regular(path: Path) -> None:
    """Raise InputError unless a path is a regular file; it is not opened, as this may block."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise InputError("image-not-found", f"{path} does not exist.") from error
    except (OSError, ValueError) as error:  # a ValueError: a zero byte in the name
        raise _unreadable(str(path), error) from error
    if not S_ISREG(mode):
        kind = next((kind for is_kind, kind in _SPECIAL if is_kind(mode)), "special file")
        raise InputError("image-unreadable", f"{path} is a {kind}, not an image.")


def is_special(path: str | Path) -> bool:
    """Return whether a path exists and is neither a regular file nor a folder: a pipe, a socket or a device."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a Path for each file is slow
    except (OSError, ValueError):
        return False
    return not (S_ISREG(mode) or S_ISDIR(mode))


@contextmanager
def errors_of_image(name: str) -> Iterator[None]:
    """Raise whatever is raised while an image is decoded or resized as an error of the image.

    Args:
        name: Name of the image in messages.

    Raises:
        InputError: ``image-unreadable`` for an input/output error; ``decoding-out-of-memory``; ``damaged-image`` for
            all else. Errors of weakspot are left as they are.

    Example:
        >>> with errors_of_image("cat.jpg"):
        ...     int("a header")
        Traceback (most recent call last):
        ...
        weakspot.errors.InputError: cat.jpg is damaged: invalid literal for int() with base 10: 'a header'.
    """
    try:
        yield
    except WeakspotError:
        raise
    except Exception as error:  # decoders raise any type
        raise error_of_image(name, error) from error


def error_of_image(name: str, error: Exception) -> InputError:
    """Return the error of an image for what decoding or resizing raised."""
    if isinstance(error, MemoryError) or any(words in str(error) for words in _OUT_OF_MEMORY):
        return InputError("decoding-out-of-memory", f"{name} needs too much memory to be decoded.")
    if isinstance(error, OSError) and error.errno is not None:
        return _unreadable(name, error)
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError("damaged-image", f"{name} is damaged: {reason.removesuffix('.')}.")


def _unreadable(name: str, error: Exception) -> InputError:
    return InputError("image-unreadable", f"Cannot read {name}: {getattr(error, 'strerror', None) or error}.")
