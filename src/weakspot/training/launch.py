"""Which process of a training this is, and how many there must be, from the environment. Does not import torch."""

import os

from weakspot.errors import InputError
from weakspot.training.options import TrainOptions


def is_rank_zero() -> bool:
    """Whether this is the process that writes files, rather than one that Lightning or torchrun started with it."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def started_by_torchrun() -> bool:
    """Whether torchrun started this process; if not, Lightning starts the other processes."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def check_world_size(options: TrainOptions) -> None:
    """Refuse options that differ from what torchrun started, with which processes would wait for each other forever."""
    nodes, devices = options.nodes, options.devices
    if not started_by_torchrun():
        if nodes > 1:
            raise InputError(
                "options-conflict",
                f"--nodes {nodes} requires torchrun.",
                f"Run on each node: torchrun --nnodes {nodes} --nproc-per-node {devices} ... -m weakspot train ...",
            )
        return
    launched = int(os.environ["GROUP_WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if launched != (nodes, devices):
        raise InputError(
            "world-size-mismatch",
            f"torchrun started --nnodes {launched[0]} --nproc-per-node {launched[1]}, "
            f"but the options are --nodes {nodes} --devices {devices}.",
            "Use the same numbers for both.",
        )
