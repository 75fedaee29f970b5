"""Run the service: listen, cut those that never ask, and stop when all are answered."""

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


class Server(uvicorn.Server):
    """A server that goes when all are answered, though pages in browsers hold on to it.

    Args:
        app: What it serves.
        busy: Whether somebody is still to be answered.
        timeout: So many seconds a request's headers may take, and the last answers when the server is to stop.
        on_start: Called once it listens.
    """

    def __init__(self, app: ASGIApp, *, busy: Callable[[], bool], timeout: float, on_start: Callable[[], None]) -> None:
        self._busy, self._on_start = busy, on_start
        super().__init__(
            uvicorn.Config(
                app,
                http=_timed_protocol(timeout),
                ws="none",
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=max(1, int(timeout) - 1),  # a second is left to end in
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and go once all are answered."""
        going = asyncio.create_task(self._go_when_answered())
        await super().shutdown(sockets)
        going.cancel()

    async def _go_when_answered(self) -> None:
        while self._busy():
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.1)  # the last answer is on its way
        for connection in list(self.server_state.connections):
            connection.transport.close()  # what a page holds open to hear of news

    def run_until_stopped(self, listening: socket.socket) -> None:
        """Serve until SIGTERM, which ends it as it should, or Ctrl-C, which is raised.

        Raises:
            KeyboardInterrupt: At Ctrl-C, after those who asked were answered.
        """
        before = signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn hands the signal on at its end
        try:
            self.run(sockets=[listening])
        finally:
            signal.signal(signal.SIGTERM, before)
            with suppress(OSError):
                listening.close()


def listen(host: str, port: int) -> socket.socket:
    """Take an address, so that a taken one is told before a model is loaded.

    Args:
        host: Name or address of this machine.
        port: 0 takes one that is free.

    Raises:
        InputError: If it cannot be taken.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"There is no port {port}.", "Give one from 1 to 65535, or 0 for a free one.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise InputError(f"There is no address {host!r} on this machine.", "Give --host 127.0.0.1.") from error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        found.close()
        problem = f"{host} port {port} cannot be listened on: {error.strerror or error}."
        raise InputError(problem, "Give another --port, or 0 for a free one.") from error
    return found


def url_of(listening: socket.socket) -> str:
    """The address of a service as a browser takes it."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class TimedProtocol(H11Protocol):
    """HTTP that cuts a connection whose headers do not come; uvicorn itself waits for ever."""

    seconds: ClassVar[float] = 30
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for headers."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait no more once the headers are there, and again for those of the next request."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._wait_no_more()
        elif self._timer is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.seconds, self._cut)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self) -> None:
        self._timer = None
        if self.conn.their_state is h11.IDLE and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()


def _timed_protocol(seconds: float) -> type[TimedProtocol]:
    return type("Timed", (TimedProtocol,), {"seconds": seconds})
