"""Routes of the HTTP API."""

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import FastAPI, File, Form, Request, Response, UploadFile
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from weakspot.config import BoxesName, __version__
from weakspot.errors import InputError, WeakspotError
from weakspot.inference.localization import Localization
from weakspot.serving.api_errors import add_error_handlers, responses_of
from weakspot.serving.batching import (
    BatchingLocalizer,
    RequestOptions,
    stopping_error,
    timeout_error,
)
from weakspot.serving.form_requests import OPTIONS, FormRequests
from weakspot.serving.middleware import LOCALIZE
from weakspot.serving.prometheus import PrometheusMetrics
from weakspot.serving.schemas import (
    ApiError,
    BatchResponse,
    LocalizationResponse,
    MethodResponse,
    MethodsResponse,
    ModelResponse,
    ModelsResponse,
    StatusResponse,
    error_body,
)

_SUMMARY = "Localize objects in images with a classifier that was trained on image-level labels."
# Maximum number of class maps (images times classes) of a request.
_MAX_MAPS = 100
# An omitted form field; a form cannot send null, so the OpenAPI document does not offer it.
Omitted = SkipJsonSchema[None]
ClassNames = Annotated[list[Annotated[str, StringConstraints(max_length=200)]], Field(max_length=_MAX_MAPS)]
Fraction = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class ServiceState:
    """The model that a service runs, its name (of a path, the last part), and the limit of images per request."""

    name: str
    batching: BatchingLocalizer
    metrics: PrometheusMetrics
    max_images: int = 32


def build_api(state: ServiceState, *, root_url: str = "") -> FastAPI:
    """Build the API of a service; ``root_url`` is its path or URL behind a reverse proxy."""
    servers = [{"url": root_url}] if root_url else None
    # The interactive documentation would load scripts from other hosts; /openapi.json is served.
    app = FastAPI(
        title="weakspot", version=__version__, docs_url=None, redoc_url=None, summary=_SUMMARY, servers=servers
    )
    app.add_middleware(FormRequests)
    add_error_handlers(app)
    _add_localize(app, state)
    _add_models_and_methods(app, state)
    _add_health(app, state)
    _answer_head(app)
    _refuse_other_methods(app)
    _close_forms(app)
    return app


def _close_forms(app: FastAPI) -> None:
    """Declare in the schema that forms have no other fields, as :func:`_check_fields` requires."""
    schemas = app.openapi()["components"]["schemas"]  # kept by the app
    for name in (name for name in schemas if name.startswith("Body_")):
        schemas[name]["additionalProperties"] = False


def _answer_head(app: FastAPI) -> None:
    """Answer HEAD requests, which load balancers send, as GET requests; the server omits the body."""
    for route in [route for route in app.routes if isinstance(route, APIRoute) and route.methods == {"GET"}]:
        app.add_api_route(route.path, route.endpoint, methods=["HEAD"], include_in_schema=False)


def _refuse_other_methods(app: FastAPI) -> None:
    """Answer all other methods of each path, which would be passed on to the page."""
    methods: dict[str, set[str]] = {}
    for route in app.routes:
        if isinstance(route, Route):
            methods.setdefault(route.path, set()).update(route.methods or ())
    app.router.routes.extend(Route(path, _OtherMethods(allowed)) for path, allowed in methods.items())


@dataclass(frozen=True)
class _OtherMethods:
    """ASGI app of a path that answers that it has other methods."""

    allowed: set[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await ApiError.wrong_method(scope["method"]).response(allow=self.allowed)(scope, receive, send)


def _add_localize(app: FastAPI, state: ServiceState) -> None:
    method_names = state.batching.methods

    @app.post(
        LOCALIZE,
        response_model=LocalizationResponse | BatchResponse,
        responses=responses_of(400, 408, 413, 422, 429, 503),
        summary="Localize classes in one or several images",
        description="The fields, except the image, may also be in the query, and the body may be an image file "
        "(Content-Type image/jpeg, image/png, ..., or application/octet-stream) instead of a form.",
    )
    async def localize(
        request: Request,
        image: Annotated[
            list[UploadFile], File(description="Image file; repeat the field for several images.", min_length=1)
        ],
        method: Annotated[Literal[method_names] | Omitted, Form(description="See /v1/methods.")] = None,  # type: ignore[valid-type]
        classes: Annotated[
            ClassNames | Omitted, Form(description="Name or index of a class; repeat the field for several classes.")
        ] = None,
        top_k: Annotated[int, Form(ge=1, le=_MAX_MAPS, description="Number of most probable classes.")] = 1,
        threshold: Annotated[
            Fraction | Omitted, Form(description="Fraction of the heatmap's peak that bounds the regions.")
        ] = None,
        boxes: Annotated[
            BoxesName,
            Form(description="Region of most evidence, largest region, all, or all with touching objects separated."),
        ] = "best",
        heatmap: Annotated[bool, Form(description="Whether to return the heatmaps.")] = False,
    ) -> Response:
        _check_fields([name for name, _ in (await request.form()).multi_items()])  # parsed already
        options = RequestOptions(method, tuple(classes) if classes else None, top_k, threshold, boxes)
        return await _localize(state, request, image, options, heatmap)


def _check_fields(names: Sequence[str]) -> None:
    """Refuse fields that do not exist, such as a misspelt option, and options given twice: only one would count."""
    for name in names:
        if name not in ("image", *OPTIONS):
            problem = f"The form has an unknown field {name[:100]!r}."
            raise InputError("request-invalid", problem, f"Fields: image, {', '.join(OPTIONS)}.")
        if name not in ("image", "classes") and names.count(name) > 1:
            problem = f"The option {name} is given {names.count(name)} times, in the form or the query."
            raise InputError("request-invalid", problem, "Give it once.")


async def _localize(
    state: ServiceState, request: Request, images: Sequence[UploadFile], options: RequestOptions, heatmap: bool
) -> Response:
    if len(images) > state.max_images:
        raise HTTPException(413, f"A request must have at most {state.max_images} images, got {len(images)}")
    maps = len(images) * (options.top_k if options.classes is None else len(options.classes))
    if len(images) > 1 and maps > _MAX_MAPS:
        raise HTTPException(413, f"Images times classes must be at most {_MAX_MAPS}, got {maps}")
    files = [await image.read() for image in images]
    futures = state.batching.submit(files, options)
    results = await _gather(request, futures, state.batching.timeout)
    for result in results:
        state.metrics.count_image(localized=isinstance(result, Localization))
    if len(results) == 1 and isinstance(results[0], WeakspotError):
        raise results[0]
    # In a thread, because encoding a hundred heatmaps takes a while.
    return await asyncio.to_thread(_respond, results, [image.filename for image in images], heatmap)


def _respond(results: Sequence[Localization | WeakspotError], names: Sequence[str | None], heatmap: bool) -> Response:
    rows = [_row(result, name, heatmap) for result, name in zip(results, names, strict=True)]
    return JSONResponse(rows[0] if len(rows) == 1 else {"results": rows})


async def _gather(
    request: Request, futures: "Sequence[Future[Localization]]", timeout: float
) -> list[Localization | WeakspotError]:
    """Wait for the results, until the client disconnects."""
    results = asyncio.gather(*(asyncio.wrap_future(future) for future in futures), return_exceptions=True)
    disconnected = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait((results, disconnected), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if not results.done():
            raise timeout_error(timeout)
    finally:
        disconnected.cancel()
        for future in futures:
            future.cancel()
    return [_checked(result) for result in results.result()]


def _checked(result: Localization | BaseException) -> Localization | WeakspotError:
    if isinstance(result, Localization | WeakspotError):
        return result
    if isinstance(result, CancelledError | asyncio.CancelledError):
        return stopping_error()
    raise result


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _row(result: Localization | WeakspotError, name: str | None, heatmap: bool) -> dict[str, Any]:
    if isinstance(result, WeakspotError):
        return error_body(result)
    row = result.to_dict()
    name = name and name.encode(errors="replace").decode()  # without the lone surrogates of some charsets
    for part, localization in zip((row, *row.get("others", ())), result, strict=True):
        part["image"] = name
        if heatmap:
            part["heatmap_png"] = _png(localization.heatmap)
    return row


def _png(heatmap: NDArray[np.float32]) -> str:
    file = BytesIO()
    Image.fromarray((heatmap * 255).round().astype(np.uint8)).save(file, "PNG")
    return b64encode(file.getvalue()).decode()


def _add_models_and_methods(app: FastAPI, state: ServiceState) -> None:
    localizer = state.batching.localizer

    @app.get("/v1/models", responses=responses_of(), summary="The served model")
    async def models() -> ModelsResponse:
        model = ModelResponse(
            name=state.name,
            method=localizer.method,
            quality=localizer.quality,
            threshold=localizer.threshold,
            backend=localizer.backend,
            input_height=localizer.preprocessing.height,
            input_width=localizer.preprocessing.width,
            classes=list(localizer.class_names),
        )
        return ModelsResponse(models=[model], version=__version__)

    @app.get("/v1/methods", responses=responses_of(), summary="Methods that requests may use")
    async def methods() -> MethodsResponse:
        names = state.batching.methods
        return MethodsResponse(
            methods=[MethodResponse(name=name, threshold=localizer.threshold_of(name)) for name in names]
        )


def _add_health(app: FastAPI, state: ServiceState) -> None:
    @app.get("/healthz", responses=responses_of(), summary="Whether the service is alive")
    async def healthz() -> StatusResponse:
        return StatusResponse(status="ok")

    @app.get("/readyz", responses=responses_of(503), summary="Whether the service accepts images")
    async def readyz() -> StatusResponse:
        state.batching.check_ready()
        return StatusResponse(status="ok")

    @app.get("/metrics", responses=responses_of(), response_class=PlainTextResponse, summary="Metrics for Prometheus")
    async def metrics() -> Response:
        return Response(state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
