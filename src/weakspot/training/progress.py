"""Report the progress of a run: a message for each epoch, or a progress bar on a terminal."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from weakspot.training.lightning_module import EpochMetrics

logger = logging.getLogger(__name__)


class ProgressCallback(Callback):
    """Progress bar on a terminal; otherwise a message for each epoch.

    Args:
        epochs: Number of epochs.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("steps", total=None)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar, from the step at which an interrupted run stopped."""
        del pl_module
        total = int(trainer.num_training_batches) * self._epochs
        completed = trainer.global_step * trainer.accumulate_grad_batches
        self._bar.update(self._task, total=total, completed=completed)
        if trainer.is_global_zero:
            self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance the bar."""
        del trainer, pl_module, outputs, batch, batch_idx
        self._bar.advance(self._task)

    def report_epoch(self, row: EpochMetrics) -> None:
        """Report the metrics of an epoch: in the bar and in the log file, or as a message."""
        if self._bar.disable:
            logger.info(_format_epoch(row, self._epochs))
        else:
            logger.debug(_format_epoch(row, self._epochs))
            description = f"epoch {row['epoch']} of {self._epochs}, loss {row['train_loss']:.3f}"
            self._bar.update(self._task, description=description)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Remove the bar."""
        del trainer, pl_module, stage
        self._bar.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Remove the bar; Lightning does not call teardown after an exception."""
        del trainer, pl_module, exception
        self._bar.stop()


def _format_epoch(row: EpochMetrics, epochs: int) -> str:
    names = {"train_loss": "loss", "val_loss": "val loss", "val_accuracy": "val accuracy"}
    names |= {"val_f1": "val F1", "val_iou": "val IoU"}
    metrics = ", ".join(f"{name} {row[key]:.3f}" for key, name in names.items() if key in row)
    # The first epoch is not representative: it includes computing the features of a frozen backbone.
    left = f", {(epochs - row['epoch']) * row['seconds']:.0f} s left" if row["epoch"] > 1 else ""
    return f"epoch {row['epoch']} of {epochs}: {metrics} ({row['seconds']:.1f} s{left})"


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Show only errors of Lightning, not its messages about devices and workers."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [lightning_logger.level for lightning_logger in loggers]
    for lightning_logger in loggers:
        lightning_logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            warnings.filterwarnings("ignore", message=".*treespec.*")
            yield
    finally:
        for lightning_logger, level in zip(loggers, levels, strict=True):
            lightning_logger.setLevel(level)
