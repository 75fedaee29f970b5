"""Lock a folder while a command writes to it, so that a second command is refused."""

import errno
import json
import logging
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

from weakspot.errors import InputError
from weakspot.io.atomic import not_writable
from weakspot.io.folders import check_writable, remove_if_empty
from weakspot.io.os_locks import NO_FOLLOW, NoLocksError, is_at, try_lock
from weakspot.io.temporary_files import remove_temporary_files

_log = logging.getLogger("weakspot")

LOCK = ".weakspot-lock"
_ATTEMPTS = 1000  # while others remove the folder or the file
_PATIENCE = 100  # times, if the holder has been killed
_MAX_COMMAND = 200  # characters of a command line in a message
_HINT = "Wait until that process ends, or choose another folder."
_held: set[int] = set()  # descriptors of the locked files


@contextmanager
def folder_lock(folder: Path, part: str | None = None) -> Iterator[None]:
    """Hold a folder, or a part of it, such as a shard, while other processes may hold other parts.

    The lock ends with the process, also if it is killed, and holds on network folders if their file system has locks.
    The folder is created, and removed if the block fails and leaves it empty. Temporary files that killed processes
    left in it are removed.

    Raises InputError: ``output-in-use`` if another process holds the folder, ``not-writable`` or ``disk-full``.
    """
    check_writable(folder)
    with remove_if_empty(folder), _locked(folder / LOCK, shared=part is not None):
        if part is None:
            remove_temporary_files(folder)
            yield
            return
        with _locked(folder / f"{LOCK}-{part}"):
            remove_temporary_files(folder)
            yield


@contextmanager
def file_lock(file: Path) -> Iterator[None]:
    """Hold a file that a command writes, whoever holds its folder; InputError as :func:`folder_lock`."""
    check_writable(file.parent)
    name = blake2b(os.fsencode(file.name), digest_size=8).hexdigest()  # shorter than that of a file can be
    with remove_if_empty(file.parent), _locked(file.parent / f"{LOCK}-{name}", what=file):
        yield


@contextmanager
def _locked(file: Path, *, shared: bool = False, what: Path | None = None) -> Iterator[None]:
    """Hold a lock file, of the folder unless of something else, and delete it afterwards."""
    try:
        descriptor = _acquire(file, shared=shared)
        for _ in range(_PATIENCE):
            if descriptor is not None or _holder_lives(file):
                break
            time.sleep(0.05)  # one that it was starting when it was killed holds the lock for a moment
            descriptor = _acquire(file, shared=shared)
    except OSError as error:
        raise not_writable(file.parent, error, "Choose another folder.") from error
    if descriptor is None:
        raise InputError("output-in-use", f"{what or file.parent} is in use by {_holder(file)}.", _HINT)
    _held.add(descriptor)
    try:
        with suppress(OSError):  # a full disk: the lock holds, only nobody can read whose it is
            os.ftruncate(descriptor, 0)  # of a process that was killed
            if not shared:
                os.write(descriptor, json.dumps(_this_process()).encode())
        yield
    finally:
        if descriptor in _held:  # not in a process that was forked in the meantime
            _held.remove(descriptor)
            _release(descriptor, file, shared=shared)


def _acquire(file: Path, *, shared: bool) -> int | None:
    """Open and lock a file; None if another process holds it."""
    for _ in range(_ATTEMPTS):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | NO_FOLLOW, 0o666)
        except (FileNotFoundError, FileExistsError):
            if os.path.lexists(file.parent) and not file.parent.is_dir():
                raise
            continue  # another process removed the folder, which it had created
        try:
            is_free = try_lock(descriptor, shared=shared)
        except NoLocksError:
            _log.warning("%s has a file system without locks: start no other command on it.", file.parent)
            return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        if is_free and is_at(descriptor, file):
            return descriptor
        os.close(descriptor)
        if not is_free:
            return None
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))


def _release(descriptor: int, file: Path, *, shared: bool) -> None:
    """Delete a lock file while nobody else can hold it, and unlock it."""
    try:
        with suppress(OSError):
            if (not shared or try_lock(descriptor)) and is_at(descriptor, file):
                file.unlink()
    finally:
        os.close(descriptor)


def _forget_in_child() -> None:
    """Close the files in a forked process, such as one that loads images: it must not outlive this one with them."""
    while _held:
        os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)


def _this_process() -> dict[str, str | int]:
    program = "weakspot" if Path(sys.argv[0]).stem in ("weakspot", "__main__") else Path(sys.argv[0]).name
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": shlex.join([program, *sys.argv[1:]]),
        "since": datetime.now().astimezone().isoformat(" ", "seconds"),
    }


def _holder(file: Path) -> str:
    """Describe the process that holds a lock file, or that holds a part of its folder."""
    files = [file, *sorted(file.parent.glob(f"{LOCK}-*"))] if file.name == LOCK else [file]
    for candidate in files:
        with suppress(OSError, ValueError, KeyError, TypeError):  # it may end or begin just now
            holder = json.loads(candidate.read_bytes())
            host = "" if holder["host"] == socket.gethostname() else f" on {holder['host']}"
            command = str(holder["command"])
            command = command if len(command) <= _MAX_COMMAND else f"{command[:_MAX_COMMAND]} ..."
            if _is_held(candidate):
                return f"process {holder['pid']}{host} ({command}) since {holder['since']}"
    return "another process"


def _holder_lives(file: Path) -> bool:
    """Return whether the process that a lock file names may be running: one on another machine may."""
    try:
        holder = json.loads(file.read_bytes())
        if holder["host"] != socket.gethostname():
            return True
        os.kill(int(holder["pid"]), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except (OSError, ValueError, KeyError, TypeError):  # not ours, or of a part of the folder
        return True
    return True


def _is_held(file: Path) -> bool:
    """Return whether a process holds a lock file, which one that was killed left otherwise."""
    descriptor = os.open(file, os.O_RDWR | NO_FOLLOW)
    try:
        return not try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)
