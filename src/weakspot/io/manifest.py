"""Manifests of runs whose rows are in shards: which images are where, and what is still missing."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from weakspot.errors import InputError
from weakspot.io.atomic import atomic_write
from weakspot.io.rows import count_rows
from weakspot.io.run_files import RUN_FILE
from weakspot.io.shards import ROWS, ShardSpec, finished_shards, row_files
from weakspot.io.text import read_text

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ShardInfo:
    """A file of rows, as a manifest has it.

    Attributes:
        file: Its name.
        images: How many images it is of.
        offset: Where these begin in the list of all images, in bytes; None where there is no such list.
        localized: How many of them have a row; None while it is not written.
        skipped: How many could not be localized; None likewise.
    """

    file: str
    images: int
    offset: int | None = None
    localized: int | None = None
    skipped: int | None = None


def write_manifest(file: Path, shards: Sequence[ShardInfo], **said: Any) -> None:
    """Write how many images are in which shard, and in all.

    Args:
        file: Where to.
        shards: In the order of their images.
        said: What else to say, first.
    """
    total = {name: sum(getattr(one, name) or 0 for one in shards) for name in ("images", "localized", "skipped")}
    lines = ",\n".join(json.dumps(asdict(one)) for one in shards)
    head = json.dumps(said | total)[:-1]
    with atomic_write(file, durable=True) as target:
        target.write(f'{head}, "shards": [\n{lines}\n]}}\n'.encode())


def read_manifest(file: Path) -> list[ShardInfo]:
    """Read what :func:`write_manifest` wrote; nothing where there is no file.

    Raises:
        InputError: If it is no manifest.
    """
    if not file.exists():
        return []
    try:
        return [ShardInfo(**one) for one in json.loads(read_text(file))["shards"]]
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file} is no manifest of a run: {error}.", "Name another --output.") from error


def finished_row_files(folder: Path) -> tuple[Path, ...]:
    """The files of rows in a folder; none where there is no run of ``weakspot localize``.

    Raises:
        InputError: If a run was begun there, and no file is whole yet.
    """
    files = row_files(folder)
    if not files and (missing := missing_shards(folder)):
        name, why = next(iter(missing.items()))
        raise InputError(f"{folder} has no whole shard yet: {name}: {why}.", "Let the run come to its end first.")
    return files


def missing_shards(folder: Path) -> dict[str, str]:
    """Say what is missing of a run that was shared out: the names of files, and what to do about each."""
    if not (folder / RUN_FILE).is_file() or (folder / ROWS).is_file():
        return {}
    found = {}
    for manifest in sorted(folder.glob("manifest*.json")):
        for one in read_manifest(manifest):
            there = count_rows(folder / one.file)
            if not (folder / one.file).exists():
                found[one.file] = f"its {one.images} images are not localized yet: go on with the same command"
            elif one.localized is not None and there < one.localized:
                found[one.file] = f"it has {there} rows of {one.localized}: go on with the same command"
    return found | _missing_shares(folder)


def _missing_shares(folder: Path) -> dict[str, str]:
    whole, counts = finished_shards(folder)
    every = (ShardSpec(number, count) for count in counts for number in range(1, count + 1))
    missing = (one for one in every if one not in whole)
    return {
        f"boxes-{one.name}.jsonl": f"it is not whole: go on with --shard {one.number}/{one.count}" for one in missing
    }
