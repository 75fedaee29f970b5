"""Accept a localization request with the image as its body, or with options in the query, as a form."""

import secrets
from collections.abc import Sequence
from urllib.parse import parse_qsl

from python_multipart.multipart import parse_options_header
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weakspot.serving.middleware import is_localization
from weakspot.serving.schemas import ApiError

# Fields of a form that may also be in the query.
OPTIONS = ("method", "classes", "top_k", "threshold", "boxes", "heatmap")
_FORM = b"multipart/form-data"


class FormRequests:
    """ASGI middleware that adds the fields of the query to the form, and puts an image that is the body into one.

    The form is checked as any other: an option that is in both is refused, and classes are added to each other.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Convert a localization request; pass all others on."""
        if scope["type"] != "http" or not is_localization(scope):
            await self._app(scope, receive, send)
            return
        fields = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        unknown = next((name for name, _ in fields if name not in OPTIONS), None)
        if unknown is not None:
            problem = f"The query has an unknown field {unknown[:100]!r}."
            rejection = ApiError(422, "request-invalid", problem, f"Fields: {', '.join(OPTIONS)}.")
            await rejection.response()(scope, receive, send)
            return
        scope = {**scope, "headers": list(scope["headers"])}
        headers = MutableHeaders(scope=scope)
        kind, parameters = parse_options_header(headers.get("content-type", ""))
        if kind.startswith(b"image/") or kind == b"application/octet-stream":
            boundary = secrets.token_hex(16).encode()
            start = _parts(fields, boundary) + _head(boundary, b'name="image"; filename="image"')
            receive = _surrounded(receive, start, b"\r\n--" + boundary + b"--\r\n")
            headers["content-type"] = f"{_FORM.decode()}; boundary={boundary.decode()}"
            del headers["content-length"]
        elif kind == _FORM and fields and b"boundary" in parameters:
            receive = _surrounded(receive, _parts(fields, parameters[b"boundary"]), b"")
            del headers["content-length"]
        await self._app(scope, receive, send)


def _parts(fields: Sequence[tuple[str, str]], boundary: bytes) -> bytes:
    """Return the parts of a form for the fields."""
    return b"".join(
        _head(boundary, f'name="{name}"'.encode()) + value.encode(errors="replace") + b"\r\n" for name, value in fields
    )


def _head(boundary: bytes, disposition: bytes) -> bytes:
    return b"--" + boundary + b"\r\nContent-Disposition: form-data; " + disposition + b"\r\n\r\n"


def _surrounded(receive: Receive, start: bytes, end: bytes) -> Receive:
    """Return a receive function that yields bytes before and after the body."""
    before = [start]

    async def surrounded() -> Message:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body = (before.pop() if before else b"") + message.get("body", b"")
        return {**message, "body": body if message.get("more_body", False) else body + end}

    return surrounded
