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
        self._total, self._done, self._first = total, done, done
        self._started = self._said = time.monotonic()
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
        if not self._console.is_terminal and now - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = now
            print(self._line(now - self._started), file=sys.stderr, flush=True)

    def _line(self, seconds: float) -> str:
        rate = (self._done - self._first) / seconds
        if self._total is None:
            return f"{self._done} images, {rate:.1f} a second"
        left = (self._total - self._done) / rate if rate else 0.0
        return f"{self._done} of {self._total} images, {rate:.1f} a second, {left:.0f} s left"
