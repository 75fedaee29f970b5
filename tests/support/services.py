"""A small localizer with random weights, and services that run it.

No limit here depends on the speed of the machine: TIMEOUT is far more than any call needs, and tests wait for
conditions instead of sleeping.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from small_graphs import random_images, run_folder

import weakspot as ws
from weakspot.serving.api import ServiceState, build_api
from weakspot.serving.batching import BatchingLocalizer
from weakspot.serving.middleware import Limits, SecurityMiddleware
from weakspot.serving.prometheus import PrometheusMetrics
from weakspot.serving.server import Server, listen, url_of

TIMEOUT = 300.0


def small_localizer(folder: Path, **options) -> ws.Localizer:
    return ws.Localizer(run_folder(folder, quality="plain"), backend="torch", **options)


def png(pixels) -> bytes:
    file = BytesIO()
    Image.fromarray(np.asarray(pixels)).save(file, "PNG")
    return file.getvalue()


PNGS = [png(image) for image in random_images(6)]


def wait_until(condition: Callable[[], object]):
    """Wait until a condition holds, and return its value."""
    deadline = time.monotonic() + TIMEOUT
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.005)
    return value


class BlockedBatches:
    """Blocks all batches until they are released."""

    def __init__(self, monkeypatch):
        self.started, self.released, self.sizes = threading.Event(), threading.Event(), []
        batch = ws.Localizer.batch

        def blocked(localizer, images, **options):
            self.sizes.append(len(images))
            self.started.set()
            assert self.released.wait(TIMEOUT)
            return batch(localizer, images, **options)

        monkeypatch.setattr(ws.Localizer, "batch", blocked)


def small_service(batching: BatchingLocalizer, *, limits: Limits | None = None, **options) -> SecurityMiddleware:
    """The application with its middleware; it rejects the next ``full_responses`` images as if the queue were full."""
    metrics = PrometheusMetrics(lambda: batching.queued)
    app = build_api(ServiceState("birds", batching, metrics, **options))
    service = SecurityMiddleware(
        app, limits or Limits(2**20, TIMEOUT), lambda: looks_full() or batching.full, metrics.count_request
    )
    service.full_responses = 0

    def looks_full():
        service.full_responses -= 1
        return service.full_responses >= 0

    return service


@contextmanager
def running(app, *, busy=lambda: False, timeout: float = TIMEOUT) -> Iterator[tuple]:
    """A server in a thread, on its own port: the listening socket and the server."""
    started = threading.Event()
    server = Server(app, busy=busy, timeout=timeout, on_start=started.set)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert started.wait(TIMEOUT)
        try:
            yield listener, server
        finally:
            server.should_exit = True
            thread.join(TIMEOUT / 2)
            assert not thread.is_alive()


@dataclass(frozen=True)
class LiveService:
    """A running service."""

    url: str
    port: int
    batching: BatchingLocalizer
    middleware: SecurityMiddleware

    @property
    def localizer(self) -> ws.Localizer:
        return self.batching.localizer


@contextmanager
def serving(
    localizer: ws.Localizer, *, token: str | None = None, body_timeout: float = TIMEOUT
) -> Iterator[LiveService]:
    """Serve until the block ends."""
    batching = BatchingLocalizer(localizer, timeout=TIMEOUT)
    middleware = small_service(batching, limits=Limits(2**20, body_timeout, token))
    with running(middleware) as (listener, server):
        yield LiveService(url_of(listener), listener.getsockname()[1], batching, middleware)
        server.force_exit = True  # connections that tests left open do not count
    batching.close(timeout=TIMEOUT)
