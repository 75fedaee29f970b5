"""The files of rows that ``weakspot localize`` writes of a run: one, or shards, and how these are called."""

import re
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from weakspot.errors import InputError

ROWS = "boxes.jsonl"
UNFINISHED = ".part"  # behind the name of a shard that is being written
_SHARD = re.compile(r"boxes-\d+(-of-\d+)?\.(jsonl|parquet)")
_ONE_OF = re.compile(r"boxes-(\d+)-of-(\d+)\.jsonl(\.part)?")


@dataclass(frozen=True)
class ShardSpec:
    """One of so many shares of a run's images, number 1 to ``count``, each of which becomes a shard."""

    number: int
    count: int

    @property
    def name(self) -> str:
        """What stands in the names of its files.

        Example:
            >>> ShardSpec(3, 8).name
            '00003-of-00008'
        """
        return f"{self.number:05}-of-{self.count:05}"

    def contains(self, image: str) -> bool:
        """Whether an image belongs to it: by a hash of its name, so that other images that come and go change nothing.

        Example:
            >>> [name for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg") if ShardSpec(1, 2).contains(name)]
            ['b.jpg', 'c.jpg']
        """
        digest = blake2b(image.encode(errors="surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest) % self.count == self.number - 1


def parse_shard(text: str) -> ShardSpec:
    """Read ``3/8``.

    Raises:
        InputError: If it is no number from 1 to another.

    Example:
        >>> parse_shard("3/8")
        ShardSpec(number=3, count=8)
    """
    found = re.fullmatch(r"0*(\d{1,5})/0*(\d{1,5})", text, re.ASCII)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise InputError(f"--shard {text} is no shard.", "Give number/count, from 1/8 to 8/8.")
    return ShardSpec(int(found[1]), int(found[2]))


def row_files(source: Path) -> tuple[Path, ...]:
    """The files of rows that are named: one itself, or those in a folder, in their order; none where it has none."""
    if source.suffix in (".jsonl", ".parquet") and not source.is_dir():
        return (source,)
    if not source.is_dir():
        return ()
    if (source / ROWS).is_file():
        return (source / ROWS,)
    return tuple(sorted(path for path in source.iterdir() if _SHARD.fullmatch(path.name)))


def skipped_file(rows: Path) -> Path:
    """The file that lists the images of a file of rows that were skipped, whether it is there or not.

    Example:
        >>> skipped_file(Path("found/boxes-000012.parquet")).name
        'skipped-000012.jsonl'
    """
    which = rows.name.partition(".")[0].removeprefix("boxes") if rows.name.startswith("boxes") else ""
    return rows.with_name(f"skipped{which}.jsonl")


def finished_shards(folder: Path) -> tuple[set[ShardSpec], list[int]]:
    """Find which shares of the images have a whole shard in a folder, and how many shares there are."""
    found = [match for path in folder.iterdir() if (match := _ONE_OF.fullmatch(path.name))]
    whole = {ShardSpec(int(match[1]), int(match[2])) for match in found if not match[3]}
    return whole, sorted({int(match[2]) for match in found})
