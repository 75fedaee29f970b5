"""Connect to a Ray cluster, or start Ray on this machine."""

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

_CONNECT_TIMEOUT = 10  # seconds
# Options of a Ray that is started on this machine. It would listen on an address that other machines reach; it takes
# 127.0.0.1 for a mistake, but not another loopback address, which only Linux has.
_LOCAL: dict[str, Any] = {"include_dashboard": False}
if sys.platform == "linux":
    _LOCAL["_node_ip_address"] = "127.0.0.2"


def check_ray() -> None:
    """Raise InputError ``not-installed`` unless Ray Data is installed."""
    if not (find_spec("ray") and find_spec("pyarrow")):
        raise InputError("not-installed", "Ray Data is not installed.", "Run: pip install 'weakspot[ray]'")


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start Ray on this machine; disconnect at the end.

    The address of the head node is one such as ``10.0.0.1:6379``, or ``"auto"`` for a cluster on this machine. None
    uses ``$RAY_ADDRESS``, which ``ray job submit`` sets, or else starts Ray.
    """
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # Ray recovers from the other errors
    import ray

    target = address or os.environ.get("RAY_ADDRESS") or "local"
    options = _LOCAL if target == "local" else {}
    try:
        _check_listening(target)
        with _silenced_stderr(), _no_dashboard():
            ray.init(address=target, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (OSError, RuntimeError, ValueError) as error:
        problem = f"Cannot connect to Ray at {target}: {_first_line(error)}."
        hint = "Check --address, and $RAY_AUTH_TOKEN if the cluster requires a token."
        raise InputError("cluster-unreachable", problem, hint) from error
    with redirect_stdout(sys.stderr):  # Ray reports crashed workers on stdout, which is reserved for results
        try:
            yield
        finally:
            ray.shutdown()


def _check_listening(address: str) -> None:
    """Check that the Ray head node accepts connections (Ray itself retries for minutes)."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_TIMEOUT).close()


@contextmanager
def _no_dashboard() -> Iterator[None]:
    """Start Ray without the process of its dashboard.

    Without a dashboard, that process would only ask the clouds whether this machine is theirs, for usage statistics,
    even if these are off.
    """
    from ray._private.node import Node

    start = Node.start_api_server
    setattr(Node, "start_api_server", lambda *_, **__: None)  # noqa: B010 - no option does that
    try:
        yield
    finally:
        setattr(Node, "start_api_server", start)  # noqa: B010


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Discard what native code writes to stderr, such as the startup messages of Ray."""
    original = os.dup(2)
    with Path(os.devnull).open("wb") as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)


class Allocation(NamedTuple):
    """Number of actors, and whether each uses a GPU or a CPU core."""

    actors: int
    gpu: bool


def allocate_actors(limit: int | None, device: str) -> Allocation:
    """Choose the number of actors on the connected cluster: up to ``limit``, one per GPU or per core.

    ``"auto"`` uses GPUs if the cluster has any; InputError ``device-not-available`` if it lacks the device.
    """
    import ray

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    gpu = device != "cpu" and (device != "auto" or resources.get("GPU", 0) >= 1)
    count = int(resources.get("GPU" if gpu else "CPU", 0))
    if count < 1:
        problem = f"--device {device} requires a {'GPU' if gpu else 'CPU core'}, and the cluster has none."
        raise InputError("device-not-available", problem, "Use --device auto.")
    return Allocation(min(limit or count, count), gpu)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
