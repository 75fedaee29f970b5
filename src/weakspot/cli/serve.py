"""Serve a model: a web page and an HTTP API."""

import logging
import math
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from weakspot.data import MAX_PIXELS
from weakspot.errors import InputError, ModelError
from weakspot.serving.options import ServeOptions

if TYPE_CHECKING:
    from weakspot.inference.localizer import Localizer
    from weakspot.serving.api import ServiceState

TOKEN = "WEAKSPOT_TOKEN"
_log = logging.getLogger("weakspot")


def serve(model: str, options: ServeOptions, *, on_start: Callable[[str], None]) -> None:
    """Serve a model until the process is told to end.

    Args:
        model: Run folder, file of weakspot export, or timm or torchvision name.
        options: Where to listen, and what a request may cost.
        on_start: Called with the address once requests are taken.

    Raises:
        InputError: If an option cannot be used, or the address cannot be listened on.
        ModelError: If the model cannot be used, or what serving needs is not installed.
        KeyboardInterrupt: At Ctrl-C, after those who asked were answered.
    """
    if not all(find_spec(name) for name in ("fastapi", "gradio", "multipart", "prometheus_client", "uvicorn")):
        raise ModelError("What serving needs is not installed.", "Run: pip install 'weakspot[web]'")
    token = _checked(options)
    from weakspot.serving.api import build_api
    from weakspot.serving.middleware import Limits, SecurityMiddleware, allowed_hosts
    from weakspot.serving.server import Server, listen, url_of
    from weakspot.serving.web import mount_page

    listening = listen(options.host, options.port)
    try:
        state = _service_state(model, options)
        app = build_api(state)
        mount_page(app, state.batching, max_upload_mb=max(1, round(options.max_upload_mb)))
        limits = Limits(round(options.max_upload_mb * 2**20), options.timeout, token, allowed_hosts(options.host))
        app_with_limits = SecurityMiddleware(app, limits, lambda: state.batching.full, state.metrics.count_request)
        server = Server(
            app_with_limits,
            busy=lambda: app_with_limits.active_requests > 0 or state.batching.busy,
            timeout=options.timeout,
            on_start=lambda: on_start(url_of(listening)),
        )
        try:
            server.run_until_stopped(listening)
        finally:
            state.batching.close(timeout=1)
    finally:
        listening.close()


def _checked(options: ServeOptions) -> str | None:
    """Refuse options that make no sense, and serving strangers without a token; give the token."""
    for name in ("max_upload_mb", "max_pixels", "max_images", "concurrency", "timeout"):
        value = getattr(options, name)
        if value is not None and not 0 < value < math.inf:
            raise InputError(f"--{name.replace('_', '-')} {value} is no limit.", "Give a number above 0.")
    from weakspot.serving.middleware import allowed_hosts

    token = options.token or os.environ.get(TOKEN) or None
    if token is None and allowed_hosts(options.host) is None:
        raise InputError(
            f"Others than this machine reach {options.host}, and no token is set.",
            f"Set {TOKEN} (or --token) to a long random text, or leave --host out.",
        )
    if token is not None and not (token.isascii() and token.isprintable() and token == token.strip()):
        raise InputError("The token has characters that not every client can send.", "Take ASCII letters and digits.")
    return token


def _service_state(model: str, options: ServeOptions) -> "ServiceState":
    from weakspot.serving.api import ServiceState
    from weakspot.serving.batching import BatchingLocalizer
    from weakspot.serving.prometheus import PrometheusMetrics

    localizer = open_to_serve(model, options)
    grey = np.full((*(2 * [64]), 3), 128, np.uint8)
    for on_one_core in (True, False):  # the first requests are to be as quick as all others
        localizer.batch([grey], single_threaded=on_one_core)
    metrics = PrometheusMetrics(lambda: batching.queued)
    batching = BatchingLocalizer(
        localizer, max_queue=options.concurrency, timeout=options.timeout, on_batch=metrics.count_batch
    )
    return ServiceState(Path(model).name, batching, metrics, min(options.max_images, options.concurrency))


def open_to_serve(model: str, options: ServeOptions) -> "Localizer":
    """Open a model in onnxruntime where it can be, since exporting pays for what runs for long; else in PyTorch."""
    from weakspot.inference.localizer import Localizer

    def opened(backend: str) -> Localizer:
        return Localizer(
            model,
            method=options.method,
            quality=options.quality,
            device=options.device,
            max_pixels=options.max_pixels or MAX_PIXELS,
            backend=backend,  # type: ignore[arg-type]
        )

    if options.backend != "auto" or os.environ.get("WEAKSPOT_BACKEND"):
        return opened(options.backend)
    try:
        return opened("onnx")
    except ModelError as error:
        found = opened("auto")  # which says it, if the model itself is at fault
        _log.info("the model stays in PyTorch: %s", error.problem)
        return found
