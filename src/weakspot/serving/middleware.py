"""Reject unauthorized, foreign, oversized and slow requests before anything reads them."""

import asyncio
import secrets
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weakspot.serving.proxy import PublicRoot
from weakspot.serving.schemas import ApiError
from weakspot.serving.tokens import LOCAL_HOSTS

LOCALIZE = "/v1/localize"
# Paths without a token: load balancers probe the first two, and browsers fetch the manifest without credentials.
_PUBLIC_PATHS = ("/healthz", "/readyz", "/manifest.json")
# Form fields are decoded in the charset that the client names; some of Python's take minutes for 1 MB (punycode).
_CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1")
# The page connects to its own server only, even if Gradio's scripts try others.
GRADIO_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class Limits:
    """Limits of a request: bytes of its body, seconds until the body must have arrived, token and Host names.

    Without a token the service is open to all processes of this machine. ``hosts`` keeps a web page from reaching the
    service under a domain name of its own (DNS rebinding); None accepts any. Behind a reverse proxy, ``root`` is where
    visitors reach it: pages come from its host, or from the one that the proxy forwards.
    """

    max_bytes: int
    timeout: float
    token: str | None = None
    hosts: tuple[str, ...] | None = LOCAL_HOSTS
    root: PublicRoot = field(default_factory=PublicRoot)


class SecurityMiddleware:
    """ASGI middleware that passes on only requests within the limits.

    ``queue_full`` is checked before an image is read; ``on_response`` is called with status and seconds of each
    response to a localization request. ``policy`` is the content security policy of the pages.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        queue_full: Callable[[], bool],
        on_response: Callable[[int, float], None] = lambda status, seconds: None,  # noqa: ARG005
        policy: str = GRADIO_POLICY,
    ) -> None:
        self._app, self._limits, self._queue_full, self._on_response = app, limits, queue_full, on_response
        self._headers = {"Content-Security-Policy": policy, **_HEADERS}
        self.active_requests = 0  # API requests without a response yet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or reject it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # the page needs no web sockets
            await send({"type": "websocket.close", "code": 1008})
            return
        body = _LimitedBody(receive, self._limits)
        start = time.perf_counter()

        async def send_response(message: Message) -> None:
            if message["type"] == "http.response.start":
                body.response_started = True
                MutableHeaders(scope=message).update(self._headers)
                if is_localization(scope):
                    self._on_response(message["status"], time.perf_counter() - start)
            await send(message)

        try:
            rejection = self._check(scope)
            if rejection is None:
                with self._counted(scope):
                    await self._app(scope, body.receive, send_response)
                return
            await body.discard()  # otherwise many clients would see a broken connection instead of the response
        except HTTPException as error:
            rejection = ApiError.from_exception(error)
        await rejection.response()(scope, receive, send_response)

    @contextmanager
    def _counted(self, scope: Scope) -> Iterator[None]:
        is_api = scope["path"].startswith("/v1/")
        self.active_requests += is_api
        try:
            yield
        finally:
            self.active_requests -= is_api

    def _check(self, scope: Scope) -> ApiError | None:
        headers, limits = Headers(scope=scope), self._limits
        host = headers.get("host", "")
        is_public = host.lower() == limits.root.host != ""
        if limits.hosts is not None and not is_public and _split(f"//{host}").hostname not in limits.hosts:
            return ApiError(421, "unknown-host", "The Host header must name this machine.", "Use 127.0.0.1.")
        origin = headers.get("origin")
        if origin is not None and _split(origin).netloc not in _page_hosts(headers, limits.root):
            return ApiError(403, "origin-mismatch", "Pages of other sites must not send requests.")
        if limits.token is not None and scope["path"] not in _PUBLIC_PATHS and not _has_token(headers, limits.token):
            return ApiError(401, "token-invalid", "The token is missing or wrong.", "Send Authorization: Bearer TOKEN.")
        if is_localization(scope) and self._queue_full():
            return ApiError(429, "queue-full", "Too many images are queued already.", "Retry later.")
        return _check_body(headers, limits)


class _LimitedBody:
    """A request body with a maximum size and a deadline."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive, self._limits = receive, limits
        self._size, self._ended = 0, False
        self._deadline = asyncio.get_running_loop().time() + limits.timeout
        self.response_started = False  # then no error response can be sent any more

    async def receive(self) -> Message:
        try:
            return await self._limited()
        except HTTPException:
            if not self.response_started:
                raise
            return {"type": "http.disconnect"}

    async def _limited(self) -> Message:
        if self._ended:  # the next message is the client's disconnect, which has no deadline
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            raise HTTPException(408, f"The request did not arrive in {self._limits.timeout:g} seconds.") from error
        self._size += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        if self._size > self._limits.max_bytes:
            self._ended = True
            raise _too_large(self._limits)
        return message

    async def discard(self) -> None:
        while not self._ended:
            await self.receive()


def _too_large(limits: Limits) -> HTTPException:
    return HTTPException(413, f"The request must be at most {limits.max_bytes / 2**20:g} MB.")


def _check_body(headers: Headers, limits: Limits) -> ApiError | None:
    """Check what the headers state about the body."""
    if (length := headers.get("content-length", "0")).isdecimal() and int(length) > limits.max_bytes:
        return ApiError.from_exception(_too_large(limits))
    _, parameters = parse_options_header(headers.get("content-type", ""))
    if parameters.get(b"charset", b"utf-8").decode("latin-1").lower() not in _CHARSETS:
        return ApiError(400, "unknown-charset", "The charset of the form must be UTF-8, ASCII or Latin-1.")
    return None


def _page_hosts(headers: Headers, root: PublicRoot) -> tuple[str | None, ...]:
    """Return the hosts whose pages may send a request; a page of another site cannot set the forwarded one."""
    forwarded = headers.get("x-forwarded-host") if root.path and not root.host else None
    return (headers.get("host"), root.host or None, forwarded)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # an unclosed bracket
        return urlsplit("")


def _has_token(headers: Headers, token: str) -> bool:
    """Whether a request carries the token: as a bearer token, or as the password of a browser's login dialog."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            credentials = b64decode(credentials, validate=True).decode().partition(":")[2]
        except ValueError:  # not base64, or not text
            return False
    elif scheme.lower() != "bearer":
        return False
    return secrets.compare_digest(credentials.encode(), token.encode())


def is_localization(scope: Scope) -> bool:
    """Return whether a request asks for localizations."""
    return bool(scope["path"] == LOCALIZE and scope["method"] == "POST")
