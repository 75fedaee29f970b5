"""Learn from the decisions of a person, and localize again, in a process beside the page."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal

from weakspot.data.review_rows import ReviewRow
from weakspot.errors import InputError, WeakspotError
from weakspot.io.rows import count_rows
from weakspot.io.shards import ROWS
from weakspot.serving.review.relocalize import WORK, adopt, localize_again
from weakspot.serving.review.source import ReviewSource
from weakspot.serving.review.state import ReviewState

_log = logging.getLogger("weakspot")

# Learns from the decisions on images below a folder, and writes what was learnt into the run.
LearnFn = Callable[[Path, Path, Mapping[str, ReviewRow]], None]
Phase = Literal["idle", "learning", "localizing", "failed"]


@dataclass(frozen=True)
class Progress:
    """What the learning process does: images localized of all, or why it failed; ``rounds`` were finished."""

    phase: Phase = "idle"
    done: int = 0
    total: int = 0
    rounds: int = 0
    problem: str = ""


class Learner:
    """Runs one learning process at a time.

    Args:
        source: What is reviewed.
        state: The decisions; it takes over the new predictions.
        learn: What the process does before it localizes again; a function of a module.
    """

    def __init__(self, source: ReviewSource, state: ReviewState, learn: LearnFn) -> None:
        self._source, self._state, self._learn = source, state, learn
        self._lock = threading.Lock()
        self._progress = Progress()
        self._process: BaseProcess | None = None
        self._follower: threading.Thread | None = None

    @property
    def progress(self) -> Progress:
        """What is done now."""
        now = self._progress
        if now.phase != "localizing":
            return now
        return Progress(now.phase, count_rows(self._source.folder / WORK / ROWS), now.total, now.rounds)

    def start(self) -> None:
        """Start to learn from the decisions so far.

        Raises:
            InputError: ``run-not-found`` if no run localized the images; ``learning-in-progress``.
        """
        source = self._source
        if source.run is None:
            problem = f"{source.folder} was not localized by a run, which could learn."
            raise InputError("run-not-found", problem, "Train one: weakspot train.")
        with self._lock:
            if self._progress.phase in ("learning", "localizing"):
                raise InputError("learning-in-progress", "The model is learning already.", "Wait until it is done.")
            paths = [image.item.path for image in self._state.of_status(touched=False)]
            self._progress = Progress("learning", 0, len(paths), self._progress.rounds)
        context = get_context("spawn")  # threads of the server must not be forked
        receiver, sender = context.Pipe(duplex=False)
        work = (sender, self._learn, source, self._state.rows(), paths)
        self._process = context.Process(target=_learn_and_localize, args=work, daemon=True)
        self._process.start()
        sender.close()  # the process has its own, so that its end is seen here
        self._follower = threading.Thread(target=self._follow, args=(receiver,), daemon=True)
        self._follower.start()

    def close(self) -> None:
        """End the process, if one runs; new localizations that are being taken over are taken over."""
        if self._process is not None and self._follower is not None:
            self._process.terminate()
            self._process.join()
            self._follower.join()

    def _follow(self, receiver: Connection) -> None:
        """Take over what the process tells, until it ends."""
        rounds, total = self._progress.rounds, self._progress.total
        problem = "The learning process failed: the terminal says why."
        with receiver, suppress(EOFError, OSError):
            while (told := receiver.recv()) != "done":
                if told == "localizing":
                    self._progress = Progress("localizing", 0, total, rounds)
                else:
                    problem = told
            problem = self._adopt()
        done = Progress("idle", rounds=rounds + 1)
        self._progress = Progress("failed", rounds=rounds, problem=problem) if problem else done

    def _adopt(self) -> str:
        """Take over the new predictions, and return what went wrong; empty if nothing did."""
        try:
            adopt(self._source)
            self._state.replace_predictions(self._source.read_items())
        except WeakspotError as error:
            return error.problem
        except Exception:
            problem = "The new localizations cannot be used"
            _log.exception(problem)
            return f"{problem}: the terminal says why."
        return ""


def _learn_and_localize(
    sender: Connection, learn: LearnFn, source: ReviewSource, rows: Mapping[str, ReviewRow], paths: Sequence[Path]
) -> None:
    """Do the work of the process, and tell what is done: ``localizing``, a problem, or ``done``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the page, which ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    assert source.run is not None
    try:
        learn(source.run, source.images, rows)
        sender.send("localizing")
        localize_again(source, paths)
        sender.send("done")
    except WeakspotError as error:
        sender.send(f"{error.problem} {error.hint}".strip())


def _end_with_parent() -> None:
    """End this process as soon as that of the page has ended, however it did."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
