"""Train: from a data set with labels to a run folder that localizes."""

import os
import shutil
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from weakspot.errors import InputError
from weakspot.io.rows import write_rows
from weakspot.io.run_files import LOG, METRICS, SKIPPED, STATE
from weakspot.models.checkpoint import MODEL_FILE
from weakspot.training.agreeing import check_same_config
from weakspot.training.checkpointing import InterruptionError
from weakspot.training.distributed import (
    check_world_size,
    is_peer_failure,
    is_rank_zero,
    peer_exited,
    started_by_torchrun,
)
from weakspot.training.finalize import finalize
from weakspot.training.fit import Fitting, fit
from weakspot.training.loggers import check_loggers
from weakspot.training.options import TrainOptions
from weakspot.training.progress import Log
from weakspot.training.rendezvous import AllGather, rendezvous_of_nodes
from weakspot.training.run_config import TrainRequest, resolve_request, with_changes
from weakspot.training.run_folder import check_output, make_run_folder, write_config
from weakspot.training.setup import TrainingSetup, set_up

# What a saved state holds for each weight that learns: itself, two moments of AdamW, and the best so far.
_COPIES = 5


def train(
    data: str | Path | None = None,
    *,
    options: TrainOptions = TrainOptions(),
    config: str | Path | None = None,
    resume: str | Path | None = None,
    **changes: Any,
) -> Path:
    """Train a classifier on image-level labels, and find the threshold to cut its heatmaps at.

    Args:
        data: Folder of the data set: class folders, a CSV of labels, or any layout that
            :func:`weakspot.data.read_dataset` reads. Its test split is left alone.
        options: How to train.
        config: A run's ``config.toml``, to train as it says.
        resume: The folder of an interrupted run, to go on with it.
        changes: Fields of :class:`weakspot.training.options.TrainOptions` by name, such as ``method="acol"``.

    Returns:
        The run folder, which :class:`weakspot.Localizer` takes.

    Raises:
        InputError: If the data cannot be trained on, options do not go together, the folder cannot be written to, or
            another process that trains with this one has ended.
        ModelError: If the backbone cannot be had.
        KeyboardInterrupt: At Ctrl-C or SIGTERM, once the state is saved.
    """
    with rendezvous_of_nodes() as share:
        task = resolve_request(data, with_changes(options, changes), config=config, resume=resume)
        check_world_size(task.options)
        check_loggers(task.options.logger or ())
        return _train(task, share)


def _train(task: TrainRequest, share: AllGather) -> Path:
    wanted = task.folder or task.options.output or Path("runs", task.data.absolute().name)
    if is_rank_zero():
        check_output(wanted, needed_bytes=0)
    say = Log(aloud=is_rank_zero())
    prepared = set_up(task.data, task.options, say)
    check_same_config(prepared, task.options, share)
    if is_rank_zero():
        check_output(wanted, needed_bytes=_needed_bytes(prepared))
    folder = Path(share(str(_folder(task, prepared, wanted)))[0])
    say.keep_in(folder / LOG)
    return _trained(task, prepared, folder, say, share)


def _trained(task: TrainRequest, prepared: TrainingSetup, folder: Path, say: Log, share: AllGather) -> Path:
    """Train, and say how to go on if that is interrupted; a folder in which nothing was learnt does not stay."""
    go_on = f"Go on with: weakspot train --resume {folder}"
    try:
        return _fitted(task, prepared, folder, say, share)
    except (InterruptionError, KeyboardInterrupt) as interrupt:
        kept = "The state is saved." if (folder / STATE).exists() else "Nothing was learnt yet."
        raise KeyboardInterrupt(f"{kept} {go_on}") from interrupt
    except BaseException as error:
        # In other processes the folder is not one that this run has made.
        if is_rank_zero() and task.folder is None and not any((folder / name).exists() for name in (METRICS, STATE)):
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, RuntimeError) and is_peer_failure(error):
            raise (peer_exited(go_on) if (folder / STATE).exists() else peer_exited()) from error
        raise


def _fitted(task: TrainRequest, prepared: TrainingSetup, folder: Path, say: Log, share: AllGather) -> Path:
    fitting = Fitting(folder, say, lambda rows: write_rows(folder / METRICS, rows), goes_on=task.folder is not None)
    learner, trainer = fit(prepared, task.options, fitting)
    shared, first = Path(trainer.strategy.broadcast(str(folder))), trainer.is_global_zero
    if torch.distributed.is_initialized():  # else the figures of the threshold would wait for other processes
        torch.distributed.destroy_process_group()
    if first:
        finalize(prepared, learner, folder, say, quality=task.options.quality, seed=task.options.seed)
        with suppress(InputError):  # the run is complete, whoever has gone meanwhile
            share("finished")
    elif started_by_torchrun():
        share("finished")
    else:
        _wait_for(shared / MODEL_FILE)
    return shared


def _wait_for(file: Path) -> None:
    """Wait until the first process has written a file, or whoever started both is gone."""
    parent = os.getppid()
    while not file.exists() and os.getppid() == parent:
        time.sleep(0.1)


def _folder(task: TrainRequest, prepared: TrainingSetup, wanted: Path) -> Path:
    """The folder to write to: that of the run that goes on, or a new one, with the configuration in it."""
    if task.folder is not None or not is_rank_zero():
        return wanted
    folder = make_run_folder(wanted)
    # What auto has chosen stays chosen, on whatever machine the run goes on or is done again.
    write_config(folder, task.data, replace(task.options, freeze="backbone" if prepared.frozen else "none"))
    skipped = prepared.grounds.unreadable
    if skipped:
        rows = [
            {"image": str(one.example.path), "problem": one.error.problem, "hint": one.error.hint} for one in skipped
        ]
        write_rows(folder / SKIPPED, rows)
    return folder


def _needed_bytes(prepared: TrainingSetup) -> int:
    """About how much a run writes: the model once, and what learns in a saved state."""
    network = prepared.built.network
    learning = network.head if prepared.frozen else network
    count = {part: sum(one.numel() for one in part.parameters()) for part in (network, learning)}
    return 4 * (count[network] + _COPIES * count[learning])
