"""Expose only the Gradio routes that the page needs, and only files that were uploaded to it.

Gradio mounts about fifty routes. Some read files or fetch URLs that a visitor names, write to the disk, start another
page, or run functions that are not meant for visitors; most others are unused here. The routes that the page needs are
listed below; all other routes return 404.
"""

import json
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weakspot.serving.schemas import ApiError
from weakspot.serving.web.upload_requests import whole_upload
from weakspot.serving.web.uploads import is_full, is_uploaded

_API = "/gradio_api"
_READ = ("GET", "HEAD")
_JOIN, _UPLOAD, _FILE = _API + "/queue/join", _API + "/upload", _API + "/file="
# Methods and paths: static files of the page, the connections that keep it alive, and what it sends.
_ALLOWED = (
    (_READ, r"/|/config/?|/pwa_icon|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt"),
    (_READ, r"/(assets|static)/.+"),
    (_READ, _API + r"/app_id"),
    (("GET",), _API + r"/(queue/data|upload_progress|heartbeat/[\w-]{1,64})"),
    (("POST",), f"{_JOIN}|{_UPLOAD}"),
)
_SESSION = r"[\w-]{1,64}"
# Keys of an event that the page sends, and the maximum size of an event; browsers send a few kilobytes.
_EVENT_KEYS = ("data", "fn_index", "trigger_id", "session_hash", "event_data")
_MAX_EVENT_BYTES = 2**18
# Bytes that a multipart form adds to its file.
_FORM_OVERHEAD = 2**16
_INVALID_EVENT = ApiError(400, "event-invalid", "The event is not one of the page.", "Reload the page.")
_INVALID_REQUEST = ApiError(400, "request-invalid", "The request is not one of the page.", "Reload the page.")
_log = logging.getLogger("weakspot")


class _InvalidEventError(Exception):
    """What was sent is not an event of the page."""


class RouteAllowlist:
    """ASGI middleware in front of Gradio's app.

    ``max_upload`` is the maximum size of an uploaded file in bytes; ``inputs`` is how many values each event of the
    page has, by the event's number.
    """

    def __init__(self, app: ASGIApp, max_upload: int, inputs: Mapping[int, int]) -> None:
        self.app = app
        self.max_upload = max_upload
        self.inputs = inputs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass allowed requests on, and reject all others."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        response = rejection_of(scope, self.max_upload)
        if response is None:
            response = await self._answer(scope, receive, send)
        if response is not None:
            await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        """Let Gradio answer a request; return another response if it has not begun one."""
        started = False

        async def send_response(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            async with self._read(scope, receive) as known:
                # Gradio's routes do not know HEAD; the server omits the body.
                known_scope = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
                await self.app(known_scope, known, send_response)
        except _InvalidEventError:
            return _INVALID_EVENT.response()
        except HTTPException as error:
            return ApiError.from_exception(error).response()
        except ClientDisconnect:
            return None
        except Exception as error:  # Gradio expects what its own page sends
            _log.warning("A request to %.100r is invalid: %s", _path(scope), type(error).__name__)
            if not started:
                return _INVALID_REQUEST.response()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        return None

    @asynccontextmanager
    async def _read(self, scope: Scope, receive: Receive) -> AsyncIterator[Receive]:
        """Read an upload or an event, and yield a receive function that hands on what Gradio may see of it."""
        if _path(scope) == _UPLOAD:
            if is_full():
                raise HTTPException(507, "The files of other visitors fill the disk. Try again in ten minutes.")
            async with whole_upload(receive, dict(scope["headers"])) as upload:
                yield upload
        elif _path(scope) == _JOIN:
            body = await _read_event(receive)
            try:
                event = sanitize_event(body, self.inputs)
            except (ValueError, RecursionError) as error:
                raise _InvalidEventError from error
            yield _replay(event)
        else:
            yield receive


def rejection_of(scope: Scope, max_upload: int) -> Response | None:
    """Return the response to a request that must not reach Gradio; None for an allowed request."""
    path, method = _path(scope), scope["method"]
    methods = _methods_of(path)
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if not methods or (method in _READ and "deep_link" in query):
        return ApiError(
            404, "path-not-found", "The path does not exist.", "See /openapi.json for the paths."
        ).response()
    if method not in methods:
        return ApiError.wrong_method(method).response(allow=methods)
    if not all(re.fullmatch(_SESSION, value) for value in query.get("session_hash", ())):
        return _INVALID_EVENT.response()
    if method == "POST":
        return _check_length(scope, _MAX_EVENT_BYTES if path == _JOIN else max_upload + _FORM_OVERHEAD)
    return None


def _methods_of(path: str) -> tuple[str, ...]:
    """Return the methods of a path that the page needs; none for any other path."""
    if path.startswith(_FILE):
        return _READ if is_uploaded(path.removeprefix(_FILE)) else ()
    return next((methods for methods, pattern in _ALLOWED if re.fullmatch(pattern, path)), ())


def _path(scope: Scope) -> str:
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path


def _check_length(scope: Scope, limit: int) -> Response | None:
    """Reject a request that is too large, or that does not declare its length, before it is read."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    if b"transfer-encoding" in headers or not length.isdigit():
        return ApiError(411, "length-required", "The request must have a Content-Length.").response()
    if int(length) > limit:
        return ApiError(
            413, "request-too-large", f"The request must be at most {limit} bytes, got {int(length)}."
        ).response()
    return None


async def _read_event(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def sanitize_event(body: bytes, inputs: Mapping[int, int]) -> bytes:
    """Keep the parts of an event (JSON) that the page uses.

    URLs of files, which Gradio would fetch, and keys that only other routes use are dropped.

    Raises:
        ValueError: If it is not an event of the page, or names a file that was not uploaded.
        RecursionError: If it is nested too deeply.
    """
    event = json.loads(body)
    _check_event(event, inputs)
    return json.dumps({key: _without_urls(event[key]) for key in _EVENT_KEYS if key in event}).encode()


def _check_event(event: Any, inputs: Mapping[int, int]) -> None:
    """Raise ValueError unless an event has the keys of one, and as many values as its number says."""
    if not isinstance(event, dict):
        raise ValueError("not an object")  # noqa: TRY004 - all bad input is one error
    number, data, session, trigger = (event.get(key) for key in ("fn_index", "data", "session_hash", "trigger_id"))
    if type(number) is not int or not isinstance(data, list) or inputs.get(number) != len(data):
        raise ValueError("not the number of an event, or not its values")
    if not isinstance(session, str) or not re.fullmatch(_SESSION, session):
        raise ValueError("not a session")
    if type(trigger) not in (int, type(None)) or not isinstance(event.get("event_data"), dict | None):
        raise ValueError("not a trigger, or not its data")


def _without_urls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_urls(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "path" in value and not is_uploaded(value["path"]):
        raise ValueError("not uploaded")
    return {key: _without_urls(item) for key, item in value.items() if key not in ("url", "is_stream")}


def _replay(body: bytes) -> Receive:
    """Return a receive function that yields the body, then a disconnect."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive
