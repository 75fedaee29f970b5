"""The real service on a small model, on a port of this machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from small_graphs import run_folder

import weakspot as ws
from weakspot.serving.api import ServiceState, build_api
from weakspot.serving.batching import BatchingLocalizer
from weakspot.serving.middleware import Limits, SecurityMiddleware
from weakspot.serving.prometheus import PrometheusMetrics
from weakspot.serving.server import Server, listen, url_of


@dataclass(frozen=True)
class Live:
    """A service that runs."""

    url: str
    port: int
    localizer: ws.Localizer
    served: ServiceState
    gate: SecurityMiddleware


def small_localizer(folder: Path, **options) -> ws.Localizer:
    return ws.Localizer(run_folder(folder), backend="torch", **options)


@contextmanager
def gated(
    localizer: ws.Localizer, limits: Limits = Limits(2**20, 10, hosts=None), *, waiting: int = 64
) -> Iterator[tuple[SecurityMiddleware, ServiceState]]:
    """The application behind its gate, whose queue is taken for full while the attribute ``looks_full`` is true."""
    shared = BatchingLocalizer(localizer, waiting=waiting, timeout=limits.seconds)
    served = ServiceState("small", shared, PrometheusMetrics(lambda: shared.queued))
    gate = SecurityMiddleware(build_api(served), limits, lambda: gate.looks_full or shared.full)
    gate.looks_full = False
    yield gate, served
    shared.close(timeout=5)


@contextmanager
def serving(
    localizer: ws.Localizer, *, token: str | None = None, body: int = 2**20, seconds: float = 10
) -> Iterator[Live]:
    """Serve until the block ends."""
    with gated(localizer, Limits(body, seconds, token)) as (gate, served):
        started = threading.Event()
        server = Server(gate, busy=lambda: False, timeout=seconds, on_start=started.set)
        with listen("127.0.0.1", 0) as listening:
            thread = threading.Thread(target=server.run, args=([listening],))
            thread.start()
            try:
                assert started.wait(20)
                yield Live(url_of(listening), listening.getsockname()[1], localizer, served, gate)
            finally:
                server.should_exit = True
                thread.join(20)
