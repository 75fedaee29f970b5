"""Train a classifier: from a data set with labels to a run folder that localizes; mistakes were looked for before."""

import logging
import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import torch

from weakspot.data import Dataset
from weakspot.errors import InputError, WeakspotError
from weakspot.io.folder_lock import folder_lock
from weakspot.io.folders import DATA, LOG, METRICS, SKIPPED, STATE
from weakspot.io.rows import write_rows
from weakspot.models.run_files import MODEL_FILE
from weakspot.training.checkpointing import InterruptionError
from weakspot.training.data_record import DataRecord, check_same_data, describe_data, write_record
from weakspot.training.distributed import AllGatherStr, check_same_config, is_peer_failure, peer_exited
from weakspot.training.finalize import finalize
from weakspot.training.fit import fit
from weakspot.training.launch import is_rank_zero, started_by_torchrun
from weakspot.training.lightning_module import WsolModule
from weakspot.training.run_config import TrainRequest
from weakspot.training.run_folder import check_output, make_run_folder, write_config
from weakspot.training.saved_state import check_state
from weakspot.training.setup import TrainingSetup, set_up

logger = logging.getLogger(__name__)

# Copies of each trainable weight in a saved state: the weight, two moments of AdamW, and the best so far; one to spare.
_STATE_COPIES = 5


def run_training(
    request: TrainRequest, dataset: Dataset, output: Path, all_gather_str: AllGatherStr, log_to: Callable[[Path], None]
) -> Path:
    """Train on a data set as requested, and return the run folder.

    Args:
        request: What to train.
        dataset: The data set, as read.
        output: Requested run folder, or that of the run to resume.
        all_gather_str: Function that gathers a string from each process.
        log_to: Function that appends messages to a file.
    """
    setup = set_up(dataset, request.options)
    record = describe_data(setup, request.options)
    is_recorded = request.folder is None or check_same_data(request.folder, record)
    if not is_recorded and request.folder is not None:
        check_state(request.folder, setup, request.options)
        logger.info(
            "The run does not record its data and models, as it began in an earlier version: it continues with "
            "the present ones, and records them now."
        )
    check_same_config(setup, request.options, all_gather_str)
    if is_rank_zero():
        check_output(output, needed_bytes=_estimate_bytes(setup))
    with ExitStack() as held:
        folder = Path(all_gather_str(str(_run_folder(request, setup, output, record, held)))[0])
        log_to(folder / LOG)
        resume_hint = f"Resume with: weakspot train --resume {folder}"
        try:
            return _fit_and_finalize(request, setup, folder, all_gather_str)
        except (InterruptionError, KeyboardInterrupt) as interrupt:
            saved = "The state is saved." if (folder / STATE).exists() else "No step was completed."
            raise KeyboardInterrupt(f"{saved} {resume_hint}") from interrupt
        except BaseException as error:
            # Remove a new folder if nothing was learned. In other processes it may not be the folder of this run.
            if (
                is_rank_zero()
                and request.folder is None
                and not any((folder / name).exists() for name in (METRICS, STATE))
            ):
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
            finalize(setup, module, folder, options)
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


def _run_folder(request: TrainRequest, setup: TrainingSetup, output: Path, record: DataRecord, held: ExitStack) -> Path:
    """Return the folder of a resumed run, or create and hold a new one; record configuration and images in it."""
    if not is_rank_zero():
        return output
    # Record the choice that "auto" made, so that the run is the same on another machine.
    options = replace(request.options, freeze="backbone" if setup.frozen else "none")
    if request.folder is not None:
        if request.moved:
            write_config(request.folder, request.data, options)
        if not (output / DATA).exists():  # a run of 0.1.0
            write_record(output, record)
        return output
    folder = make_run_folder(output)
    held.enter_context(folder_lock(folder))
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
