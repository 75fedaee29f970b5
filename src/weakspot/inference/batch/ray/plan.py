"""Which images are in which part of a run: fixed before the first is localized, and never changed afterwards."""

import json
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from weakspot.errors import InputError
from weakspot.io.manifest import MANIFEST, ShardInfo, read_manifest, write_manifest
from weakspot.io.rows import to_jsonl
from weakspot.io.shards import row_files

IMAGES = "images.jsonl"
MOST_IN_A_PART = 1024
_PARTS_A_WORKER = 8


class ShardPlan(NamedTuple):
    """How images are cut into parts.

    Attributes:
        suffix: Of the parts' files: ``"jsonl"`` or ``"parquet"``.
        batch_size: Parts are whole batches, which are then those of a run in one process.
        workers: How many share the parts; there are several for each, as some take longer.
        size: Images in a part; None takes up to 1024, fewer where there are few.
    """

    suffix: str
    batch_size: int
    workers: int
    size: int | None = None

    def batches(self, images: int) -> int:
        """How many batches make a part, of so many images.

        Example:
            >>> ShardPlan("jsonl", 16, 2).batches(1000), ShardPlan("jsonl", 16, 2).batches(10**6)
            (3, 64)
        """
        wanted = self.size or min(MOST_IN_A_PART, images // (_PARTS_A_WORKER * self.workers))
        return max(1, wanted // self.batch_size)


def plan(folder: Path, images: Iterable[Path], how: ShardPlan) -> list[ShardInfo]:
    """Write down the images of a run that are new, and cut them into parts; those of an earlier plan stay as they are.

    Memory grows with the names of the images, since none is to be localized twice.

    Args:
        folder: Of the run. ``images.jsonl`` and ``manifest.json`` are written there.
        images: All images, known or new; one that comes again is passed over.
        how: How they are cut.

    Returns:
        All parts, those of an earlier plan first.

    Raises:
        InputError: If a file of the plan is damaged or cannot be written, or the folder holds rows without a plan.
    """
    _begin(folder)
    before = read_manifest(folder / MANIFEST)
    try:
        with (folder / IMAGES).open("a+b") as file:
            file.truncate(_end(file, before))
            offsets, count = _append(file, images, how.batch_size)
            os.fsync(file.fileno())
    except OSError as error:
        problem = f"{folder / IMAGES} cannot be written: {error.strerror}."
        raise InputError(problem, "Make room or name another --output; the same command then goes on.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / IMAGES} is damaged: {error}.", "Name another --output.") from error
    parts = [*before, *_cut(offsets, count, len(before), how)]
    if count:
        write_manifest(folder / MANIFEST, parts)
    return parts


def _begin(folder: Path) -> None:
    """Mark a folder as that of a plan, so that nobody's file is taken for a plan that was cut off."""
    if (folder / MANIFEST).exists():
        return
    strange = next((path for path in (folder / IMAGES, *row_files(folder)) if path.exists()), None)
    if strange is not None:
        raise InputError(f"{strange} is there already, and no {MANIFEST} of it.", "Name another --output.")
    write_manifest(folder / MANIFEST, [])


def unplan(folder: Path) -> None:
    """Take a plan without images back."""
    if (folder / MANIFEST).exists() and not read_manifest(folder / MANIFEST):
        for name in (IMAGES, MANIFEST):
            (folder / name).unlink(missing_ok=True)


def images_of(folder: Path, part: ShardInfo) -> list[str]:
    """The names of a part's images.

    Raises:
        InputError: If the plan cannot be read, as on a machine that does not share the folder.
    """
    try:
        with (folder / IMAGES).open("rb") as file:
            names = list(islice(_names(file, part.offset or 0), part.images))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / IMAGES} cannot be read: {error}.", "All machines must share --output, under the same path."
        ) from error
    if len(names) < part.images:
        raise InputError(f"{folder / IMAGES} was cut off.", "Name another --output.")
    return names


def _names(file: BinaryIO, offset: int = 0) -> Iterator[str]:
    file.seek(offset)
    return (json.loads(line)["image"] for line in file)


def _end(file: BinaryIO, parts: Sequence[ShardInfo]) -> int:
    """Where the images of the parts end: what follows was written by a run that was cut off while it planned."""
    if not parts:
        return 0
    file.seek(parts[-1].offset or 0)
    if not all(file.readline().endswith(b"\n") for _ in range(parts[-1].images)):
        raise ValueError("images that were planned are missing")
    return file.tell()


def _append(file: BinaryIO, images: Iterable[Path], batch_size: int) -> "tuple[array[int], int]":
    """Write the names that are new; give where each batch of them begins, and how many they are."""
    known = set(_names(file))
    at, count, offsets = file.seek(0, os.SEEK_END), 0, array("Q")
    for name in map(str, images):
        if name in known:
            continue
        known.add(name)
        if count % batch_size == 0:
            offsets.append(at)
        at, count = at + file.write(to_jsonl({"image": name})), count + 1
    return offsets, count


def _cut(offsets: Sequence[int], count: int, first: int, how: ShardPlan) -> Iterator[ShardInfo]:
    """Give the parts of so many images, whose batches begin at the offsets; ``first`` is the number of the first."""
    step = how.batches(count)
    most = step * how.batch_size
    for number, offset in enumerate(offsets[::step]):
        name = f"boxes-{first + number:06}.{how.suffix}"
        yield ShardInfo(name, min(most, count - number * most), offset)
