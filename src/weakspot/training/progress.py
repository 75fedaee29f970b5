"""Tell how a run goes: a bar with the time left on a terminal, a line for each epoch elsewhere, and a log."""

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from weakspot.training.lightning_module import EpochMetrics

Say = Callable[[str], None]


class Log:
    """Writes lines to stderr, and from the time on that it has a file to that, too, those from before first.

    Args:
        aloud: False writes nothing, as processes beside the first do.
    """

    def __init__(self, *, aloud: bool = True) -> None:
        self.aloud = aloud
        self._path: Path | None = None
        self._lines: list[str] = []

    def __call__(self, line: str) -> None:
        """Write a line."""
        if self.aloud:
            print(line, file=sys.stderr, flush=True)
            self.keep(line)

    def keep(self, line: str) -> None:
        """Write a line to the file alone."""
        self._lines.append(f"{line}\n")
        self._append()

    def keep_in(self, path: Path) -> None:
        """Write to a file as well from now on, behind what it holds."""
        self._path = path if self.aloud else None
        self._append()

    def _append(self) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(self._lines)
            self._lines.clear()


class ProgressCallback(Callback):
    """A bar on a terminal, a line for each epoch elsewhere.

    Args:
        log: Takes the lines.
        epochs: How many there will be.
    """

    def __init__(self, log: Log, epochs: int) -> None:
        self._log = log
        self._epochs = epochs
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not (console.is_terminal and log.aloud))
        self._task = self._bar.add_task("steps", total=None)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the bar, where an interrupted run was."""
        del pl_module
        total = int(trainer.num_training_batches) * self._epochs
        done = trainer.global_step * trainer.accumulate_grad_batches
        self._bar.update(self._task, total=total, completed=done)
        self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar on."""
        del trainer, pl_module, outputs, batch, batch_idx
        self._bar.advance(self._task)

    def epoch_done(self, row: EpochMetrics) -> None:
        """Report an epoch."""
        line = _line(row, self._epochs)
        if self._bar.disable:
            self._log(line)
        else:
            self._log.keep(line)
            short = f"epoch {row['epoch']} of {self._epochs}, loss {row['train_loss']:.3f}"  # with the bar one line
            self._bar.update(self._task, description=short)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the bar away."""
        del trainer, pl_module, stage
        self._bar.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the bar away; there is no teardown then."""
        del trainer, pl_module, exception
        self._bar.stop()


def _line(row: EpochMetrics, epochs: int) -> str:
    named = {"train_loss": "loss", "val_loss": "val loss", "val_accuracy": "val accuracy"}
    named |= {"val_f1": "val F1", "val_iou": "val IoU"}
    figures = ", ".join(f"{name} {row[key]:.3f}" for key, name in named.items() if key in row)
    # The first epoch's seconds tell nothing of the others': the features of a frozen backbone are computed in it.
    left = f", {(epochs - row['epoch']) * row['seconds']:.0f} s left" if row["epoch"] > 1 else ""
    return f"epoch {row['epoch']} of {epochs}: {figures} ({row['seconds']:.1f} s{left})"


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Have lightning speak of errors only: what it tells of devices and workers is no news to our users."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            warnings.filterwarnings("ignore", message=".*treespec.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
