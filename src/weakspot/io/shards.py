"""Names of the files of rows of a run of ``weakspot localize``: one file, or several shards."""

import re
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from weakspot.errors import InputError

ROWS = "boxes.jsonl"
UNFINISHED = ".part"  # suffix of a shard that is being written
_SHARD = re.compile(r"boxes-\d+(-of-\d+)?\.(jsonl|parquet)")
_ONE_OF = re.compile(r"boxes-(\d+)-of-(\d+)\.jsonl(\.part)?")


@dataclass(frozen=True)
class ShardSpec:
    """Part of a run's images, number 1 to ``count``, written to its own shard."""

    number: int
    count: int

    @property
    def name(self) -> str:
        """Part of its file names, such as ``00003-of-00008``."""
        return f"{self.number:05}-of-{self.count:05}"

    def contains(self, image: str) -> bool:
        """Return whether an image belongs to the part, by a hash of its name, so independently of other images."""
        digest = blake2b(image.encode(errors="surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest) % self.count == self.number - 1


def parse_shard(text: str) -> ShardSpec:
    """Parse a part such as ``3/8``; InputError ``shard-invalid``."""
    match = re.fullmatch(r"0*(\d{1,5})/0*(\d{1,5})", text, re.ASCII)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError("shard-invalid", f"--shard must be number/count, such as 3/8, got {text}.")
    return ShardSpec(int(match[1]), int(match[2]))


def row_files(source: Path) -> tuple[Path, ...]:
    """Return the files of rows of a path: the file itself, or those of a folder in order, possibly none."""
    if source.suffix in (".jsonl", ".parquet") and not source.is_dir():
        return (source,)
    if not source.is_dir():
        return ()
    if (source / ROWS).is_file():
        return (source / ROWS,)
    return tuple(sorted(path for path in source.iterdir() if _SHARD.fullmatch(path.name)))


def skipped_file(rows: Path) -> Path:
    """Return the path of the list of skipped images of a file of rows; it may not exist."""
    shard = rows.name.partition(".")[0].removeprefix("boxes") if rows.name.startswith("boxes") else ""
    return rows.with_name(f"skipped{shard}.jsonl")


def finished_shards(folder: Path) -> tuple[set[ShardSpec], list[int]]:
    """Return the parts with a finished shard in a folder, and the numbers of parts that its shards belong to."""
    matches = [match for path in folder.iterdir() if (match := _ONE_OF.fullmatch(path.name))]
    finished = {ShardSpec(int(match[1]), int(match[2])) for match in matches if not match[3]}
    return finished, sorted({int(match[2]) for match in matches})
