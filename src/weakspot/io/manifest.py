"""Manifests of sharded runs: which images are in which shard, and which shards are incomplete."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from weakspot.errors import InputError
from weakspot.io.atomic import atomic_write
from weakspot.io.folders import RUN_FILE
from weakspot.io.rows import count_rows
from weakspot.io.shards import ROWS, ShardSpec, finished_shards, row_files
from weakspot.io.text import read_text

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ShardInfo:
    """A shard as recorded in a manifest: its file of rows and its number of images.

    ``offset`` is the byte offset of its first image in the list of all images, or None if the run has no such list. The
    numbers of images with a row, ``localized``, and without one, ``skipped``, are None until the shard is written.
    """

    file: str
    images: int
    offset: int | None = None
    localized: int | None = None
    skipped: int | None = None


def write_manifest(file: Path, shards: Sequence[ShardInfo], **metadata: Any) -> None:
    """Write the shards in the order of their images, after the metadata and the totals."""
    total = {name: sum(getattr(shard, name) or 0 for shard in shards) for name in ("images", "localized", "skipped")}
    lines = ",\n".join(json.dumps(asdict(shard)) for shard in shards)
    head = json.dumps(metadata | total)[:-1]
    with atomic_write(file, durable=True) as target:
        target.write(f'{head}, "shards": [\n{lines}\n]}}\n'.encode())


def read_manifest(file: Path) -> list[ShardInfo]:
    """Read the shards of a manifest; a missing file has none. Raises InputError ``manifest-invalid``."""
    if not file.exists():
        return []
    try:
        return [ShardInfo(**shard) for shard in json.loads(read_text(file))["shards"]]
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            "manifest-invalid", f"{file} is not a manifest: {error}.", "Choose another --output."
        ) from error


def finished_row_files(folder: Path) -> tuple[Path, ...]:
    """Return the files of rows in a folder; none if the folder is not a run of ``weakspot localize``.

    Raises InputError ``run-incomplete`` if the run has no complete shard yet.
    """
    files = row_files(folder)
    if not files and (missing := missing_shards(folder)):
        name, reason = next(iter(missing.items()))
        raise InputError("run-incomplete", f"{folder} has no complete shard: {name} {reason}.")
    return files


def missing_shards(folder: Path) -> dict[str, str]:
    """Return the incomplete shards of a run: for each file name, what is missing and how to continue."""
    if not (folder / RUN_FILE).is_file() or (folder / ROWS).is_file():
        return {}
    missing = {}
    for manifest in sorted(folder.glob("manifest*.json")):
        for shard in read_manifest(manifest):
            rows = count_rows(folder / shard.file)
            if not (folder / shard.file).exists():
                missing[shard.file] = f"is missing ({shard.images} images); run the same command again"
            elif shard.localized is not None and rows < shard.localized:
                missing[shard.file] = f"has {rows} of {shard.localized} rows; run the same command again"
    return missing | _missing_specs(folder)


def _missing_specs(folder: Path) -> dict[str, str]:
    finished, counts = finished_shards(folder)
    specs = (ShardSpec(number, count) for count in counts for number in range(1, count + 1))
    return {
        f"boxes-{spec.name}.jsonl": f"is incomplete; continue with --shard {spec.number}/{spec.count}"
        for spec in specs
        if spec not in finished
    }
