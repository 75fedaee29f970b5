"""Expose only the Gradio routes that the page needs, and only files that were uploaded to it.

Gradio mounts about fifty routes. Some read files or fetch URLs that a visitor names, write to the disk, start another
page, or run functions that are not meant for visitors; most others are unused here. The routes that the page needs are
listed below; all other routes return 404.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weakspot.serving.web.uploads import is_uploaded

_API = "/gradio_api"
_READ = ("GET", "HEAD")
# Static files of the page, and the connections that keep it alive.
_ALLOWED = (
    (_READ, r"/|/config/?|/pwa_icon|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt"),
    (_READ, r"/(assets|static)/.+"),
    (_READ, _API + r"/(app_id|queue/data|upload_progress|heartbeat/[\w-]{1,64})"),
)
_JOIN, _UPLOAD, _FILE = _API + "/queue/join", _API + "/upload", _API + "/file="
# Keys of an event that the page sends, and the maximum size of an event; browsers send a few kilobytes.
_EVENT_KEYS = ("data", "fn_index", "trigger_id", "session_hash", "event_data")
_MAX_EVENT_BYTES = 2**18
# Bytes that a multipart form adds to its file.
_FORM_OVERHEAD = 2**16


class RouteAllowlist:
    """ASGI middleware in front of Gradio's app; ``max_upload`` is the maximum size of an uploaded file in bytes."""

    def __init__(self, app: ASGIApp, max_upload: int) -> None:
        self.app = app
        self.max_upload = max_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass allowed requests on, and reject all others."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        rejection = rejection_of(scope, self.max_upload)
        if rejection is None and _path(scope) == _JOIN:
            event = await _read_event(receive)
            rejection = PlainTextResponse("The event is invalid.", 400) if event is None else None
            receive = _replay(event or b"")
        await (rejection or self.app)(scope, receive, send)


def rejection_of(scope: Scope, max_upload: int) -> PlainTextResponse | None:
    """Return the response to a request that must not reach Gradio; None for an allowed request."""
    method, path = scope["method"], _path(scope)
    if method == "POST" and path == _UPLOAD:
        return _check_length(scope, max_upload + _FORM_OVERHEAD)
    if method == "POST" and path == _JOIN:
        return _check_length(scope, _MAX_EVENT_BYTES)
    if method in _READ and path.startswith(_FILE) and is_uploaded(path.removeprefix(_FILE)):
        return None
    is_allowed = any(method in methods and re.fullmatch(pattern, path) for methods, pattern in _ALLOWED)
    if is_allowed and "deep_link" not in parse_qs(scope["query_string"].decode("latin-1")):
        return None
    return PlainTextResponse("Page not found.", 404)


def _path(scope: Scope) -> str:
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path


def _check_length(scope: Scope, limit: int) -> PlainTextResponse | None:
    """Reject a request that is too large, or that does not declare its length, before it is read."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    if b"transfer-encoding" in headers or not length.isdigit():
        return PlainTextResponse("Content-Length is required.", 411)
    return PlainTextResponse("The request is too large.", 413) if int(length) > limit else None


async def _read_event(receive: Receive) -> bytes | None:
    """Read and sanitize an event; None if it is invalid."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
        if len(body) > _MAX_EVENT_BYTES:
            return None
    try:
        return sanitize_event(body)
    except (ValueError, RecursionError):
        return None


def sanitize_event(body: bytes) -> bytes:
    """Keep the parts of an event (JSON) that the page uses.

    URLs of files, which Gradio would fetch, and keys that only other routes use are dropped. Raises ValueError if it is
    not an event, or names a file that was not uploaded.
    """
    event = json.loads(body)
    if not (isinstance(event, dict) and isinstance(event.get("data"), list)):
        raise ValueError("not an event")  # noqa: TRY004 - all bad input is one error
    return json.dumps({key: _without_urls(event[key]) for key in _EVENT_KEYS if key in event}).encode()


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
