"""Localize image by image in another process, which an image may kill: it crashes a decoder, or takes all memory."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from weakspot.errors import InputError, ModelError, WeakspotError
from weakspot.inference.batch.ray.crash_log import CrashLog

Row = dict[str, Any]
Skip = Callable[[str, WeakspotError], None]
# From images to their rows; what cannot be localized is handed to the second.
LocalizeFn = Callable[[Sequence[str], Skip], Iterable[Row]]

# After so many deaths of an image, also of those who watch over its process, it is not tried again.
_MOST_DEATHS = 2
_find: LocalizeFn  # that of this process, if it is such a one


def run_isolated(make: Callable[[], LocalizeFn], images: Iterable[str], skip: Skip, record: CrashLog) -> Iterator[Row]:
    """Localize in images so that one which kills its process is skipped, and the next has a new process.

    Args:
        make: Makes what localizes, in the other process; it is pickled.
        images: One after the other.
        skip: Is given each image that cannot be localized.
        record: Remembers which image is at hand, should this process die as well.

    Yields:
        The rows, in the order of the images.

    Raises:
        ModelError: If the process dies before the first image.
    """
    process: ProcessPoolExecutor | None = None
    try:
        for image in images:
            if record.begin_image(image) >= _MOST_DEATHS:
                skip(image, _crashed(image))
                continue
            process = process or _started(make)
            try:
                found = process.submit(_localized, image).result()
            except BrokenProcessPool:
                process, found = None, _crashed(image)
            record.end_image(image)
            if isinstance(found, WeakspotError):
                skip(image, found)
            else:
                yield found
    finally:
        if process is not None:
            process.shutdown()


def _crashed(image: str) -> WeakspotError:
    problem = f"{image} ends the process that localizes it."
    return InputError(problem, "Open it elsewhere and save it anew, or leave it out.")


def _started(make: Callable[[], LocalizeFn]) -> ProcessPoolExecutor:
    """Start a process that is ready; as a new one, since what runs models does not survive a fork."""
    process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _watch_parent)
    try:
        process.submit(_open, make).result()
    except BrokenProcessPool as error:
        raise ModelError("The model ends the process that loads it.", "Give it more memory.") from error
    return process


def _watch_parent() -> None:
    """End with the process that has started this one, however it ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _open(make: Callable[[], LocalizeFn]) -> None:
    global _find  # noqa: PLW0603 - a process that is given one thing to do
    _find = make()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _localized(image: str) -> Row | WeakspotError:
    """The row of an image, or why there is none."""
    skipped: list[WeakspotError] = []
    rows = list(_find([image], lambda _, error: skipped.append(error)))
    return skipped[0] if skipped else rows[0]
