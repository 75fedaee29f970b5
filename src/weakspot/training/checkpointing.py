"""Save the state of a run: at intervals, at the end of an epoch, and on Ctrl-C or SIGTERM."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from weakspot.errors import InputError


class InterruptionError(Exception):
    """The user interrupted the run, and its state is saved."""


# Lightning calls Checkpoint callbacks after the module, so that the module has recorded the epoch by then.
class IntervalCheckpoint(Checkpoint):
    """Callback that saves the state of a run between two optimizer steps.

    On the first SIGINT or SIGTERM it finishes the current step, saves and stops, so that the saved state equals that of
    an uninterrupted run; on the second it stops at once.

    Args:
        path: File to write.
        interval: Minimum number of seconds between two saves.
    """

    def __init__(self, path: Path, interval: float) -> None:
        self._path = path
        self._interval = interval
        self._last_save = time.monotonic()
        self._stop_requested = False
        self.has_started = False

    @contextmanager
    def handle_sigint(self) -> Iterator[None]:
        """Handle Ctrl-C during a whole fit; Lightning's teardown restores the handler that it found."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = signal.signal(signal.SIGINT, self._request_stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler if previous is None else previous)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Handle SIGTERM like Ctrl-C. This replaces Lightning's handler, which may wait for other processes forever."""
        del trainer, pl_module
        self.has_started = True
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._request_stop)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if the interval has passed, stop if requested; not between batches whose gradients accumulate."""
        del pl_module, outputs, batch
        batches_done = batch_idx + 1
        if batches_done == trainer.num_training_batches:  # on_train_epoch_end saves
            return
        stepped = batches_done % trainer.accumulate_grad_batches == 0
        if self._stop_requested_anywhere(trainer) and stepped:
            self._save(trainer)
            raise InterruptionError
        if stepped and trainer.world_size == 1 and time.monotonic() - self._last_save >= self._interval:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save if the interval has passed, and stop if requested."""
        del pl_module
        if trainer.should_stop:  # a state does not record early stopping: a resumed run would train one more epoch
            return
        stop = self._stop_requested_anywhere(trainer)
        if stop or bool(trainer.strategy.broadcast(time.monotonic() - self._last_save >= self._interval)):
            self._save(trainer)
        if stop and trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            raise InterruptionError

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._stop_requested:
            raise KeyboardInterrupt
        self._stop_requested = True

    def _stop_requested_anywhere(self, trainer: Trainer) -> bool:
        """Whether any process was interrupted; all of them then stop after the same step."""
        if trainer.world_size == 1:
            return self._stop_requested
        return bool(trainer.strategy.reduce_boolean_decision(self._stop_requested, all=False))

    def _save(self, trainer: Trainer) -> None:
        temporary = self._path.with_name(f".{self._path.name}")
        try:
            trainer.save_checkpoint(temporary)
            if trainer.is_global_zero:
                temporary.replace(self._path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            problem = f"Cannot write {self._path}: {error.strerror or error}."
            raise InputError("not-writable", problem, "Free disk space; states saved earlier are kept.") from error
        self._last_save = time.monotonic()
