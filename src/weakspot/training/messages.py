"""Messages of a run, on stderr and in train.log. Does not import torch."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import MemoryHandler
from pathlib import Path

from weakspot.terminal import LineFormatter


@contextmanager
def log_messages(*, enabled: bool) -> Iterator[Callable[[Path], None]]:
    """Write the messages of the logger ``weakspot.training`` to stderr, and to a file once its path is known.

    Args:
        enabled: Whether to write messages; only rank 0 does.

    Yields:
        Function that appends the messages so far to a file, and all later ones, including those of level DEBUG.
    """
    parent = logging.getLogger("weakspot.training")
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(logging.INFO)
    console.setFormatter(LineFormatter())
    buffer = MemoryHandler(capacity=1)  # it buffers until it has a target, and flushes each message then
    handlers = (console, buffer) if enabled else (logging.NullHandler(),)
    level, propagate = parent.level, parent.propagate
    parent.setLevel(logging.DEBUG)
    parent.propagate = False  # a handler of the root logger would print each message a second time
    for handler in handlers:
        parent.addHandler(handler)

    def log_to(path: Path) -> None:
        if enabled:
            file = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
            file.setFormatter(LineFormatter())
            buffer.setTarget(file)
            buffer.flush()

    try:
        yield log_to
    finally:
        parent.setLevel(level)
        parent.propagate = propagate
        for handler in handlers:
            parent.removeHandler(handler)
        if buffer.target is not None:
            buffer.target.close()
        buffer.close()
