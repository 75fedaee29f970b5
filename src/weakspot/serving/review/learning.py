"""Learn from the decisions of a person, and localize again, in a process beside the page."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal

from weakspot.data.decoding_apart import decoding_apart
from weakspot.data.review_rows import ReviewRow
from weakspot.errors import InputError, WeakspotError
from weakspot.io.rows import count_rows
from weakspot.io.shards import ROWS
from weakspot.labels.image_names import listed
from weakspot.serving.review.adoption import WORK, adopt, finish, is_interrupted
from weakspot.serving.review.relocalize import localize_again
from weakspot.serving.review.source import ReviewSource
from weakspot.serving.review.state import ReviewState

_log = logging.getLogger("weakspot")

# Learns from the decisions on images below a folder, and writes what was learnt into the run. Returns why images cannot
# be read, and what was learnt.
LearnFn = Callable[[Path, Path, Mapping[str, ReviewRow]], tuple[tuple[str, ...], str]]
Phase = Literal["idle", "learning", "localizing", "failed"]
_BUSY = ("learning", "localizing")


@dataclass(frozen=True)
class Progress:
    """What the learning process does.

    Attributes:
        phase: What it does now.
        done: Images localized again so far.
        total: All that are to be localized again.
        rounds: Number of rounds that were finished.
        problem: Why it failed; empty if it did not.
        note: What was learnt in the last round, and why images were left out.
    """

    phase: Phase = "idle"
    done: int = 0
    total: int = 0
    rounds: int = 0
    problem: str = ""
    note: str = ""


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
        return now if now.phase != "localizing" else replace(now, done=count_rows(self._source.folder / WORK / ROWS))

    def start(self) -> None:
        """Start to learn from the decisions so far; new localizations of before, if any are left, are taken over first.

        Raises:
            InputError: ``run-not-found`` if no run localized the images; ``learning-in-progress``;
                ``learning-not-started`` if the process cannot be started; or as :func:`finish`.
        """
        source = self._source
        if source.run is None:
            problem = f"{source.folder} was not localized by a run, which could learn."
            raise InputError("run-not-found", problem, "Train one: weakspot train.")
        with self._lock:
            before = self._progress
            if before.phase in _BUSY:
                raise InputError("learning-in-progress", "The model is learning already.", "Wait until it is done.")
            paths = [image.item.path for image in self._state.of_status(touched=False)]
            self._progress = Progress("learning", 0, len(paths), before.rounds)
        try:
            if is_interrupted(source.folder):
                finish(source.folder)
                self._state.replace_predictions(source.read_items())
            self._launch(source, paths)
        except BaseException:
            self._progress = before
            raise

    def _launch(self, source: ReviewSource, paths: Sequence[Path]) -> None:
        """Start the process, and a thread that receives its messages."""
        context = get_context("spawn")  # threads of the server must not be forked
        process: BaseProcess | None = None
        try:
            receiver, sender = context.Pipe(duplex=False)
            with sender:  # the process has its own copy; receiver.recv() then fails when that process ends
                work = (sender, self._learn, source, self._state.rows(), paths)
                process = context.Process(target=_learn_and_localize, args=work, daemon=True)
                process.start()
            follower = threading.Thread(target=self._follow, args=(process, receiver), daemon=True)
            follower.start()
        except (OSError, RuntimeError) as error:  # the latter for a thread
            if process is not None and process.pid is not None:
                process.kill()
            problem = f"Cannot start a process to learn: {getattr(error, 'strerror', None) or error}."
            raise InputError("learning-not-started", problem, "Free memory, or processes, of this machine.") from error
        self._process, self._follower = process, follower

    def close(self) -> None:
        """End the process, if one runs; new localizations that are being taken over are taken over."""
        if self._process is not None and self._follower is not None:
            self._process.terminate()
            self._process.join()
            self._follower.join()

    def _follow(self, process: BaseProcess, receiver: Connection) -> None:
        """Follow the messages of the process, end it after the last one, and take over its results."""
        now = self._progress
        kind, text = "failed", "The learning process failed: the terminal says why."
        with receiver, suppress(EOFError, OSError):
            while (message := receiver.recv())[0] == "localizing":
                self._progress = replace(now, phase="localizing")
            kind, text = message
            process.terminate()
        process.join()
        problem = self._adopt() if kind == "done" else text
        if problem:
            self._progress = Progress("failed", rounds=now.rounds, problem=problem)
            return
        _log.info("%s", text)
        self._progress = Progress("idle", rounds=now.rounds + 1, note=text)

    def _adopt(self) -> str:
        """Take over the new predictions, and return what went wrong; empty if nothing did."""
        try:
            adopt(self._source)
            self._state.replace_predictions(self._source.read_items())
        except WeakspotError as error:
            return _as_sentences(error)
        except Exception:
            problem = "The new localizations cannot be used"
            _log.exception(problem)
            return f"{problem}: the terminal says why."
        return ""


def _learn_and_localize(
    sender: Connection, learn: LearnFn, source: ReviewSource, rows: Mapping[str, ReviewRow], paths: Sequence[Path]
) -> None:
    """Do the work of the process.

    It sends pairs of text: ``localizing``; then ``done`` with what was learnt and which images were left out, or
    ``failed`` and why.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the page, which ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    assert source.run is not None
    try:
        with decoding_apart():
            problems, learnt = learn(source.run, source.images, rows)
            sender.send(("localizing", ""))
            problems += localize_again(source, paths)
        sender.send(("done", f"{learnt} {_left_out(problems)}".strip()))
    except WeakspotError as error:
        sender.send(("failed", _as_sentences(error)))


def _left_out(problems: Sequence[str]) -> str:
    """Return a sentence about images that cannot be read; empty if there are none."""
    count = "1 image was" if len(problems) == 1 else f"{len(problems)} images were"
    reasons = listed([text.removesuffix(".") for text in problems])
    return f"{count} left out ({reasons})." if problems else ""


def _as_sentences(error: WeakspotError) -> str:
    return f"{error.problem} {error.hint}".strip()


def _end_with_parent() -> None:
    """End this process as soon as that of the page has ended, however it did."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
