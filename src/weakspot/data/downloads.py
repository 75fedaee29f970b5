"""Fetch a benchmark's data set from where it is published: resumed, checked, unpacked."""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import (
    BaseHandler,
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from weakspot.data.archives import unpack, writing
from weakspot.errors import InputError, suggest

# What is being done, the bytes done, and the bytes in all.
Report = Callable[[str, int, int], None]

TIMEOUT_SECONDS = 30.0
# Waits after dropped connections that brought nothing new.
PAUSES = (1.0, 2.0, 4.0)
_BLOCK = 1 << 16
_TO_RETRY = frozenset({408, 425, 429, 500, 502, 503, 504})
# Only http and https: the usual opener would read local files and FTP, too.
_HANDLERS: tuple[Callable[[], BaseHandler], ...] = (
    ProxyHandler,
    HTTPHandler,
    HTTPSHandler,
    HTTPRedirectHandler,
    HTTPErrorProcessor,
    HTTPDefaultErrorHandler,
    UnknownHandler,
)


@dataclass(frozen=True)
class Archive:
    """A file to fetch, and what becomes of it.

    Attributes:
        url: Where it is published.
        file: Its name on disk.
        size: Its bytes.
        md5: Its MD5.
        top: The folder in it that is wanted.
        target: Where that folder goes.
        proof: What the target holds when it is there.
    """

    url: str
    file: str
    size: int
    md5: str
    top: str
    target: str
    proof: str


# The first target of a data set is its folder. The MD5s are those that projects which use these archives check.
DATA_SETS = {
    "cub": (
        Archive(
            url="https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz?download=1",
            file="CUB_200_2011.tgz",
            size=1_150_585_339,
            md5="97eceeb196236b17998738112f37df78",
            top="CUB_200_2011",
            target="CUB_200_2011",
            proof="images.txt",
        ),
        Archive(
            url="https://data.caltech.edu/records/w9d68-gec53/files/segmentations.tgz?download=1",
            file="segmentations.tgz",
            size=39_272_883,
            md5="4d47ba1228eae64f2fa547c47bc65255",
            top="segmentations",
            target="CUB_200_2011/segmentations",
            proof="001.Black_footed_Albatross",
        ),
    ),
}


class _DroppedError(Exception):
    """The connection dropped, or the server asked to be left alone for a while: trying again may help."""


def download(name: str, folder: str | Path, *, progress: Report | None = None) -> Path:
    """Fetch and unpack a data set, going on from what is there; nothing is asked of the network when all is there.

    The archives stay in the folder; they may be deleted.

    Args:
        name: Which one: ``"cub"``, CUB-200-2011 with its masks (1.2 GB to fetch, about twice that on disk).
        folder: Where to put the archives and the data set's own folder.
        progress: Called as ``progress(step, bytes_done, bytes_in_all)``.

    Returns:
        The data set's folder.

    Raises:
        InputError: If the name is not known; if an archive cannot be fetched, is not what its publisher states,
            or cannot be unpacked; if the disk is full or read-only; if something else stands in the folder's place.

    Source:
        Wah et al., "The Caltech-UCSD Birds-200-2011 Dataset", CNS-TR-2011-001,
        https://data.caltech.edu/records/65de6-vp158 and https://data.caltech.edu/records/w9d68-gec53.
    """
    if name not in DATA_SETS:
        known = f"It can fetch {', '.join(DATA_SETS)}."
        raise InputError(f"weakspot knows no data set {name!r}.", suggest(name, DATA_SETS, known))
    report = progress or _say_nothing
    missing = [archive for archive in DATA_SETS[name] if not _is_there(archive, Path(folder))]
    for archive in missing:
        packed = _fetch(archive, Path(folder), report)
        step = partial(report, f"unpacking {archive.file}")
        unpack(packed, Path(folder, archive.target), top=archive.top, progress=step)
    return Path(folder, DATA_SETS[name][0].target)


def _say_nothing(*_: object) -> None:
    pass


def _is_there(archive: Archive, folder: Path) -> bool:
    target = folder / archive.target
    if (target / archive.proof).exists():
        return True
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(f"{target} is in the way: it holds no {archive.proof}.", "Move it, or choose another folder.")
    return False


def _fetch(archive: Archive, folder: Path, report: Report) -> Path:
    packed = folder / archive.file
    if packed.exists():
        _check(packed, archive, f"Delete it, then run the same command again, or fetch {archive.url} by hand.")
        return packed
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    part = packed.with_name(f"{packed.name}.part")
    _complete(archive, part, partial(report, f"fetching {archive.file}"))
    try:
        again = f"It was removed: run the same command again, or fetch {archive.url} by hand to {packed}."
        _check(part, archive, again)
    except InputError:
        part.unlink()
        raise
    with writing(packed):
        return part.replace(packed)


def _check(packed: Path, archive: Archive, hint: str) -> None:
    try:
        with packed.open("rb") as file:
            got = hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise InputError(f"{packed} cannot be read: {error.strerror or error}.", hint) from error
    if got != archive.md5:
        raise InputError(f"{packed} is damaged: its MD5 is {got}, expected {archive.md5}.", hint)


def _complete(archive: Archive, part: Path, progress: Callable[[int, int], None]) -> None:
    """Fetch until all bytes are there; only connections that brought nothing new count as failures."""
    most, failures = _size(part), 0
    while _size(part) != archive.size:
        try:
            _fetch_rest(archive, part, progress)
        except _DroppedError as dropped:
            failures = 1 if _size(part) > most else failures + 1
            most = max(most, _size(part))
            if failures > len(PAUSES):
                raise _cannot_fetch(archive, part, str(dropped)) from dropped
            time.sleep(PAUSES[failures - 1])


def _fetch_rest(archive: Archive, part: Path, progress: Callable[[int, int], None]) -> None:
    have = _size(part)
    if have > archive.size:  # no part of this archive
        have = _remove(part)
    with _open(archive, have, part) as response:
        done = _first_byte(response, have, archive, part)
        with writing(part), part.open("ab" if done else "wb") as file:
            for block in _blocks(response, archive.size - done):
                file.write(block)
                done += len(block)
                progress(done, archive.size)
    if done < archive.size:
        raise _DroppedError("the connection dropped")


def _open(archive: Archive, have: int, part: Path) -> HTTPResponse:
    """Ask for the bytes from ``have`` on."""
    headers = {"User-Agent": "weakspot"}  # CaltechDATA is reported to turn urllib's own away
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response: HTTPResponse = _opener().open(Request(archive.url, headers=headers), timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        with error:
            raise _refused(error, archive, part) from error
    except (OSError, HTTPException) as error:
        raise _DroppedError(_reason(error)) from error
    except ValueError as error:  # no address at all
        raise _cannot_fetch(archive, part, _reason(error)) from error
    return response


def _opener() -> OpenerDirector:
    opener = OpenerDirector()
    for handler in _HANDLERS:
        opener.add_handler(handler())
    return opener


def _refused(error: HTTPError, archive: Archive, part: Path) -> Exception:
    answer = f"the server says {error.code} {error.reason}"
    if error.code == 416:  # what is there is no beginning of what the server has
        _remove(part)
        return _DroppedError(answer)
    return _DroppedError(answer) if error.code in _TO_RETRY else _cannot_fetch(archive, part, answer)


def _first_byte(response: HTTPResponse, have: int, archive: Archive, part: Path) -> int:
    """Where the bytes that the server sends begin: ``have``, or 0 if it does not know ranges."""
    ranged = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    first, size = (ranged[1], ranged[2]) if ranged else ("0", response.headers.get("Content-Length", "*"))
    if response.status not in (200, 206):
        raise _cannot_fetch(archive, part, f"the server says {response.status} {response.reason}")
    if (response.status == 206) != bool(ranged) or int(first) not in (0, have):
        _remove(part)
        raise _DroppedError("the server sent another part than was asked for")
    if size not in ("*", str(archive.size)):
        raise _cannot_fetch(archive, part, f"{size} bytes are there, expected {archive.size}")
    return int(first)


def _blocks(response: HTTPResponse, size: int) -> Iterator[bytes]:
    """At most ``size`` bytes of the answer."""
    try:
        while size and (block := response.read(min(_BLOCK, size))):
            size -= len(block)
            yield block
    except (OSError, HTTPException) as error:
        raise _DroppedError(_reason(error)) from error


def _cannot_fetch(archive: Archive, part: Path, reason: str) -> InputError:
    by_hand = f"Run the same command again to go on, or fetch it by hand to {part.with_name(archive.file)}."
    return InputError(f"{archive.url} cannot be fetched: {' '.join(reason.split())}.", by_hand)


def _reason(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _remove(path: Path) -> int:
    with writing(path):
        path.unlink(missing_ok=True)
    return 0
