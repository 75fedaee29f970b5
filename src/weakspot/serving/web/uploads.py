"""Files of visitors: in a folder that only this process can read, and nothing else is ever read for them."""

import atexit
import os
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from weakspot.errors import InputError

_NOT_UPLOADED = ("This is not a photo that was uploaded here.", "Drop, paste or pick it once more.")


@cache
def _made() -> Path:
    """One for the process; it goes when the process ends."""
    folder = Path(mkdtemp(prefix="weakspot-page-")).resolve()
    atexit.register(rmtree, folder, ignore_errors=True)
    return folder


def private_folder() -> Path:
    """The folder that uploads and downloads lie in; Gradio is told to use it, too."""
    os.environ["GRADIO_TEMP_DIR"] = str(_made())
    return _made()


def is_uploaded(path: object) -> bool:
    """Whether this is the path of a file in the private folder, whatever it is spelled like."""
    if not isinstance(path, str) or "\0" in path or not path.startswith("/"):
        return False
    try:
        found = Path(path).resolve()
        return found.is_relative_to(private_folder()) and found.is_file()
    except (OSError, RuntimeError):  # too long a name, links in a circle
        return False


def read_upload(payload: Any, max_bytes: int) -> tuple[bytes, str]:
    """Read an uploaded file; it is not decoded.

    Args:
        payload: What the browser says about it.
        max_bytes: Larger ones are refused.

    Returns:
        Its bytes, and its name on the visitor's disk.

    Raises:
        InputError: If it is no uploaded file, or too large.
    """
    path = payload.get("path") if isinstance(payload, dict) else None
    if not isinstance(path, str) or not is_uploaded(path):
        raise InputError(*_NOT_UPLOADED)
    if Path(path).stat().st_size > max_bytes:
        raise InputError(f"The file is larger than {max_bytes // 2**20} MB.", "Make it smaller, or save it as JPEG.")
    name = payload.get("orig_name")
    return Path(path).read_bytes(), name if isinstance(name, str) else Path(path).name


def write_download(content: bytes, name: str) -> Path:
    """Write a file that a visitor is about to fetch; Gradio deletes it after a while."""
    file = Path(mkdtemp(dir=private_folder())) / name
    file.write_bytes(content)
    return file
