"""Files in folders of images that are neither images nor label files, and are passed over."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from weakspot.data import heif
from weakspot.data.folder_files import IMAGE_SUFFIXES, files_in, special_files_in
from weakspot.data.image_files import is_special
from weakspot.data.patterns import is_pattern, matches
from weakspot.io.folders import is_folder

# Suffixes and names of files that belong to data sets, and hold no images.
COMPANIONS = frozenset(
    {".cfg", ".csv", ".data", ".doc", ".docx", ".html", ".ini", ".ipynb", ".json", ".jsonl", ".labels", ".log", ".mat"}
    | {".md", ".names", ".npy", ".npz", ".parquet", ".pkl", ".py", ".rst", ".toml", ".tsv", ".txt", ".xls", ".xlsx"}
    | {".xml", ".yaml", ".yml", ".db", ".onnx", ".pt", ".pth", ".safetensors", ".ckpt", ".h5", ".sh"}
)
NAMES = frozenset({"license", "licence", "readme", "makefile", "authors", "copying", "changelog", "notice"})
MAX_NAMED = 3


def passed_over(sources: Iterable[str | Path]) -> Iterator[Path]:
    """Yield what is passed over: HEIC without its package, video, PDF, archives, unknown files, pipes, devices.

    These are the files of folders, folders that cannot be read, and what patterns match that is not a file. Other
    sources are ignored, as are hidden files and label files.
    """
    for source in sources:
        if is_folder(Path(source)):
            yield from (file for file in files_in(source) if _is_unknown(file))
            yield from special_files_in(source)
        elif is_pattern(source):
            yield from filter(is_special, matches(str(source)))


def _is_unknown(file: Path) -> bool:
    suffix = file.suffix.lower()
    known = IMAGE_SUFFIXES | COMPANIONS
    return suffix not in known and file.name.lower() not in NAMES


def describe_passed_over(files: Sequence[Path]) -> str:
    """Return a sentence with the number of files of each suffix, the first names, and what to do; empty if none.

    Example:
        >>> describe_passed_over([Path("a/1.mp4"), Path("a/2.MP4")])
        '2 files are passed over, as they are not readable as images: 2 .mp4 (a/1.mp4, a/2.MP4).'
    """
    if not files:
        return ""
    counts = Counter(file.suffix.lower() or "without suffix" for file in files)
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common())
    names = ", ".join(map(str, files[:MAX_NAMED])) + (", ..." if len(files) > MAX_NAMED else "")
    verb = "files are passed over, as they are" if len(files) > 1 else "file is passed over, as it is"
    hint = f" {heif.INSTALL}" if heif.SUFFIXES & counts.keys() else ""
    return f"{len(files)} {verb} not readable as images: {kinds} ({names}).{hint}"
