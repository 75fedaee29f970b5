"""What a person says of images, one row per decision, in the file ``review.jsonl``.

::

    {"image": "cat/1.jpg", "status": "corrected", "objects": [{"label": "cat", "box": [10, 20, 110, 220]}],
     "size": [480, 640], "revision": 2, "sampling": {"round": "90ab12", "number": 7, "offer": "random", "right": false},
     "source": "person", "time": "2026-01-31T12:00:00+00:00"}

``image`` is the path relative to the folder of the images; boxes are ``[x1, y1, x2, y2]`` in pixels of the upright
image, whose size is ``[height, width]``, right and bottom excluded. ``sampling``, which older rows lack, is what an
estimate of the other images needs: see :class:`Sampling`. The last row of an image counts.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import FileIO
from math import isfinite
from pathlib import Path, PureWindowsPath
from typing import Any, Literal, NoReturn, cast, get_args

from weakspot.data.dataset import Box, ObjectAnnotation, Sample, round_box
from weakspot.errors import InputError
from weakspot.io.atomic import not_writable
from weakspot.io.folders import is_file
from weakspot.io.row_writer import append_line
from weakspot.io.rows import to_jsonl
from weakspot.io.text import FileLine, read_bytes, safe_relative_path

REVIEW = "review.jsonl"
Status = Literal["confirmed", "corrected", "empty", "untouched"]
Offer = Literal["typical", "uncertain", "random", "picked"]


@dataclass(frozen=True)
class Sampling:
    """How an image came to be touched, and whether its predicted boxes were right.

    Attributes:
        round: Hash of the predictions of all images: learning begins another round.
        number: Place of the image in the order in which images were touched, from 1 on.
        offer: ``typical``, ``uncertain`` or ``random`` if the review offered the image: as one of the typical ones of
            its class, by its uncertainty or at random; ``picked`` if the person chose it.
        right: Whether the person kept all boxes, or changed them so little that each has an IoU of at least 0.5.
    """

    round: str
    number: int
    offer: Offer
    right: bool


@dataclass(frozen=True)
class ReviewRow:
    """What a person says of an image.

    Attributes:
        image: Its path relative to the folder of the images, with ``/``.
        status: ``confirmed``: the predicted boxes are right; ``corrected``: they were changed, and one or more are
            left; ``empty``: the image holds no object; ``untouched``: an earlier decision is withdrawn.
        objects: Its objects, each with a box; none if it is empty.
        size: ``(height, width)`` of the upright image in pixels.
        revision: Number of decisions about the image before this one.
        sampling: How it came to be touched; None in rows of older versions, and if it is untouched.
    """

    image: str
    status: Status
    objects: tuple[ObjectAnnotation, ...]
    size: tuple[int, int]
    revision: int = 0
    sampling: Sampling | None = None

    def to_sample(self, path: Path) -> Sample:
        """Return the image at a path, with what the person says of it."""
        return Sample(
            self.image,
            path,
            objects=self.objects,
            size=self.size,
            status=self.status,
            by_uncertainty=self.sampling is not None and self.sampling.offer == "uncertain",
        )


def is_review(file: Path) -> bool:
    """Return whether a path is that of a review, by its suffix."""
    return file.suffix.lower() == Path(REVIEW).suffix


def find_review(source: Path) -> Path | None:
    """Return the file of a review, if a path is that file or its folder."""
    if is_review(source):
        return source
    return source / REVIEW if is_file(source / REVIEW) else None


def read_review(file: Path, find: Callable[[str], str | None] = lambda _: None) -> dict[str, ReviewRow]:
    """Read the last row of each image, by image, in the order of their first rows.

    A last line that is incomplete, as of a process that was killed, is ignored.

    Args:
        file: The file.
        find: Returns the image that a name refers to as it is written. If it returns None, as for a name that another
            system has written, the name is normalized.

    Raises:
        InputError: ``review-invalid`` with the line, ``path-outside``, ``file-not-found`` or ``file-unreadable``.
    """
    *lines, last = read_bytes(file).removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if _is_json(last):
        lines.append(last)
    rows = (_parse(line, FileLine(file, number), find) for number, line in enumerate(lines, start=1) if line.strip())
    return {row.image: row for row in rows}


def append_review(file: Path, row: ReviewRow) -> None:
    """Append a row, without buffering, so that it survives if the process is killed; the first row creates the file.

    An incomplete last line is removed. If the disk is full, earlier rows are kept.

    Raises:
        InputError: ``not-writable`` or ``disk-full``.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> cat = ObjectAnnotation("cat", (10.0, 20.0, 110.0, 220.0))
        >>> row = ReviewRow("cat/1.jpg", "corrected", (cat,), (480, 640))
        >>> with TemporaryDirectory() as folder:
        ...     append_review(Path(folder, REVIEW), row)
        ...     read_review(Path(folder, REVIEW)) == {"cat/1.jpg": row}
        True
    """
    line = to_jsonl(_record(row))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a+b", buffering=0) as stream:
            _end_last_line(stream)
            append_line(stream, line)
    except OSError as error:
        raise not_writable(file, error) from error


def _end_last_line(stream: FileIO) -> None:
    """Remove an incomplete last line; a row without a newline, as some editors leave it, gets one."""
    size = stream.seek(0, os.SEEK_END)
    if size == 0 or _last_byte(stream) == b"\n":
        return
    stream.seek(0)
    content = stream.readall()
    end = content.rfind(b"\n") + 1
    if _is_json(content[end:]):
        append_line(stream, b"\n")
    else:
        stream.truncate(end)


def _last_byte(stream: FileIO) -> bytes:
    stream.seek(-1, os.SEEK_END)
    return stream.read(1)


def _record(row: ReviewRow) -> dict[str, Any]:
    return {
        "image": row.image,
        "status": row.status,
        "objects": [{"label": item.label, "box": list(item.xyxy)} for item in row.objects],
        "size": list(row.size),
        "revision": row.revision,
        **({} if row.sampling is None else {"sampling": asdict(row.sampling)}),
        "source": "person",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _parse(line: bytes, where: FileLine, find: Callable[[str], str | None]) -> ReviewRow:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        _refuse(where, "it is not JSON")
    if not isinstance(row, dict):
        _refuse(where, "it is not a JSON object")
    image, status, revision = row.get("image"), row.get("status"), row.get("revision", 0)
    if not isinstance(image, str) or not image:
        _refuse(where, f"image must be a path, got {image!r}")
    if status not in get_args(Status):
        _refuse(where, f"status must be {', '.join(get_args(Status)[:-1])} or untouched, got {status!r}")
    if type(revision) is not int or revision < 0:
        _refuse(where, f"revision must be a number of decisions, got {revision!r}")
    objects = row.get("objects", [])
    if not isinstance(objects, list):
        _refuse(where, "objects must be a list")
    if status != "untouched" and (status == "empty") == bool(objects):
        _refuse(where, f"an image that is {status} has {len(objects)} objects")
    items = tuple(_object(item, where) for item in objects)
    found = find(image) if _stays_inside(image) else None
    name, size = found or safe_relative_path(image, where), _size(row.get("size"), where)
    return ReviewRow(name, cast(Status, status), items, size, revision, _sampling(row.get("sampling"), where))


def _stays_inside(name: str) -> bool:
    """Return whether a path as it is written stays within its folder, on any system."""
    path = PureWindowsPath(name)  # which has both separators, and drives
    return not path.anchor and ".." not in map(str.strip, path.parts)


def _sampling(value: Any, where: FileLine) -> Sampling | None:
    if value is None:
        return None
    fields = value if isinstance(value, dict) else {}
    name, number, offer, right = (cast(Any, fields.get(field)) for field in ("round", "number", "offer", "right"))
    counted = type(number) is int and number > 0
    if not (isinstance(name, str) and counted and offer in get_args(Offer) and isinstance(right, bool)):
        _refuse(where, f"sampling must have round, number, offer and right, got {value!r}")
    return Sampling(name, number, offer, right)


def _size(size: Any, where: FileLine) -> tuple[int, int]:
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int and side > 0 for side in size):
        _refuse(where, f"size must be [height, width] in pixels, got {size!r}")
    return size[0], size[1]


def _object(item: Any, where: FileLine) -> ObjectAnnotation:
    label, box = (item.get("label"), item.get("box")) if isinstance(item, dict) else (None, None)
    if not isinstance(label, str) or not label.strip():
        _refuse(where, f"label must be the name of a class, got {label!r}")
    if not isinstance(box, list) or [type(side) in (int, float) for side in box] != [True] * 4 or not _has_area(box):
        _refuse(where, f"box must be [x1, y1, x2, y2] with x1 < x2 and y1 < y2, got {box!r}")
    return ObjectAnnotation(label.strip(), round_box(cast(Box, box)))


def _has_area(box: list[float]) -> bool:
    try:
        x1, y1, x2, y2 = map(float, box)
    except OverflowError:
        return False
    return all(map(isfinite, (x1, y1, x2, y2))) and x1 < x2 and y1 < y2


def _refuse(where: FileLine, reason: str) -> NoReturn:
    hint = "Correct the line or delete it: the row of the image before it counts then."
    raise InputError("review-invalid", f"{where} is not a decision about an image: {reason}.", hint)
