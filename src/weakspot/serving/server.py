"""HTTP server that closes idle connections and stops gracefully."""

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from weakspot.errors import InputError
from weakspot.serving.schemas import ApiError
from weakspot.serving.strict_http import StrictConnection

# Maximum size of the headers of a request in bytes, and seconds that a client has to read why its request was refused.
_MAX_HEADER_BYTES, _LINGER = 2**16, 2


class Server(uvicorn.Server):
    """A server that stops once all requests have a response, even if browsers keep connections open.

    ``busy`` returns whether requests are still in progress; ``timeout`` is the number of seconds until the headers of a
    request must have arrived, and until the server stops after a signal.
    """

    def __init__(self, app: ASGIApp, *, busy: Callable[[], bool], timeout: float, on_start: Callable[[], None]) -> None:
        self._busy, self._on_start = busy, on_start
        super().__init__(
            uvicorn.Config(
                app,
                http=type("Protocol", (StrictProtocol,), {"timeout": timeout}),
                ws="none",
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=max(1, int(timeout) - 1),  # leaves a second for the rest of the shutdown
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and call ``on_start``."""
        await super().startup(sockets)
        if self.started:
            self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and return once all requests have a response."""
        closing = asyncio.create_task(self._close_when_idle())
        await super().shutdown(sockets)
        closing.cancel()

    async def _close_when_idle(self) -> None:
        while True:  # until it is cancelled: connections that were still in the backlog appear after the first pass
            while self._busy():
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.1)  # the last response is being sent
            for connection in list(self.server_state.connections):
                connection.transport.close()  # event streams that the page keeps open

    def run_until_stopped(self, listener: socket.socket) -> None:
        """Serve until SIGTERM, which stops the server gracefully, or Ctrl-C, which is raised.

        Raises:
            KeyboardInterrupt: On Ctrl-C, after all requests have a response.
        """
        previous = signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn re-raises the signal at its end
        try:
            self.run(sockets=[listener])
        finally:
            signal.signal(signal.SIGTERM, previous)
            with suppress(OSError):
                listener.close()


def listen(host: str, port: int) -> socket.socket:
    """Bind an address, so that one in use is reported before a model is loaded; port 0 is a free one.

    Raises:
        InputError: ``out-of-range`` if the port is not between 0 and 65535, ``host-not-found`` or ``address-in-use``
            if the address cannot be bound.
    """
    if not 0 <= port <= 65535:
        raise InputError("out-of-range", f"--port must be between 0 and 65535, got {port}.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        problem = f"--host must be an address of this machine, got {host!r}."
        raise InputError("host-not-found", problem, "Use --host 127.0.0.1.") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        problem = f"Cannot listen on {host} port {port}: {error.strerror or error}."
        raise InputError("address-in-use", problem, "Use another --port, or 0 for a free one.") from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL of a listening socket, with brackets around an IPv6 address."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class StrictProtocol(H11Protocol):
    """HTTP protocol that answers malformed requests as the API does, and closes connections that send nothing.

    Those are connections whose request headers do not arrive in ``timeout`` seconds; uvicorn would wait forever.
    """

    conn: StrictConnection
    timeout: ClassVar[float] = 30
    _timer: asyncio.TimerHandle | None = None
    _refused = False

    def __init__(self, config: uvicorn.Config, *arguments: Any, **options: Any) -> None:
        super().__init__(config, *arguments, **options)
        self.conn = StrictConnection(h11.SERVER, _MAX_HEADER_BYTES)

    @property
    def expects_headers(self) -> bool:
        """Whether the timer for request headers runs."""
        return self._timer is not None

    def connection_made(self, transport: Any) -> None:
        """Start the timer."""
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Stop the timer once the headers are complete; restart it at the start of the next request."""
        if self._refused:  # what the client sends until it notices
            return
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._timer is None:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer a malformed request, unless its response has begun, and end the connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # the application cannot answer any more
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = ApiError(400, "request-malformed", self.conn.problem or msg).response()
            headers = [*response.raw_headers, (b"connection", b"close")]
            events = (h11.Response(status_code=400, headers=headers), h11.Data(data=bytes(response.body)))
            for event in (*events, h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self._refused = True
        # The response would be lost if the connection were closed while the client still sends.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(_LINGER, self.transport.close)

    def _should_upgrade(self) -> bool:
        return False  # there are no web sockets, and nothing to say about it in the log

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.timeout, self._close_if_idle)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_if_idle(self) -> None:
        self._timer = None
        if self.conn.their_state is h11.IDLE and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
