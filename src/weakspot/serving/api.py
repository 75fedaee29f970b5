"""The HTTP API: routes, and what they answer."""

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import FastAPI, File, Form, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse

from weakspot.config import __version__
from weakspot.errors import InputError, WeakspotError
from weakspot.inference.localization import Localization
from weakspot.serving.batching import BatchingLocalizer, QueueFullError, RequestOptions, RequestTimeoutError
from weakspot.serving.middleware import LOCALIZE
from weakspot.serving.prometheus import PrometheusMetrics
from weakspot.serving.schemas import (
    ErrorAnswer,
    LocalizationAnswer,
    MethodAnswer,
    MethodsAnswer,
    ModelAnswer,
    ModelsAnswer,
    Problem,
    SeveralAnswers,
    StateAnswer,
    error_body,
    problem_answer,
)

# What a client is told, whatever went wrong inside.
_BROKEN = Problem(500, "The service could not do that.", "Its own log says more.")
_REFUSALS = {
    400: "The request is no multipart/form-data.",
    401: "The token is missing or wrong.",
    403: "The request comes from a page of another site.",
    408: "The request came too slowly.",
    413: "The request is too large, or has too many images.",
    421: "The service does not go by that name.",
    422: "An image or an option cannot be used.",
    429: "Too many images are waiting; Retry-After says when to ask again.",
    500: "The service could not do that.",
    503: "It took too long, or the service is about to stop.",
}
# So many classes may be asked for, of all images together: each is another map to make.
_MOST = 100
# What is left out of a form; there is no way to send it, so the document is silent about it.
Nothing = SkipJsonSchema[None]
ClassNames = Annotated[list[Annotated[str, StringConstraints(max_length=200)]], Field(max_length=_MOST)]
Fraction = Annotated[float, Field(gt=0, le=1)]
_GENERAL: tuple[int, ...] = (401, 403, 421, 500)


@dataclass(frozen=True)
class ServiceState:
    """What is served.

    Attributes:
        name: Of the model; of a file or a folder its last part.
        shared: The localizer that all share.
        instruments: Its counters.
        max_images: How many images a request may have.
    """

    name: str
    shared: BatchingLocalizer
    instruments: PrometheusMetrics
    max_images: int = 32


def build_api(served: ServiceState) -> FastAPI:
    """Build the API.

    Args:
        served: What it serves.
    """
    # Its pages of documentation would load scripts from elsewhere; the document itself is there.
    app = FastAPI(title="weakspot", version=__version__, docs_url=None, redoc_url=None, summary=_SUMMARY)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(WeakspotError, _of_weakspot)
    app.add_exception_handler(Exception, _of_anything)
    _add_localize(app, served)
    _add_what_there_is(app, served)
    _add_states(app, served)
    return app


_SUMMARY = "Find where things are in images, with a classifier that was trained on labels only."


def _add_localize(app: FastAPI, served: ServiceState) -> None:
    method_names = served.shared.methods

    @app.post(
        LOCALIZE,
        response_model=LocalizationAnswer | SeveralAnswers,
        responses=_refusals(400, 408, 413, 422, 429, 503),
        summary="Localize in one or several images",
    )
    async def localize(
        request: Request,
        image: Annotated[
            list[UploadFile], File(description="An image file; several are answered in their order.", min_length=1)
        ],
        method: Annotated[Literal[method_names] | Nothing, Form(description="See /v1/methods.")] = None,  # type: ignore[valid-type]
        classes: Annotated[
            ClassNames | Nothing,
            Form(description="Name or index of a class to look for; may be given several times."),
        ] = None,
        top_k: Annotated[int, Form(ge=1, le=_MOST, description="How many of the most probable classes.")] = 1,
        threshold: Annotated[
            Fraction | Nothing, Form(description="Fraction of the heatmap's peak at which to cut.")
        ] = None,
        boxes: Annotated[
            Literal["largest", "all", "instances"], Form(description="Of the largest region, or of all regions.")
        ] = "largest",
        heatmap: Annotated[bool, Form(description="Whether to give heatmaps, too.")] = False,
    ) -> Response:
        way = RequestOptions(method, tuple(classes) if classes else None, top_k, threshold, boxes)
        return await _localize(served, request, image, way, heatmap)


async def _localize(
    served: ServiceState, request: Request, images: Sequence[UploadFile], way: RequestOptions, heatmap: bool
) -> Response:
    if len(images) > served.max_images:
        raise HTTPException(413, f"{len(images)} images are more than the {served.max_images} that a request may have")
    maps = len(images) * (way.top_k if way.classes is None else len(way.classes))
    if len(images) > 1 and maps > _MOST:
        raise HTTPException(413, f"{maps} maps, a class of an image each, are more than the {_MOST} of a request")
    files = [await image.read() for image in images]
    answers = served.shared.submit(files, way)
    found = await _answered(request, answers, served.shared.timeout)
    for one in found:
        served.instruments.image(localized=isinstance(one, Localization))
    if len(found) == 1 and isinstance(found[0], WeakspotError):
        raise found[0]
    # In a thread: a hundred heatmaps take a while to pack.
    return await asyncio.to_thread(_respond, found, [image.filename for image in images], heatmap)


def _respond(found: Sequence[Localization | WeakspotError], names: Sequence[str | None], heatmap: bool) -> Response:
    rows = [_row(one, name, heatmap) for one, name in zip(found, names, strict=True)]
    return JSONResponse(rows[0] if len(rows) == 1 else {"results": rows})


async def _answered(
    request: Request, answers: "Sequence[Future[Localization]]", timeout: float
) -> list[Localization | WeakspotError]:
    """Wait for answers, as long as somebody waits for them."""
    waiting = asyncio.gather(*(asyncio.wrap_future(answer) for answer in answers), return_exceptions=True)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((waiting, gone), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            raise RequestTimeoutError(f"It took longer than {timeout:g} seconds.", "Ask again later.")
    finally:
        gone.cancel()
        for answer in answers:
            answer.cancel()
    return [_usable(one) for one in waiting.result()]


def _usable(one: Localization | BaseException) -> Localization | WeakspotError:
    if isinstance(one, Localization | WeakspotError):
        return one
    if isinstance(one, CancelledError | asyncio.CancelledError):
        return RequestTimeoutError("The service is about to stop.", "Ask another one, or later.")
    raise one


async def _gone(request: Request) -> None:
    """Return when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _row(one: Localization | WeakspotError, name: str | None, heatmap: bool) -> dict[str, Any]:
    if isinstance(one, WeakspotError):
        return error_body(one)
    row, name = one.to_dict(), name and name.encode(errors="replace").decode()  # a charset may have made half a letter
    for part, found in zip((row, *row.get("others", ())), one, strict=True):
        part["image"] = name
        if heatmap:
            part["heatmap_png"] = _png(found.heatmap)
    return row


def _png(heatmap: NDArray[np.float32]) -> str:
    file = BytesIO()
    Image.fromarray((heatmap * 255).round().astype(np.uint8)).save(file, "PNG")
    return b64encode(file.getvalue()).decode()


def _add_what_there_is(app: FastAPI, served: ServiceState) -> None:
    localizer = served.shared.localizer

    @app.get("/v1/models", responses=_refusals(), summary="What model is served")
    async def models() -> ModelsAnswer:
        model = ModelAnswer(
            name=served.name,
            method=localizer.method,
            quality=localizer.quality,
            threshold=localizer.threshold,
            backend=localizer.backend,
            input_height=localizer.preprocessing.height,
            input_width=localizer.preprocessing.width,
            classes=list(localizer.class_names),
        )
        return ModelsAnswer(models=[model], version=__version__)

    @app.get("/v1/methods", responses=_refusals(), summary="What methods a request may name")
    async def methods() -> MethodsAnswer:
        names = served.shared.methods
        return MethodsAnswer(
            methods=[MethodAnswer(name=name, threshold=localizer.threshold_of(name)) for name in names]
        )


def _add_states(app: FastAPI, served: ServiceState) -> None:
    @app.get("/healthz", responses=_refusals(), summary="Whether the service lives")
    async def healthz() -> StateAnswer:
        return StateAnswer(status="ok")

    @app.get("/readyz", responses=_refusals(503), summary="Whether the service takes images")
    async def readyz() -> StateAnswer:
        if not served.shared.works:
            raise HTTPException(503, "The service takes no images now")
        return StateAnswer(status="ok")

    @app.get("/metrics", responses=_refusals(), response_class=PlainTextResponse, summary="Counters for Prometheus")
    async def metrics() -> Response:
        return Response(served.instruments.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"model": ErrorAnswer, "description": _REFUSALS[status]} for status in sorted((*_GENERAL, *statuses))
    }


def _status(error: WeakspotError) -> int:
    kinds = {QueueFullError: 429, RequestTimeoutError: 503, InputError: 422}
    return next((status for kind, status in kinds.items() if isinstance(error, kind)), 500)


async def _of_weakspot(request: Request, error: Exception) -> Response:  # noqa: ARG001 - FastAPI calls it so
    assert isinstance(error, WeakspotError)
    return problem_answer(Problem(_status(error), error.problem, error.hint))


async def _of_framework(request: Request, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, HTTPException)
    return problem_answer(Problem.of(error))


async def _of_validation(request: Request, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = next(iter(first["loc"][1:]), "The request")
    return problem_answer(Problem(422, f"{field}: {first['msg']}.", "See /openapi.json for what is taken."))


async def _of_anything(request: Request, error: Exception) -> Response:  # noqa: ARG001 - uvicorn logs it
    return problem_answer(_BROKEN)
