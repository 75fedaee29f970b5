"""Files of visitors, in a folder that only this process can read; no other file is ever read for a visitor."""

import atexit
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from weakspot.errors import InputError

_MAX_BYTES = 2**30


@cache
def _create_folder() -> Path:
    """Create the folder of this process, which is deleted when the process ends."""
    folder = Path(mkdtemp(prefix="weakspot-page-")).resolve()
    atexit.register(rmtree, folder, ignore_errors=True)
    return folder


def private_folder() -> Path:
    """Return the folder of uploads and downloads, and let Gradio use it."""
    os.environ["GRADIO_TEMP_DIR"] = str(_create_folder())
    return _create_folder()


def is_full() -> bool:
    """Return whether the files of all visitors together need too much disk; Gradio deletes them after minutes."""
    files = (Path(folder, name) for folder, _, names in os.walk(private_folder()) for name in names)
    total = 0
    for file in files:
        with suppress(FileNotFoundError):  # it was deleted meanwhile
            total += file.stat().st_size
    return total > _MAX_BYTES


def is_uploaded(path: object) -> bool:
    """Whether a value is the path of a file in the private folder, in any spelling."""
    if not isinstance(path, str) or "\0" in path or not path.startswith("/"):
        return False
    try:
        resolved = Path(path).resolve()
        return resolved.is_relative_to(private_folder()) and resolved.is_file()
    except (OSError, RuntimeError):  # the name is too long, or links form a loop
        return False


def read_upload(payload: Any, max_bytes: int) -> tuple[bytes, str]:
    """Read an uploaded file from the browser's description of it: bytes, undecoded, and name on the visitor's disk.

    Raises:
        InputError: ``upload-not-found`` if it is not an uploaded file, ``file-too-large`` if it is too large.
    """
    path = payload.get("path") if isinstance(payload, dict) else None
    if not isinstance(path, str) or not is_uploaded(path):
        raise InputError("upload-not-found", "The file was not uploaded here.", "Upload it again.")
    if Path(path).stat().st_size > max_bytes:
        raise InputError("file-too-large", f"The file must be at most {max_bytes // 2**20} MB.")
    name = payload.get("orig_name")
    return Path(path).read_bytes(), name if isinstance(name, str) else Path(path).name


def write_download(content: bytes, name: str) -> Path:
    """Write a file for a visitor to download; Gradio deletes it later."""
    file = Path(mkdtemp(dir=private_folder())) / name
    file.write_bytes(content)
    return file
