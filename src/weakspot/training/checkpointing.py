"""States that an interrupted run goes on from: saved now and then, at Ctrl-C, and when an epoch ends."""

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
    """The user has pressed Ctrl-C, and the state is saved."""


class IntervalCheckpoint(Checkpoint):  # lightning calls these after the module, which has then written the epoch down
    """Saves the state of a run between two steps of the optimizer.

    The first Ctrl-C or SIGTERM is obeyed behind the step that runs, so that what is saved is what an uninterrupted run
    has there; the second at once.

    Args:
        path: The file.
        every: Seconds between two states.
    """

    def __init__(self, path: Path, every: float) -> None:
        self._path = path
        self._every = every
        self._saved = time.monotonic()
        self._asked = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen for Ctrl-C, around the whole of a fit: lightning's own teardown brings back what it has found."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler if before is None else before)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Obey SIGTERM as Ctrl-C; lightning's own handler, in whose place this is, may wait for others for ever."""
        del trainer, pl_module
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._ask)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time, and stop if that was asked for; in the middle of gradients that add up it is not."""
        del pl_module, outputs, batch
        done = batch_idx + 1
        if done == trainer.num_training_batches:  # the epoch ends here, and saves itself
            return
        stepped = done % trainer.accumulate_grad_batches == 0
        if self._asked_of_any(trainer) and stepped:
            self._save(trainer)
            raise InterruptionError
        if stepped and trainer.world_size == 1 and time.monotonic() - self._saved >= self._every:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save if it is time; the learner has written the epoch down by then."""
        del pl_module
        if trainer.should_stop:  # a state does not tell that the run has ended early: it would go on for an epoch
            return
        asked = self._asked_of_any(trainer)
        if asked or bool(trainer.strategy.broadcast(time.monotonic() - self._saved >= self._every)):
            self._save(trainer)
        if asked and trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            raise InterruptionError

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def _asked_of_any(self, trainer: Trainer) -> bool:
        """Whether any of the processes was interrupted: then all stop behind the same step."""
        if trainer.world_size == 1:
            return self._asked
        return bool(trainer.strategy.reduce_boolean_decision(self._asked, all=False))

    def _save(self, trainer: Trainer) -> None:
        new = self._path.with_name(f".{self._path.name}")
        try:
            trainer.save_checkpoint(new)  # by way of /tmp, which may be another disk
            if trainer.is_global_zero:
                new.replace(self._path)
        except OSError as error:
            new.unlink(missing_ok=True)
            problem = f"{self._path} cannot be written: {error.strerror or error}."
            raise InputError(problem, "Make room; what was saved before is still there.") from error
        self._saved = time.monotonic()
