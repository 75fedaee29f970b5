"""Fetch a benchmark's data set, saying how far it is."""

import sys
import time
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from weakspot.data.downloads import download as fetch

_SECONDS_BETWEEN_LINES = 10.0


def download(name: str, folder: Path) -> Path:
    """Fetch and unpack a data set; a second call goes on from what is there.

    Args:
        name: Which one, such as ``"cub"``.
        folder: Where to put it.

    Returns:
        The data set's folder.

    Raises:
        InputError: As :func:`weakspot.data.downloads.download` does.
        KeyboardInterrupt: On Ctrl-C, with what to do next.
    """
    with _BytesProgress() as progress:
        try:
            return fetch(name, folder, progress=progress)
        except KeyboardInterrupt as interrupt:
            raise KeyboardInterrupt("What was fetched is kept; go on with the same command.") from interrupt


class _BytesProgress:
    """Count bytes on stderr, step by step: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._step, self._first, self._started, self._said = "", 0, 0.0, time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        speed = (TransferSpeedColumn(), TimeRemainingColumn())
        is_hidden = not self._console.is_terminal
        self._bar = Bar(*columns, *speed, console=self._console, transient=True, disable=is_hidden)
        self._task = self._bar.add_task("", visible=False)

    def __enter__(self) -> "_BytesProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, step: str, done: int, size: int) -> None:
        now = time.monotonic()
        if step != self._step:
            self._step, self._first, self._started = step, done, now
            self._bar.reset(self._task, description=step, total=size, completed=done, visible=True)
        self._bar.update(self._task, completed=done)
        if not self._console.is_terminal and now - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = now
            print(f"{step}: {self._line(done, size, now - self._started)}", file=sys.stderr, flush=True)

    def _line(self, done: int, size: int, seconds: float) -> str:
        rate = max(done - self._first, 0) / seconds if seconds else 0.0  # a fresh start goes back
        left = f", {(size - done) / rate:.0f} s left" if rate > 0 else ""
        return f"{done / 1e6:.0f} of {size / 1e6:.0f} MB, {rate / 1e6:.1f} MB a second{left}"
