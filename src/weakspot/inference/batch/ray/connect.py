"""Connect to a Ray cluster, or run Ray on this machine."""

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from weakspot.errors import InputError

_SECONDS_TO_ANSWER = 10


def check_ray() -> None:
    """Refuse to go on without Ray Data.

    Raises:
        InputError: If it is not installed.
    """
    if not (find_spec("ray") and find_spec("pyarrow")):
        raise InputError("Ray Data is not installed.", "Run: pip install 'weakspot[ray]'")


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or run Ray on this machine.

    Args:
        address: Of a cluster's head, as ``10.0.0.1:6379``; ``"auto"`` for that of this machine. None takes
            ``$RAY_ADDRESS``, which ``ray job submit`` sets, and else a Ray of its own.

    Raises:
        InputError: If it cannot be reached or started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing of a run is told to anybody
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what Ray mends by itself is no news
    import ray

    where = address or os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = {"include_dashboard": False} if where == "local" else {}
    try:
        _check_listens(where)
        with _without_stderr():
            ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (OSError, RuntimeError, ValueError) as error:
        problem = f"Ray cannot be reached at {where}: {_first_line(error)}."
        raise InputError(problem, "Check --address, and $RAY_AUTH_TOKEN if the cluster asks for one.") from error
    with redirect_stdout(sys.stderr):  # Ray tells of dead workers on stdout, which is for results
        try:
            yield
        finally:
            ray.shutdown()


def _check_listens(address: str) -> None:
    """Knock at a head's port: Ray itself would knock for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS_TO_ANSWER).close()


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Keep quiet what is not Python, such as Ray's announcement of how quiet it is going to be."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class Allocation(NamedTuple):
    """How many actors a cluster has room for, and whether each has a GPU to itself, or a core."""

    actors: int
    gpu: bool


def allocate_actors(asked: int | None, device: str) -> Allocation:
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
    return Allocation(min(asked or count, count), gpu)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
