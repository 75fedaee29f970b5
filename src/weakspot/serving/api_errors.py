"""Errors of the HTTP API: their statuses, answers and descriptions."""

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from weakspot.errors import InputError, WeakspotError
from weakspot.serving.batching import QueueFullError, RequestTimeoutError
from weakspot.serving.schemas import ApiError, ErrorResponse

# Response to an unexpected exception; it reveals nothing about the code.
_INTERNAL_ERROR = ApiError(500, "internal-error", "The service failed.", "See its log.")
_ERROR_DESCRIPTIONS = {
    400: "The request is not valid multipart/form-data.",
    401: "The token is missing or wrong.",
    403: "The request comes from a page of another site.",
    408: "The request arrived too slowly.",
    413: "The request is too large, or has too many images.",
    421: "The Host header does not name this machine.",
    422: "An image or an option cannot be used.",
    429: "Too many images are queued; see Retry-After.",
    500: "The service failed.",
    503: "The request took too long, or the service is stopping.",
}
_ERRORS_OF_ALL_ROUTES: tuple[int, ...] = (401, 403, 421, 500)
_SEND_IMAGE = (
    "Send a form, as curl -F image=@cat.jpg does, or the file itself with its Content-Type, such as image/jpeg."
)


def add_error_handlers(app: FastAPI) -> None:
    """Answer each error with its status and its two lines."""
    app.add_exception_handler(HTTPException, _handle_http_exception)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(WeakspotError, _handle_weakspot_error)
    app.add_exception_handler(Exception, _handle_exception)


def responses_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the errors of a route for the schema: those of all routes, and some more."""
    return {
        status: {"model": ErrorResponse, "description": _ERROR_DESCRIPTIONS[status]}
        for status in sorted((*_ERRORS_OF_ALL_ROUTES, *statuses))
    }


def _status(error: WeakspotError) -> int:
    statuses = {QueueFullError: 429, RequestTimeoutError: 503, InputError: 422}
    return next((status for kind, status in statuses.items() if isinstance(error, kind)), 500)


# FastAPI calls each handler with the request and the exception.


async def _handle_weakspot_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, WeakspotError)
    return ApiError(_status(error), error.code, error.problem, error.hint).response()


async def _handle_http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return ApiError.from_exception(error).response()


async def _handle_validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = next(iter(first["loc"][1:]), "The request")
    problem = f"{field}: {first['msg']}."
    is_missing = (field, first["type"]) == ("image", "missing")
    hint = _SEND_IMAGE if is_missing else "See /openapi.json for the fields."
    return ApiError(422, "request-invalid", problem, hint).response()


async def _handle_exception(_: Request, error: Exception) -> Response:  # noqa: ARG001 - uvicorn logs it
    return _INTERNAL_ERROR.response()
