"""Unpack an archive from elsewhere without trusting it.

Only regular files and folders are taken, each name is checked, and each file is written anew by weakspot itself:
``extractall`` and its filters are not used, since links have led past the filter of several Python releases.
"""

import errno
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import IO, Literal

from weakspot.errors import InputError

MAX_RATIO = 200
MAX_MEMBERS = 200_000
# So that a small file of zeros is not taken for a bomb.
_ALWAYS_ALLOWED = 1 << 20
_BLOCK = 1 << 20

_DO_NOT_TRUST = "Do not trust it: fetch the archive again from where it is published."
# What the standard library raises over damaged archives; found by damaging some.
_DAMAGED: tuple[type[Exception], ...] = (
    *(OSError, EOFError, LookupError, NotImplementedError, OverflowError, ValueError),
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error),
)


@dataclass(frozen=True)
class _Member:
    """A file or folder in an archive; ``refusal`` says why it is neither, ``read`` is how far the archive was read."""

    name: str
    size: int
    is_folder: bool
    refusal: str
    read: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, target: Path, *, top: str = "", progress: Callable[[int, int], None] | None = None) -> None:
    """Unpack a .zip, .tar, .tar.gz or .tgz file to a new folder, which appears only when it is whole.

    Args:
        archive: The archive; names in it may have either kind of slash.
        target: The folder to make; it may be there if it is empty. Meanwhile the files stand in
            ``<target>.unpacking``, which is replaced.
        top: The folder of the archive that becomes ``target``; the rest is left out. Default: everything.
        progress: Called with the bytes of the archive read, and its size.

    Raises:
        InputError: If the archive is damaged; if a member would be written outside of the folder, or is a link or a
            device; if it unpacks to more than 1 MiB and 200 times its size, or has over 200,000 members;
            if ``top`` is not in it; if the disk is full or read-only.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with zipfile.ZipFile(Path(folder, "a.zip"), "w") as archive:
        ...         archive.writestr("birds/wren.txt", "small")
        ...     unpack(Path(folder, "a.zip"), Path(folder, "found"), top="birds")
        ...     Path(folder, "found", "wren.txt").read_text()
        'small'
    """
    staging = target.with_name(f"{target.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        with writing(staging):
            staging.mkdir(parents=True)
        with _damage_told(archive):
            _write_members(archive, staging, progress)
        if not (staging / top).is_dir():
            raise InputError(f"{archive} holds no folder {top}.", _DO_NOT_TRUST)
        with writing(target):
            (staging / top).rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tell in two lines what the disk says while ``path`` is written.

    Raises:
        InputError: In place of an ``OSError``.

    Example:
        >>> with writing(Path("a.tgz")):
        ...     raise OSError(errno.ENOSPC, "No space left on device")
        Traceback (most recent call last):
        weakspot.errors.InputError: a.tgz cannot be written: No space left on device.
        Make room, then run the same command again: what was fetched is kept.
    """
    try:
        yield
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        room = "Make room, then run the same command again: what was fetched is kept."
        problem = f"{path} cannot be written: {error.strerror or error}."
        raise InputError(problem, room if is_full else "Choose another folder.") from error


def _write_members(archive: Path, folder: Path, progress: Callable[[int, int], None] | None) -> None:
    packed = archive.stat().st_size
    allowed, total = max(_ALWAYS_ALLOWED, MAX_RATIO * packed), 0
    with closing(_members(archive)) as members:
        for number, member in enumerate(members, start=1):
            total += member.size
            if total > allowed or number > MAX_MEMBERS:
                limits = f"{allowed} bytes or {MAX_MEMBERS} members"
                raise InputError(f"{archive} unpacks to more than {limits}.", _DO_NOT_TRUST)
            _write_member(member, folder, archive)
            if progress:
                progress(member.read, packed)


def _write_member(member: _Member, folder: Path, archive: Path) -> None:
    path = folder.joinpath(*_safe_parts(member, archive))
    with writing(path):
        (path if member.is_folder else path.parent).mkdir(parents=True, exist_ok=True)
    if not member.is_folder:
        with member.open() as source, writing(path), path.open("wb") as file:
            for block in _blocks(source):
                file.write(block)


def _blocks(source: IO[bytes]) -> Iterator[bytes]:
    """The content of a member; what a damaged one raises is never an ``OSError``, which is for the disk."""
    try:
        while block := source.read(_BLOCK):
            yield block
    except OSError as error:
        raise tarfile.ReadError(str(error)) from error


def _safe_parts(member: _Member, archive: Path) -> tuple[str, ...]:
    path = PureWindowsPath(member.name)  # it knows both slashes and drives
    refusal = member.refusal
    if path.anchor or ".." in path.parts or "\0" in member.name:
        refusal = "leads out of its folder"
    elif not path.parts and not member.is_folder:
        refusal = "has no name"
    if refusal:
        raise InputError(f"{archive} is refused: its member {member.name!r} {refusal}.", _DO_NOT_TRUST)
    return path.parts


def _members(archive: Path) -> Generator[_Member, None, None]:
    return _zip_members(archive) if archive.suffix.lower() == ".zip" else _tar_members(archive)


def _tar_members(archive: Path) -> Generator[_Member, None, None]:
    mode: Literal["r:gz", "r:"] = "r:gz" if archive.suffix.lower() in (".tgz", ".gz") else "r:"
    with archive.open("rb") as packed, tarfile.open(fileobj=packed, mode=mode) as tar:
        for member in tar:
            is_plain = (member.isdir() or member.isreg()) and not member.issparse() and member.size >= 0
            refusal = "" if is_plain else "is neither a file nor a folder"
            yield _Member(
                member.name, member.size, member.isdir(), refusal, packed.tell(), partial(_tar_file, tar, member)
            )


def _tar_file(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    if file is None:
        raise tarfile.ReadError(f"{member.name} has no content")
    return file


def _zip_members(archive: Path) -> Generator[_Member, None, None]:
    read = 0
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            read += member.compress_size
            yield _Member(
                member.filename,
                member.file_size,
                member.filename.endswith(("/", "\\")),
                _zip_refusal(member),
                read,
                partial(packed.open, member),
            )


def _zip_refusal(member: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where the archive was made on Windows
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a folder"
    return "is encrypted" if member.flag_bits & 1 else ""


@contextmanager
def _damage_told(archive: Path) -> Iterator[None]:
    try:
        yield
    except InputError:  # a ValueError, and said already
        raise
    except _DAMAGED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{archive} cannot be unpacked: {reason}.", "Delete it and fetch it again.") from error
