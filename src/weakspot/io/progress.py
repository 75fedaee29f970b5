"""Say how far a run is: a bar with the time left on a terminal, a line now and then elsewhere."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Count images on stderr.

    Args:
        total: How many there are; None when that is not known.
        done: How many were done before.
    """

    def __init__(self, total: int | None, *, done: int = 0) -> None:
        self._console = Console(stderr=True)
        self._total, self._done = total, done
        self._first: tuple[float, int] | None = None
        self._said = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._task = self._bar.add_task("images", total=total, completed=done)

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, count: int = 1) -> None:
        """Count images that are done."""
        self._done += count
        self._bar.advance(self._task, count)
        now = time.monotonic()
        self._first = self._first or (now, self._done)  # what came before it was loading, and foretells nothing
        if not self._console.is_terminal and now - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = now
            print(_line(self._done, self._total, self._first, now), file=sys.stderr, flush=True)


def _line(done: int, total: int | None, first: tuple[float, int], now: float) -> str:
    counted = f"{done} images" if total is None else f"{done} of {total} images"
    began, before = first
    if now == began or done == before:
        return counted
    rate = (done - before) / (now - began)
    return f"{counted}, {rate:.1f} a second" + ("" if total is None else f", {(total - done) / rate:.0f} s left")
