"""Train a classifier: from a data set with labels to a run folder that localizes."""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from weakspot.errors import InputError, WeakspotError
from weakspot.io.folders import LOG, METRICS, SKIPPED, STATE
from weakspot.io.rows import write_rows
from weakspot.models.checkpoint import MODEL_FILE
from weakspot.training.checkpointing import InterruptionError
from weakspot.training.data_record import DataRecord, check_same_data, describe_data, write_record
from weakspot.training.distributed import (
    AllGatherStr,
    check_same_config,
    check_world_size,
    is_peer_failure,
    is_rank_zero,
    join_nodes,
    peer_exited,
    started_by_torchrun,
)
from weakspot.training.finalize import finalize
from weakspot.training.fit import fit
from weakspot.training.lightning_module import WsolModule
from weakspot.training.loggers import check_loggers
from weakspot.training.options import TrainOptions
from weakspot.training.progress import log_messages
from weakspot.training.run_config import TrainRequest, resolve_request, with_changes
from weakspot.training.run_folder import check_output, make_run_folder, write_config
from weakspot.training.setup import TrainingSetup, set_up

# Copies of each trainable weight in a saved state: the weight, two moments of AdamW, and the best so far; one to spare.
_STATE_COPIES = 5


def train(
    data: str | Path | None = None,
    *,
    options: TrainOptions = TrainOptions(),
    config: str | Path | None = None,
    resume: str | Path | None = None,
    **changes: Any,
) -> Path:
    """Train a classifier on image-level labels, and choose the threshold of its heatmaps.

    Messages go to stderr and to ``train.log`` in the run folder, through the logger ``weakspot.training``.

    Args:
        data: Folder of the data set: class folders, a CSV of labels, or any layout that
            :func:`weakspot.data.read_dataset` reads. Its test split is not used.
        options: Options of the run.
        config: The ``config.toml`` of another run, whose options are the defaults.
        resume: Folder of an interrupted run to resume.
        changes: Fields of :class:`weakspot.training.options.TrainOptions` by name, such as ``method="acol"``.

    Returns:
        The run folder, which :class:`weakspot.Localizer` accepts as a model.

    Raises:
        InputError: If the data cannot be used, options conflict, the folder cannot be written to, or another process
            of the same training has exited (``peer-process-exited``), or the loss is not finite (``loss-not-finite``:
            the model of the best epoch before is kept).
        ModelError: If the backbone cannot be loaded.
        KeyboardInterrupt: On Ctrl-C or SIGTERM, after the state is saved.
    """
    with join_nodes() as all_gather_str, log_messages(enabled=is_rank_zero()) as log_to:
        request = resolve_request(data, with_changes(options, changes), config=config, resume=resume)
        check_world_size(request.options)
        check_loggers(request.options.logger or ())
        return _train(request, all_gather_str, log_to)


def _train(request: TrainRequest, all_gather_str: AllGatherStr, log_to: Callable[[Path], None]) -> Path:
    output = request.folder or request.options.output or Path("runs", request.data.absolute().name)
    if is_rank_zero():
        check_output(output, needed_bytes=0)
    setup = set_up(request.data, request.options)
    record = describe_data(setup)
    if request.folder is not None:
        check_same_data(request.folder, record)
    check_same_config(setup, request.options, all_gather_str)
    if is_rank_zero():
        check_output(output, needed_bytes=_estimate_bytes(setup))
    folder = Path(all_gather_str(str(_run_folder(request, setup, output, record)))[0])
    log_to(folder / LOG)
    resume_hint = f"Resume with: weakspot train --resume {folder}"
    try:
        return _fit_and_finalize(request, setup, folder, all_gather_str)
    except (InterruptionError, KeyboardInterrupt) as interrupt:
        saved = "The state is saved." if (folder / STATE).exists() else "No step was completed."
        raise KeyboardInterrupt(f"{saved} {resume_hint}") from interrupt
    except BaseException as error:
        # Remove a new folder if nothing was learned. In other processes it may not be the folder of this run.
        if is_rank_zero() and request.folder is None and not any((folder / name).exists() for name in (METRICS, STATE)):
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, RuntimeError) and is_peer_failure(error):
            raise (peer_exited(resume_hint) if (folder / STATE).exists() else peer_exited()) from error
        raise


def _fit_and_finalize(request: TrainRequest, setup: TrainingSetup, folder: Path, all_gather_str: AllGatherStr) -> Path:
    options = request.options
    module, trainer = fit(
        setup,
        options,
        folder,
        on_epoch=lambda history: write_rows(folder / METRICS, history),
        resume=request.folder is not None,
    )
    if module.diverged and not module.history:
        raise _diverged(module, setup, "No model is kept.")
    run_folder, rank_zero = Path(trainer.strategy.broadcast(str(folder))), trainer.is_global_zero
    if torch.distributed.is_initialized():  # otherwise the metrics of the thresholds would wait for other processes
        torch.distributed.destroy_process_group()
    if rank_zero:
        try:
            finalize(setup, module, folder, quality=options.quality, seed=options.seed)
        except WeakspotError as error:
            if module.diverged:  # earlier epochs were not much better
                raise _diverged(module, setup, "No model is kept.") from error
            raise
        with suppress(InputError):  # the run is complete, even if another process has exited in the meantime
            all_gather_str("finished")
    elif started_by_torchrun():
        all_gather_str("finished")
    else:
        _wait_for(run_folder / MODEL_FILE)
    if module.diverged:
        raise _diverged(module, setup, f"The model of the best epoch before it is kept in {run_folder}.")
    return run_folder


def _diverged(module: WsolModule, setup: TrainingSetup, outcome: str) -> InputError:
    problem = f"{module.diverged}, with a learning rate of {setup.lr:g}: lower --lr."
    return InputError("loss-not-finite", problem, outcome)


def _wait_for(file: Path) -> None:
    """Wait until rank 0 has written a file, or the parent process is gone."""
    parent = os.getppid()
    while not file.exists() and os.getppid() == parent:
        time.sleep(0.1)


def _run_folder(request: TrainRequest, setup: TrainingSetup, output: Path, record: DataRecord) -> Path:
    """Return the folder of a resumed run, or create a new one; record configuration and images in it."""
    if not is_rank_zero():
        return output
    # Record the choice that "auto" made, so that the run is the same on another machine.
    options = replace(request.options, freeze="backbone" if setup.frozen else "none")
    if request.folder is not None:
        if request.moved:
            write_config(request.folder, request.data, options)
        return output
    folder = make_run_folder(output)
    write_config(folder, request.data, options)
    write_record(folder, record)
    if setup.data.unreadable:
        rows = [
            {"image": str(image.sample.path), "problem": image.error.problem, "hint": image.error.hint}
            for image in setup.data.unreadable
        ]
        write_rows(folder / SKIPPED, rows)
    return folder


def _estimate_bytes(setup: TrainingSetup) -> int:
    """Estimate the size of a run: the model, and the trainable weights in a saved state."""
    network = setup.built.network
    trainable = network.head if setup.frozen else network
    model_size, trainable_size = (
        sum(parameter.numel() for parameter in part.parameters()) for part in (network, trainable)
    )
    return 4 * (model_size + _STATE_COPIES * trainable_size)
