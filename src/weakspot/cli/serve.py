"""Serve a model: a web page and an HTTP API."""

import logging
import math
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from weakspot.concurrency import available_cores
from weakspot.data import DecoderPool
from weakspot.data.decoder_limits import DecodingLimits
from weakspot.errors import InputError, ModelError
from weakspot.inference.command_options import localizer_options
from weakspot.inference.early_checks import check_model
from weakspot.serving.options import ServeOptions
from weakspot.serving.tokens import allowed_hosts, checked_token

if TYPE_CHECKING:
    from weakspot.inference.localizer import Localizer
    from weakspot.serving.api import ServiceState

_EXPORT_FIRST = "serve a file of weakspot export, which fits one."
_log = logging.getLogger("weakspot")


def serve(model: str, options: ServeOptions, *, on_start: Callable[[str], None]) -> None:
    """Serve a model until the process receives SIGINT or SIGTERM; ``on_start`` is called with the URL once it listens.

    On SIGINT, KeyboardInterrupt is raised after the accepted requests are answered.
    """
    if not all(find_spec(name) for name in ("fastapi", "gradio", "multipart", "prometheus_client", "uvicorn")):
        raise ModelError(
            "not-installed", "Packages of the web service are not installed.", "Run: pip install 'weakspot[web]'"
        )
    check_model(model, options)
    token = _checked(options)
    from weakspot.serving.api import build_api
    from weakspot.serving.middleware import Limits, SecurityMiddleware
    from weakspot.serving.proxy import RootPath, parse_root
    from weakspot.serving.server import Server, listen, url_of
    from weakspot.serving.web import mount_page

    root = parse_root(options.root_path)
    listening = listen(options.host, options.port)
    # More than cores, so that images that take long leave some for others; none goes on after its request.
    decoders = DecoderPool(available_cores() + 2, DecodingLimits(wall_seconds=options.timeout))
    try:
        decoders.start(available_cores())  # while the model is loaded
        state = _service_state(model, options, decoders)
        app = build_api(state, root_url=root.url)
        mount_page(app, state.batching, max_upload_mb=max(1, round(options.max_upload_mb)), root_url=root.url)
        max_bytes, hosts = round(options.max_upload_mb * 2**20), allowed_hosts(options.host)
        limits = Limits(max_bytes, options.timeout, token, hosts, root)
        app_with_limits = SecurityMiddleware(app, limits, lambda: state.batching.full, state.metrics.count_request)
        server = Server(
            RootPath(app_with_limits, root.path),
            busy=lambda: app_with_limits.active_requests > 0 or state.batching.busy,
            timeout=options.timeout,
            on_start=lambda: on_start(url_of(listening)),
        )
        try:
            server.run_until_stopped(listening)
        finally:
            state.batching.close(timeout=1)
    finally:
        decoders.close()
        listening.close()


def _checked(options: ServeOptions) -> str | None:
    """Validate the options, and return the token; it is required if other machines can connect."""
    for name in ("max_upload_mb", "max_pixels", "max_images", "concurrency", "timeout"):
        value = getattr(options, name)
        if value is not None and not 0 < value < math.inf:
            option = f"--{name.replace('_', '-')}"
            raise InputError("out-of-range", f"{option} must be greater than 0 and finite, got {value}.")
    return checked_token(options.token, options.host)


def _service_state(model: str, options: ServeOptions, decoders: DecoderPool) -> "ServiceState":
    from weakspot.serving.api import ServiceState
    from weakspot.serving.batching import BatchingLocalizer
    from weakspot.serving.prometheus import PrometheusMetrics

    localizer = load_to_serve(model, options, decoders)
    if localizer.needs_adaptation:
        _log.warning("%s needs a foreground head, which a service does not fit: %s", localizer.quality, _EXPORT_FIRST)
    gray = np.full((*(2 * [64]), 3), 128, np.uint8)
    for single_threaded in (True, False):  # warm up, so that the first requests are not slower
        localizer.batch([gray], single_threaded=single_threaded)
    metrics = PrometheusMetrics(lambda: batching.queued)
    batching = BatchingLocalizer(
        localizer, max_queue=options.concurrency, timeout=options.timeout, on_batch=metrics.count_batch
    )
    return ServiceState(Path(model).name, batching, metrics, min(options.max_images, options.concurrency))


def load_to_serve(model: str, options: ServeOptions, decoders: DecoderPool | None = None) -> "Localizer":
    """Load a model with ONNX Runtime if possible, since a service runs long enough to export it; else with PyTorch."""
    from weakspot.inference.localizer import Localizer

    def load(backend: str) -> Localizer:
        return Localizer.from_options(model, localizer_options(options, backend=backend, decoders=decoders))

    if options.backend != "auto" or os.environ.get("WEAKSPOT_BACKEND"):
        return load(options.backend)
    try:
        return load("onnx")
    except ModelError as error:
        localizer = load("auto")  # raises the error if the model itself is the cause
        _log.info("the model runs in PyTorch: %s", error.problem)
        return localizer
