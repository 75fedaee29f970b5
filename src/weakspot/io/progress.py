"""Progress on stderr: a bar with the remaining time on a terminal, a line every ten seconds elsewhere."""

import sys
import time
from types import TracebackType
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counter of images or bytes on stderr; ``total`` is None if it is unknown, ``done`` were done before.

    It is a context manager, and it can be the ``progressbar`` of a pooch downloader.
    """

    def __init__(self, total: int | None = None, *, done: int = 0, unit: Literal["images", "bytes"] = "images") -> None:
        self._console = Console(stderr=True)
        self._unit, self._total, self._done = unit, total, done
        self._first: tuple[float, int] | None = None
        self._printed = time.monotonic()
        count: ProgressColumn = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
        columns = (TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn())
        self._bar = Bar(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._task = self._bar.add_task("" if unit == "bytes" else unit, total=total, completed=done)

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def total(self) -> int | None:
        """Number of images or bytes, or None if it is unknown."""
        return self._total

    @total.setter
    def total(self, total: int | None) -> None:
        self._total = total
        self._bar.update(self._task, total=total)
        self._bar.start()

    def advance(self, count: int = 1) -> None:
        """Count images or bytes that are done."""
        self._done += count
        self._bar.advance(self._task, count)
        now = time.monotonic()
        self._first = self._first or (now, self._done)  # the time before it is start-up and would distort the rate
        if not self._console.is_terminal and now - self._printed >= _SECONDS_BETWEEN_LINES:
            self._printed = now
            print(self._line(self._first, now), file=sys.stderr, flush=True)

    update = advance

    def reset(self) -> None:
        """Start again from 0."""
        self._done, self._first = 0, None
        self._bar.reset(self._task, total=self._total)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()

    def _line(self, first: tuple[float, int], now: float) -> str:
        scale, unit = (1e6, "MB") if self._unit == "bytes" else (1, self._unit)
        done, total = (f"{(count or 0) / scale:.0f}" for count in (self._done, self._total))
        line = f"{done} {unit}" if self._total is None else f"{done} of {total} {unit}"
        start, before = first
        if now == start or self._done == before:
            return line
        rate = (self._done - before) / (now - start)
        line += f", {rate / scale:.1f} per second"
        return line if self._total is None else f"{line}, {(self._total - self._done) / rate:.0f} s left"
