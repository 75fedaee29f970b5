"""A service as the command runs it: the API, the page and all limits, on a port of this machine."""

import logging
from contextlib import contextmanager

import pytest
from services import TIMEOUT, running, small_localizer

from weakspot.serving.api import ServiceState, build_api
from weakspot.serving.batching import BatchingLocalizer
from weakspot.serving.middleware import Limits, SecurityMiddleware
from weakspot.serving.prometheus import PrometheusMetrics


@pytest.fixture(scope="session")
def whole_app(tmp_path_factory):
    """The API with the page mounted, as ASGI app."""
    from weakspot.serving.web import mount_page

    batching = BatchingLocalizer(small_localizer(tmp_path_factory.mktemp("run")), timeout=TIMEOUT)
    app = build_api(ServiceState("birds", batching, PrometheusMetrics(lambda: batching.queued)))
    mount_page(app, batching, max_upload_mb=1)
    yield app
    batching.close(timeout=TIMEOUT)


@contextmanager
def served(app, timeout=TIMEOUT):
    """Serve an app; yield its port."""
    middleware = SecurityMiddleware(app, Limits(2**20, timeout), lambda: False)
    with running(middleware, timeout=timeout) as (listener, server):
        yield listener.getsockname()[1]
        server.force_exit = True


@pytest.fixture(scope="session")
def port(whole_app):
    with served(whole_app) as port:
        yield port


@pytest.fixture(scope="session")
def impatient_port(whole_app):
    """The same for requests that never end, each of which costs its timeout."""
    with served(whole_app, timeout=0.5) as port:
        yield port


@pytest.fixture
def no_traceback(capfd):
    """Fail if a traceback is logged or printed during a test."""
    records = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = records.append
    loggers = [logging.getLogger(name) for name in (None, "uvicorn", "uvicorn.error", "asyncio")]
    for logger in loggers:
        logger.addHandler(handler)
    yield
    for logger in loggers:
        logger.removeHandler(handler)
    assert [record.getMessage() for record in records if record.exc_info or record.levelno >= logging.ERROR] == []
    assert "Traceback" not in "".join(capfd.readouterr())
