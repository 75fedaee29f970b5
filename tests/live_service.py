"""The real service on a small model, on a port of this machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from small_graphs import run_folder

import weakspot as ws
from weakspot.serving.api import Served, build_api
from weakspot.serving.gate import Gate, Limits
from weakspot.serving.instruments import Instruments
from weakspot.serving.server import Server, listen, url_of
from weakspot.serving.shared_localizer import SharedLocalizer


@dataclass(frozen=True)
class Live:
    """A service that runs: ``full`` is what it thinks of its queue, which a test may change."""

    url: str
    port: int
    localizer: ws.Localizer
    served: Served
    full: list[bool]


def small_localizer(folder: Path, **options) -> ws.Localizer:
    return ws.Localizer(run_folder(folder), backend="torch", **options)


@contextmanager
def serving(
    localizer: ws.Localizer, *, token: str | None = None, body: int = 2**20, seconds: float = 10, waiting: int = 64
) -> Iterator[Live]:
    """Serve until the block ends."""
    instruments = Instruments(lambda: 0)
    shared = SharedLocalizer(localizer, waiting=waiting, timeout=seconds)
    served, full, started = Served("small", shared, instruments), [False], threading.Event()
    gate = Gate(build_api(served), Limits(body, seconds, token), lambda: full[0] or shared.full)
    server = Server(gate, busy=lambda: False, timeout=seconds, on_start=started.set)
    listening = listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        assert started.wait(20)
        yield Live(url_of(listening), listening.getsockname()[1], localizer, served, full)
    finally:
        server.should_exit = True
        thread.join(20)
        shared.close(timeout=5)
        listening.close()
