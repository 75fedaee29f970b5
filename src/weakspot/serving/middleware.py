"""What every request passes before anything of it is read: who asks, from where, how much, and how slowly."""

import asyncio
import secrets
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weakspot.serving.schemas import Problem, problem_answer

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
LOCALIZE = "/v1/localize"
# Whether the service lives and works is no secret: load balancers ask without a token, and browsers for a manifest.
_OPEN_TO_ALL = ("/healthz", "/readyz", "/manifest.json")
# Fields of a form are decoded as a client says; some that Python knows take minutes for a megabyte (punycode).
_CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1")
# The page talks with its own server only, whatever the scripts that Gradio brings would like to ask elsewhere.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class Limits:
    """What a request may cost before it is looked at.

    Attributes:
        body: Bytes of a request.
        seconds: How long its body may take to come.
        token: What it has to show; None where anybody on this machine may ask.
        hosts: By which names the service may be called; None for any. It keeps a web page from reaching the service
            under a name of its own.
    """

    body: int
    seconds: float
    token: str | None = None
    hosts: tuple[str, ...] | None = LOCAL_HOSTS


class SecurityMiddleware:
    """An ASGI application that lets another one see the requests that keep within the limits.

    Args:
        app: The other one.
        limits: What a request may cost.
        full: Whether no further image can be taken, which is said before the image is read.
        count: Told the status of each answer to a request to localize, and the seconds that it took.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        full: Callable[[], bool],
        count: Callable[[int, float], None] = lambda status, seconds: None,  # noqa: ARG005
    ) -> None:
        self._app, self._limits, self._full, self._count = app, limits, full, count
        self.asking = 0  # requests to the API that are not answered yet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # the page needs no web sockets
            await send({"type": "websocket.close", "code": 1008})
            return
        body = _Body(receive, self._limits)
        begun = time.perf_counter()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                body.answered = True
                _add_headers(message)
                if _localizes(scope):
                    self._count(message["status"], time.perf_counter() - begun)
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is None:
                with self._counted(scope):
                    await self._app(scope, body.receive, answer)
                return
            await body.discard()  # else many clients would not see the answer, but a connection that was cut
        except HTTPException as error:
            refusal = Problem.of(error)
        await problem_answer(refusal)(scope, receive, answer)

    @contextmanager
    def _counted(self, scope: Scope) -> Iterator[None]:
        of_api = scope["path"].startswith("/v1/")
        self.asking += of_api
        try:
            yield
        finally:
            self.asking -= of_api

    def _refusal(self, scope: Scope) -> Problem | None:
        headers, limits = Headers(scope=scope), self._limits
        if limits.hosts is not None and _host(headers) not in limits.hosts:
            return Problem(421, "The service does not go by that name.", "Call it 127.0.0.1 or localhost.")
        origin = headers.get("origin")
        if origin is not None and _split(origin).netloc != headers.get("host"):
            return Problem(403, "A page of another site may not ask.", "Ask from a program, or the service's own page.")
        if limits.token is not None and scope["path"] not in _OPEN_TO_ALL and not _shows(headers, limits.token):
            return Problem(401, "The token is missing or wrong.", "Send it: Authorization: Bearer TOKEN")
        if _localizes(scope) and self._full():
            return Problem(429, "Too many images are waiting already.", "Ask again in a moment.")
        return _unreadable(headers, limits)


class _Body:
    """What a client sends, counted and timed until its end."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive, self._limits = receive, limits
        self._bytes, self._until, self._ended = 0, asyncio.get_running_loop().time() + limits.seconds, False
        self.answered = False  # whether the answer has begun, and no other can be given any more

    async def receive(self) -> Message:
        try:
            return await self._received()
        except HTTPException:
            if not self.answered:
                raise
            return {"type": "http.disconnect"}

    async def _received(self) -> Message:
        if self._ended:  # what comes now is that the client has gone, whenever that is
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError as error:
            raise HTTPException(408, f"The request was not there after {self._limits.seconds:g} seconds.") from error
        self._bytes += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        if self._bytes > self._limits.body:
            self._ended = True
            raise HTTPException(413, _too_large(self._limits).problem)
        return message

    async def discard(self) -> None:
        while not self._ended:
            await self.receive()


def _too_large(limits: Limits) -> Problem:
    problem = f"The request is larger than {limits.body / 2**20:g} MB."
    return Problem(413, problem, "Send fewer or smaller images; --max-upload-mb of weakspot serve sets the limit.")


def _unreadable(headers: Headers, limits: Limits) -> Problem | None:
    """Why a body is not to be read, if by what its headers say it is not."""
    if (length := headers.get("content-length", "0")).isdecimal() and int(length) > limits.body:
        return _too_large(limits)
    if _charset(headers) not in _CHARSETS:
        return Problem(400, "The text is in a charset that is not taken.", "Send it in UTF-8.")
    return None


def _charset(headers: Headers) -> str:
    """In which charset the fields of a form are said to be."""
    _, said = parse_options_header(headers.get("content-type", ""))
    return said.get(b"charset", b"utf-8").decode("latin-1").lower()


def _host(headers: Headers) -> str | None:
    return _split(f"//{headers.get('host', '')}").hostname


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # a bracket that is not closed
        return urlsplit("")


def _shows(headers: Headers, token: str) -> bool:
    """Whether a request shows the token: as programs do, or as the password that a browser asks for."""
    kind, _, shown = headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            shown = b64decode(shown, validate=True).decode().partition(":")[2]
        except ValueError:  # no base64, or no text
            return False
    elif kind.lower() != "bearer":
        return False
    return secrets.compare_digest(shown.encode(), token.encode())


def _localizes(scope: Scope) -> bool:
    return bool(scope["path"] == LOCALIZE and scope["method"] == "POST")


def _add_headers(message: Message) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in _HEADERS.items():
        headers[name] = value


def hosts_of(address: str) -> tuple[str, ...] | None:
    """By which names a service may be called that listens at an address: at one of this machine by its own only."""
    return LOCAL_HOSTS if address in LOCAL_HOSTS else None
