"""Locks of the operating system on open files, which end with their process however it ends."""

import errno
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

# Flag to open a file only if it is not a symbolic link, if the system has one.
NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
# What a file system that has no locks answers.
_WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


class NoLocksError(OSError):
    """The file system has no locks."""


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file until it is closed, and return whether that was possible.

    The answer is False if it is open and locked elsewhere, in this process as well; several may hold a ``shared`` lock.
    Network folders are locked for all machines. Raises NoLocksError if the file system has no locks.
    """
    if fcntl is None:
        raise NoLocksError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _WITHOUT_LOCKS:
            raise NoLocksError(error.errno, error.strerror) from error
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file still has this path: another process may have deleted or replaced it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False
