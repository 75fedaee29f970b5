"""What a browser may ask of Gradio: only what this page needs, and no file but those that were uploaded to it.

Gradio mounts some fifty routes. A few read files or fetch addresses that a visitor names, write to the disk, start
another page, or run what was not meant to be run; most of the others have no use here. Those that the page needs are
listed below, everything else is answered with 404.
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
# Plain files of the page, and what keeps it alive.
_OPEN = (
    (_READ, r"/|/config/?|/pwa_icon|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt"),
    (_READ, r"/(assets|static)/.+"),
    (_READ, _API + r"/(app_id|queue/data|upload_progress|heartbeat/[\w-]{1,64})"),
)
_JOIN, _UPLOAD, _FILE = _API + "/queue/join", _API + "/upload", _API + "/file="
# What an event of this page says; of these a browser sends no more than a few kilobytes.
_SAID = ("data", "fn_index", "trigger_id", "session_hash", "event_data")
_MAX_SAID = 2**18
# What a multipart form adds to the file in it.
_FORM = 2**16


class RouteAllowlist:
    """Stands before Gradio's app.

    Args:
        app: Gradio's app.
        max_upload: Larger files are refused.
    """

    def __init__(self, app: ASGIApp, max_upload: int) -> None:
        self.app = app
        self.max_upload = max_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed, answer the rest."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        refused = refusal(scope, self.max_upload)
        if refused is None and _path(scope) == _JOIN:
            said = await _read_said(receive)
            refused = None if said is not None else PlainTextResponse("This is no event of the page.", 400)
            receive = _again(said or b"")
        await (self.app if refused is None else refused)(scope, receive, send)


def refusal(scope: Scope, max_upload: int) -> PlainTextResponse | None:
    """The answer to a request that must not reach Gradio; None for one that may."""
    method, path = scope["method"], _path(scope)
    if method == "POST" and path == _UPLOAD:
        return _check_length(scope, max_upload + _FORM)
    if method == "POST" and path == _JOIN:
        return _check_length(scope, _MAX_SAID)
    if method in _READ and path.startswith(_FILE) and is_uploaded(path.removeprefix(_FILE)):
        return None
    if any(method in methods and re.fullmatch(pattern, path) for methods, pattern in _OPEN):
        return None if "deep_link" not in parse_qs(scope["query_string"].decode("latin-1")) else _no_such_page()
    return _no_such_page()


def _path(scope: Scope) -> str:
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path


def _check_length(scope: Scope, most: int) -> PlainTextResponse | None:
    """Say at once that a request is too large; one that does not say how long it is, is not read."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    if b"transfer-encoding" in headers or not length.isdigit():
        return PlainTextResponse("Say how long it is.", 411)
    return PlainTextResponse("This is too large.", 413) if int(length) > most else None


def _no_such_page() -> PlainTextResponse:
    return PlainTextResponse("There is no such page.", 404)


async def _read_said(receive: Receive) -> bytes | None:
    """Read what an event says, without what it must not; None where it makes no sense."""
    said, more = b"", True
    while more:
        message = await receive()
        said += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
        if len(said) > _MAX_SAID:
            return None
    try:
        return cleaned(said)
    except (ValueError, RecursionError):
        return None


def cleaned(said: bytes) -> bytes:
    """Take from an event what the page uses of it.

    Args:
        said: JSON.

    Returns:
        JSON: files without addresses, which Gradio would fetch, and no word that only its other routes use.

    Raises:
        ValueError: If it is no event, or names a file that was not uploaded.

    Example:
        >>> cleaned(b'{"data": [1], "fn_index": 2, "batched": true}')
        b'{"data": [1], "fn_index": 2}'
    """
    event = json.loads(said)
    if not _is_event(event):
        raise ValueError("no event")
    return json.dumps({key: _without_addresses(event[key]) for key in _SAID if key in event}).encode()


def _is_event(said: Any) -> bool:
    return isinstance(said, dict) and isinstance(said.get("data"), list)


def _without_addresses(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_addresses(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "path" in value and not is_uploaded(value["path"]):
        raise ValueError("not uploaded")
    return {key: _without_addresses(one) for key, one in value.items() if key not in ("url", "is_stream")}


def _again(said: bytes) -> Receive:
    """What was read, once more; then nothing comes until the connection is closed."""
    messages: list[Message] = [{"type": "http.request", "body": said, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive
