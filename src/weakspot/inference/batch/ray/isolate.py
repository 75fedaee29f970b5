"""Localize images one at a time in a child process, because an image may crash a decoder or exhaust the memory."""

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from weakspot.errors import InputError, ModelError, WeakspotError
from weakspot.io.atomic import atomic_write

Row = dict[str, Any]
Skip = Callable[[str, WeakspotError], None]
# Maps images to their rows; the second argument is called with images that cannot be processed.
LocalizeFn = Callable[[Sequence[str], Skip], Iterable[Row]]

# An image is not retried after it has crashed this many processes, including the one that monitors the child process.
_MAX_CRASHES = 2
_localize_fn: LocalizeFn  # set in the child process only


class CrashLog:
    """Counts attempts at a shard and at its images in files, because the process that works on them may crash.

    ``attempts`` is the number of those at the shard, set by :meth:`begin`; those at images are in a second file.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._image_file = file, file.with_name(f"{file.name}.json")
        self.attempts = 0

    def begin(self) -> None:
        """Count an attempt at the shard."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab") as file:
            file.write(b".")
            self.attempts = file.tell()

    def begin_image(self, image: str) -> int:
        """Count an attempt at an image, and return the number of earlier attempts that did not end."""
        crashes = self._read()
        self._write(crashes | {image: crashes.get(image, 0) + 1})
        return crashes.get(image, 0)

    def end_image(self, image: str) -> None:
        """Clear the crash counter of an image."""
        self._write({name: count for name, count in self._read().items() if name != image})

    def clear(self) -> None:
        """Delete the files, because the shard is done."""
        for file in (self._file, self._image_file):
            file.unlink(missing_ok=True)

    def _read(self) -> dict[str, int]:
        crashes: dict[str, int] = json.loads(self._image_file.read_bytes()) if self._image_file.exists() else {}
        return crashes

    def _write(self, crashes: dict[str, int]) -> None:
        with atomic_write(self._image_file) as file:
            file.write(json.dumps(crashes).encode())


def run_isolated(factory: Callable[[], LocalizeFn], images: Iterable[str], skip: Skip, log: CrashLog) -> Iterator[Row]:
    """Localize images in a child process; an image that crashes it is skipped, and a new process continues.

    The factory, which is pickled, creates the function that localizes in the child process. ``log`` records the current
    image, in case this process crashes as well. Yields the rows in the order of the images; ModelError
    ``worker-crashed`` if the child process crashes before the first one.
    """
    process: ProcessPoolExecutor | None = None
    try:
        for image in images:
            if log.begin_image(image) >= _MAX_CRASHES:
                skip(image, _crashed(image))
                continue
            process = process or _start(factory)
            try:
                result = process.submit(_localize, image).result()
            except BrokenProcessPool:
                process, result = None, _crashed(image)
            log.end_image(image)
            if isinstance(result, WeakspotError):
                skip(image, result)
            else:
                yield result
    finally:
        if process is not None:
            process.shutdown()


def _crashed(image: str) -> WeakspotError:
    return InputError(
        "image-crashes-worker", f"Decoding {image} crashed the worker process.", "Re-encode or remove the file."
    )


def _start(factory: Callable[[], LocalizeFn]) -> ProcessPoolExecutor:
    """Spawn a child process and load the model in it; forked processes cannot run models."""
    process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _exit_with_parent)
    try:
        process.submit(_load, factory).result()
    except BrokenProcessPool as error:
        raise ModelError(
            "worker-crashed", "The worker crashed while loading the model, probably out of memory."
        ) from error
    return process


def _exit_with_parent() -> None:
    """End this process as soon as its parent ends, however it ends."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _load(factory: Callable[[], LocalizeFn]) -> None:
    global _localize_fn  # noqa: PLW0603 - the child process has one task
    _localize_fn = factory()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _localize(image: str) -> Row | WeakspotError:
    """Return the row of an image, or the error that prevents it."""
    errors: list[WeakspotError] = []
    rows = list(_localize_fn([image], lambda _, error: errors.append(error)))
    return errors[0] if errors else rows[0]
