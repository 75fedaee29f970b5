"""Routes of the review page."""

from collections.abc import Callable
from importlib.resources import files
from typing import Annotated

from fastapi import FastAPI, Request, Response
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from weakspot.config import __version__
from weakspot.errors import InputError, WeakspotError
from weakspot.serving.review.images import LARGE, SMALL, heatmap_of, jpeg_of
from weakspot.serving.review.learning import Learner
from weakspot.serving.review.schemas import (
    Decision,
    ImageSchema,
    OfferSchema,
    ProgressSchema,
    ReviewSchema,
    StandingSchema,
    as_text,
)
from weakspot.serving.review.source import ReviewSource
from weakspot.serving.review.state import ReviewState
from weakspot.serving.schemas import ApiError

# The page loads its own scripts, styles and images, and nothing else.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HTML, _CSS, _JS, _SVG = "text/html", "text/css", "text/javascript", "image/svg+xml"
_SCRIPTS = ("review", "desk", "editor", "gallery", "boxes", "offers", "saving", "history")
# By path: package, file and media type. Gradio is not imported for the icon.
_FILES = {
    "/": ("weakspot.serving.review", "review.html", _HTML),
    "/review.css": ("weakspot.serving.review", "review.css", _CSS),
    **{f"/{name}.js": ("weakspot.serving.review", f"{name}.js", _JS) for name in _SCRIPTS},
    **{f"/{name}.js": ("weakspot.report", f"{name}.js", _JS) for name in ("regions", "threshold")},
    "/icon.svg": ("weakspot.serving", "web/page.svg", _SVG),
}
_STATUSES = {
    "unknown-image": 404,
    "image-not-found": 404,
    "heatmap-not-found": 404,
    "stale-revision": 409,
    "learning-in-progress": 409,
    "run-not-found": 409,
    "not-writable": 500,
    "disk-full": 500,
    "learning-not-started": 500,
}
_OFFERS = 20  # more than a person decides on between two requests of the page
ImageId = Annotated[str, InPath(pattern="^[0-9a-f]{16}$")]
Number = Annotated[int, InPath(ge=0, le=999)]


def build_review(source: ReviewSource, state: ReviewState, learner: Learner) -> FastAPI:
    """Build the page and its API. Images have ids; no path of a request is the path of a file."""
    app = FastAPI(title="weakspot review", version=__version__, docs_url=None, redoc_url=None)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(WeakspotError, _handle_weakspot_error)
    _add_files(app)
    _add_images(app, state)
    _add_review(app, source, state, learner)
    return app


def _add_files(app: FastAPI) -> None:
    """Serve the files of the page; a browser asks for each again, as they belong to the version of weakspot."""
    for path, (package, name, media_type) in _FILES.items():
        app.add_route(path, _file(files(package).joinpath(name).read_bytes(), media_type), methods=["GET"])


def _file(content: bytes, media_type: str) -> Callable[[Request], Response]:
    def respond(_: Request) -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return respond


def _add_images(app: FastAPI, state: ReviewState) -> None:
    @app.get("/v1/images/{image_id}/large", summary="An image")
    def large(image_id: ImageId) -> Response:
        return _kept(jpeg_of(state.get(image_id).item, LARGE), "image/jpeg")

    @app.get("/v1/images/{image_id}/small", summary="A thumbnail of an image")
    def small(image_id: ImageId) -> Response:
        return _kept(jpeg_of(state.get(image_id).item, SMALL), "image/jpeg")

    @app.get("/v1/images/{image_id}/heatmaps/{number}", summary="The heatmap of a predicted class of an image")
    def heatmap(image_id: ImageId, number: Number) -> Response:
        content = heatmap_of(state.get(image_id).item, number)
        return Response(content, media_type="image/png", headers={"Cache-Control": "no-store"})  # learning changes it


def _add_review(app: FastAPI, source: ReviewSource, state: ReviewState, learner: Learner) -> None:
    classes, note = list(map(as_text, source.class_names)), as_text(source.note)

    def progress() -> ProgressSchema:
        return ProgressSchema.of(learner.progress, available=source.run is not None)

    @app.get("/v1/review", summary="The images that changed after a version; all of them for -1")
    def review(since: int = -1) -> ReviewSchema:
        learning, version = progress(), state.version  # before the images, so that none is missed
        return ReviewSchema(
            version=version,
            classes=classes,
            images=[ImageSchema.of(image) for image in state.changed_since(since)],
            offers=[OfferSchema(id=image, random=random) for image, random in state.offers(_OFFERS)],
            ranked=state.ranked(_OFFERS),
            standing=StandingSchema.of(state.standing()),
            learning=learning,
            note=note,
        )

    @app.get("/v1/images/{image_id}", summary="An image with its objects")
    def image(image_id: ImageId) -> ImageSchema:
        return ImageSchema.of(state.get(image_id))

    @app.put("/v1/images/{image_id}", summary="Decide what is in an image")
    def decide(image_id: ImageId, decision: Decision) -> ImageSchema:
        objects = None if decision.objects is None else [item.to_object() for item in decision.objects]
        return ImageSchema.of(state.decide(image_id, decision.revision, objects))

    @app.post("/v1/learn", status_code=202, summary="Learn from the decisions, then localize the other images again")
    def learn() -> ProgressSchema:
        learner.start()
        return progress()


def _kept(content: bytes, media_type: str) -> Response:
    """Return an image that a browser may keep, as its id changes with its file."""
    return Response(content, media_type=media_type, headers={"Cache-Control": "private, max-age=86400, immutable"})


# FastAPI calls each handler with the request and the exception.


async def _handle_weakspot_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, WeakspotError)
    status = _STATUSES.get(error.code, 422 if isinstance(error, InputError) else 500)
    return ApiError(status, error.code, error.problem, error.hint).response()


async def _handle_http_exception(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return ApiError.from_exception(error).response()


async def _handle_validation_error(_: Request, error: Exception) -> JSONResponse:
    """Answer a request that does not fit the schema; an id that is none is that of an unknown image."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["loc"] == ("path", "image_id"):
        return ApiError(404, "unknown-image", "No image has this id.").response()
    field = ".".join(map(str, first["loc"][1:])) or "The request"
    return ApiError(422, "request-invalid", f"{field}: {first['msg']}.", "See /openapi.json for the fields.").response()
