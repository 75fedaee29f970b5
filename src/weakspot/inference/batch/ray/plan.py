"""Assign the images of a run to shards; the assignment is fixed before the first image is localized."""

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
MAX_IMAGES_PER_SHARD = 1024
_SHARDS_PER_WORKER = 8


class ShardPlan(NamedTuple):
    """How images are divided into shards.

    Attributes:
        suffix: Suffix of the files of the shards: ``"jsonl"`` or ``"parquet"``.
        batch_size: Batch size; shards consist of whole batches, so that batches equal those of a single process.
        workers: Number of workers; each processes several shards, because some take longer.
        images_per_shard: Images per shard; None uses up to 1024, fewer in a small run.
    """

    suffix: str
    batch_size: int
    workers: int
    images_per_shard: int | None = None

    def batches(self, images: int) -> int:
        """Return the number of batches per shard for a number of images.

        Example:
            >>> ShardPlan("jsonl", 16, 2).batches(1000), ShardPlan("jsonl", 16, 2).batches(10**6)
            (3, 64)
        """
        size = self.images_per_shard or min(MAX_IMAGES_PER_SHARD, images // (_SHARDS_PER_WORKER * self.workers))
        return max(1, size // self.batch_size)


def plan(folder: Path, images: Iterable[Path], shard_plan: ShardPlan) -> list[ShardInfo]:
    """Divide the new images of a run into shards and write the plan; shards of an earlier plan do not change.

    The plan is ``images.jsonl`` and ``manifest.json`` in the output folder. The paths of all images are held in memory,
    because no image must be localized twice. Returns all shards, those of an earlier plan first. Raises InputError
    ``damaged-file`` or ``not-writable`` for the plan, ``output-exists`` if the folder contains rows without a plan.
    """
    _begin(folder)
    earlier = read_manifest(folder / MANIFEST)
    try:
        with (folder / IMAGES).open("a+b") as file:
            file.truncate(_end(file, earlier))
            offsets, count = _append(file, images, shard_plan.batch_size)
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError("not-writable", f"Cannot write {folder / IMAGES}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        problem = f"{folder / IMAGES} is damaged: {error}."
        raise InputError("damaged-file", problem, "Use another --output.") from error
    shards = [*earlier, *_divide(offsets, count, len(earlier), shard_plan)]
    if count:
        write_manifest(folder / MANIFEST, shards)
    return shards


def _begin(folder: Path) -> None:
    """Mark a folder as planned, and reject one that contains files of another run."""
    if (folder / MANIFEST).exists():
        return
    existing = next((path for path in (folder / IMAGES, *row_files(folder)) if path.exists()), None)
    if existing is not None:
        problem = f"{existing} exists, and {MANIFEST} does not."
        raise InputError("output-exists", problem, "Use another --output.")
    write_manifest(folder / MANIFEST, [])


def unplan(folder: Path) -> None:
    """Delete a plan without images."""
    if (folder / MANIFEST).exists() and not read_manifest(folder / MANIFEST):
        for name in (IMAGES, MANIFEST):
            (folder / name).unlink(missing_ok=True)


def images_of(folder: Path, shard: ShardInfo) -> list[str]:
    """Return the paths of a shard's images.

    InputError ``plan-unreadable``, for example on a machine without the folder, or ``damaged-file``.
    """
    try:
        with (folder / IMAGES).open("rb") as file:
            names = list(islice(_names(file, shard.offset or 0), shard.images))
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"Cannot read {folder / IMAGES}: {error}."
        raise InputError("plan-unreadable", problem, "Share --output with all machines under the same path.") from error
    if len(names) < shard.images:
        raise InputError("damaged-file", f"{folder / IMAGES} is incomplete.", "Use another --output.")
    return names


def _names(file: BinaryIO, offset: int = 0) -> Iterator[str]:
    file.seek(offset)
    return (json.loads(line)["image"] for line in file)


def _end(file: BinaryIO, shards: Sequence[ShardInfo]) -> int:
    """Return the offset after the images of the shards; an interrupted plan may have written more."""
    if not shards:
        return 0
    file.seek(shards[-1].offset or 0)
    if not all(file.readline().endswith(b"\n") for _ in range(shards[-1].images)):
        raise ValueError("planned images are missing")
    return file.tell()


def _append(file: BinaryIO, images: Iterable[Path], batch_size: int) -> "tuple[array[int], int]":
    """Append the paths that are new; return the offset of each batch, and the number of new paths."""
    planned = set(_names(file))
    position, count, offsets = file.seek(0, os.SEEK_END), 0, array("Q")
    for name in map(str, images):
        if name in planned:
            continue
        planned.add(name)
        if count % batch_size == 0:
            offsets.append(position)
        position, count = position + file.write(to_jsonl({"image": name})), count + 1
    return offsets, count


def _divide(offsets: Sequence[int], count: int, first: int, shard_plan: ShardPlan) -> Iterator[ShardInfo]:
    """Yield the shards of ``count`` images; ``offsets`` are those of their batches, ``first`` is the first number."""
    step = shard_plan.batches(count)
    size = step * shard_plan.batch_size
    for number, offset in enumerate(offsets[::step]):
        name = f"boxes-{first + number:06}.{shard_plan.suffix}"
        yield ShardInfo(name, min(size, count - number * size), offset)
