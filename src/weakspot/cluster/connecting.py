"""Connect to a Ray cluster, or run Ray on this machine."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from weakspot.errors import InputError


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or run Ray on this machine.

    Args:
        address: Of a cluster's head, as ``10.0.0.1:6379``; ``"auto"`` for that of this machine. None takes
            ``$RAY_ADDRESS``, which ``ray job submit`` sets, and else a Ray of its own.

    Raises:
        InputError: If Ray is not installed, or cannot be reached or started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing of a run is told to anybody
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise InputError("Ray is not installed.", "Run: pip install 'weakspot[ray]'") from error
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = {"include_dashboard": False} if where == "local" else {}
    try:
        ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"Ray cannot be reached at {where}: {_first_line(error)}.", "Check --address.") from error
    try:
        yield
    finally:
        ray.shutdown()


class Places(NamedTuple):
    """How many actors a cluster has room for, and whether each has a GPU to itself, or a core."""

    actors: int
    gpu: bool


def places(asked: int | None, device: str) -> Places:
    """Choose how many actors a connected cluster gets.

    Args:
        asked: At most so many; None takes one for each GPU, or for each core.
        device: ``"cpu"``, ``"cuda"`` or ``"auto"``: GPUs if there are any.

    Raises:
        InputError: If it has no GPU, and one is wanted.
    """
    import ray

    there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    gpu = device != "cpu" and (device != "auto" or there.get("GPU", 0) >= 1)
    count = int(there.get("GPU" if gpu else "CPU", 0))
    if count < 1:
        raise InputError(f"The cluster has no {'GPU' if gpu else 'core'} for --device {device}.", "Take --device auto.")
    return Places(min(asked or count, count), gpu)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
