"""The processes that train together: which of them writes, and whether there are as many as was asked for."""

import os

import torch

from weakspot.errors import InputError
from weakspot.training.options import TrainOptions


def is_rank_zero() -> bool:
    """Whether this is the process that writes, not one that lightning or torchrun started beside it."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def started_by_torchrun() -> bool:
    """Whether torchrun has started this process; if not, lightning starts those beside it."""
    return torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()


def check_world_size(options: TrainOptions) -> None:
    """Refuse another number of processes than torchrun has started: they would wait for each other for ever.

    Raises:
        InputError: If there are more or fewer, or several nodes are to train and torchrun has started none.
    """
    nodes, devices = options.nodes, options.devices
    if not started_by_torchrun():
        if nodes > 1:
            raise InputError(
                f"--nodes {nodes} was given, and torchrun has not started this process.",
                f"Run on each node: torchrun --nnodes {nodes} --nproc-per-node {devices} ... -m weakspot train ...",
            )
        return
    there = int(os.environ["GROUP_WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if there != (nodes, devices):
        raise InputError(
            f"torchrun has started --nnodes {there[0]} --nproc-per-node {there[1]}, "
            f"and the run has --nodes {nodes} --devices {devices}.",
            "Give the same numbers to both.",
        )


def peer_exited(hint: str = "See what it says, on its node.") -> InputError:
    """The error of a process that cannot go on alone."""
    return InputError("Another process of this training has ended.", hint)


def is_peer_failure(error: RuntimeError) -> bool:
    """Whether an error says that another process is gone. gloo has no class of its own for that."""
    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error).lower()
