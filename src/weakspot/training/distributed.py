"""Processes that train together: their number, their agreement, and what happens if one of them exits."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import timedelta
from hashlib import sha256
from itertools import count
from typing import Any

import torch
from torch.distributed import BarrierOptions, ProcessGroupGloo
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from weakspot.errors import InputError
from weakspot.training.launch import started_by_torchrun
from weakspot.training.options import TrainOptions
from weakspot.training.setup import TrainingSetup

# torchrun starts all processes at the same time, but one of them may compute for long before the others continue.
_CONNECT_TIMEOUT, _WAIT_TIMEOUT = timedelta(minutes=5), timedelta(days=1)
_rendezvous_numbers = count()

# Options that may differ between nodes: paths, and what does not change the weights.
_NODE_OPTIONS = ("teacher", "weights", "labels", "images", "output", "device", "workers", "save_every", "logger")

AllGatherStr = Callable[[str], list[str]]


def peer_exited(hint: str = "See the log of its node.") -> InputError:
    """Return the error for a process that cannot continue without another one."""
    return InputError("peer-process-exited", "Another process of this training has exited.", hint)


def is_peer_failure(error: RuntimeError) -> bool:
    """Whether an error means that another process is gone. gloo has no exception class of its own for this."""
    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error).lower()


class Rendezvous:
    """Exchange of strings between processes, independent of the process group in which Lightning trains.

    It waits as long as other processes compute, and fails at once if one of them exits. The default process group
    cannot do this: TorchMetrics would synchronize over it while rank 0 evaluates thresholds alone.

    Args:
        store: Store that all processes reach.
        rank: Rank of this process.
        world_size: Number of processes.
    """

    def __init__(self, store: Store, rank: int, world_size: int) -> None:
        self._store, self._rank, self._world_size = store, rank, world_size
        self._calls = 0
        self._group: Any = ProcessGroupGloo(store, rank, world_size, _CONNECT_TIMEOUT)

    def all_gather_str(self, text: str) -> list[str]:
        """Return the strings of all processes, by rank."""
        self._calls += 1
        keys = [f"{self._calls}/{rank}" for rank in range(self._world_size)]
        options = BarrierOptions()
        options.timeout = _WAIT_TIMEOUT
        try:
            self._store.set(keys[self._rank], text)
            self._group.barrier(options).wait()
            return [self._store.get(key).decode() for key in keys]
        except RuntimeError as error:
            raise peer_exited() from error

    def close(self) -> None:
        """Disconnect, so that processes that wait for this one fail."""
        self._group = None


@contextmanager
def join_nodes() -> Iterator[AllGatherStr]:
    """Connect to the other processes that torchrun started; yield a function that gathers one string from each."""
    if not started_by_torchrun() or os.environ["WORLD_SIZE"] == "1":
        yield lambda text: [text]
        return
    try:
        store, rank, world_size = next(rendezvous("env://", timeout=_CONNECT_TIMEOUT))
        joined = Rendezvous(PrefixStore(f"weakspot/{next(_rendezvous_numbers)}", store), rank, world_size)
    except RuntimeError as error:
        raise peer_exited() from error
    try:
        yield joined.all_gather_str
    finally:
        joined.close()


def check_same_config(setup: TrainingSetup, options: TrainOptions, all_gather_str: AllGatherStr) -> None:
    """Refuse to train together with different options or images.

    Args:
        setup: What this process trains.
        options: Its options.
        all_gather_str: Function that gathers a string from each process.
    """
    if len(set(all_gather_str(_digest(setup, options)))) > 1:
        raise InputError(
            "config-mismatch",
            "The options or images of the processes differ.",
            "Start the same command on each node, with the same data.",
        )


def _digest(setup: TrainingSetup, options: TrainOptions) -> str:
    """Hash the options, and the names of the images in order."""
    values = [getattr(options, field.name) for field in fields(options) if field.name not in _NODE_OPTIONS]
    resolved = (setup.frozen, setup.epochs, setup.lr, setup.data.labels.class_names)
    splits = (setup.data.training, setup.data.validation)
    images = [[sample.path.parts[-2:] for sample in split.samples] for split in splits]
    return sha256(repr((values, resolved, images)).encode(errors="backslashreplace")).hexdigest()
