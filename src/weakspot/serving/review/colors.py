"""Colors of small copies of images, kept in the folder of the review: without them, each start decodes images again."""

import json
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data import Sample
from weakspot.data.decoding import read_file
from weakspot.io.folders import is_file
from weakspot.io.row_writer import append_line
from weakspot.io.rows import to_jsonl

COLORS = "review_colors.jsonl"
SIDE = 8  # pixels of the copy

Pixels = NDArray[np.uint8]


class KnownColors:
    """Colors of small copies of images, each of which is decoded once, and again only if its file has changed.

    Args:
        file: JSON Lines with a row for each image that was decoded; it may be deleted at any time.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known = dict(_read(file))

    def of(self, sample: Sample) -> Pixels:
        """Return the colors of an image, as :func:`read_colors`."""
        key = _key(sample)
        if key not in self._known:
            self._known[key] = read_colors(sample)
            self._append({"key": key, "colors": self._known[key].tobytes().hex()})
        return self._known[key]

    def _append(self, row: Mapping[str, Any]) -> None:
        with suppress(OSError), self._file.open("ab", buffering=0) as stream:  # without it, the next start is slower
            append_line(stream, to_jsonl(row))


def read_colors(sample: Sample) -> Pixels:
    """Decode an image and return its colors, shape (SIDE, SIDE, 3); InputError if it cannot be decoded."""
    image = read_file(sample.path, draft=("RGB", (SIDE, SIDE))).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(image)


def _key(sample: Sample) -> str:
    """Return a hash of the name of an image, and of the size of its file and when it was changed."""
    try:
        status = sample.path.stat()
        file = f"{status.st_size}/{status.st_mtime_ns}"
    except OSError:  # it is told when the image is decoded
        file = ""
    return blake2b(f"{file}/{sample.image_id}".encode(errors="surrogateescape"), digest_size=16).hexdigest()


def _read(file: Path) -> Mapping[str, Pixels]:
    """Read the colors of images by key; damaged rows are passed over."""
    try:
        lines = file.read_bytes().splitlines() if is_file(file) else []
    except OSError:
        return {}
    found = {}
    for line in lines:
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            row = json.loads(line)
            found[str(row["key"])] = np.frombuffer(bytes.fromhex(row["colors"]), np.uint8).reshape(SIDE, SIDE, 3)
    return found
