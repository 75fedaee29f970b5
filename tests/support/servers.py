"""A web server on this machine that fails on demand."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

RESET_ON_CLOSE = b"\1\0\0\0\0\0\0\0"  # struct linger: on, 0 seconds


@dataclass
class Response:
    """A response; ``length`` is the Content-Length to send, by default that of the body."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    resets: bool = False


# Ways to respond to a request for a file of this content; None closes the connection without a response.
MOODS: dict[str, Callable[[bytes], Response | None]] = {
    "good": lambda content: Response(200, content),
    "torn": lambda content: Response(200, content[: len(content) // 2], length=len(content), resets=True),
    "dead": lambda content: None,
    "page": lambda content: Response(200, b"<html>Please log in</html>"),
    "203": lambda content: Response(203, content),
    "404": lambda content: Response(404, b"not here"),
    "503": lambda content: Response(503, b"later"),
    "moved": lambda content: Response(302, headers={"Location": "/elsewhere/models"}),
    "moved to a file": lambda content: Response(302, headers={"Location": "file:///etc/passwd"}),
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.paths.append(self.path)
        mood = self.server.moods.pop(0) if self.server.moods else "good"
        self.close_connection = True
        response = MOODS[mood](self.server.files[Path(self.path).name])
        if response:
            with suppress(ConnectionError):
                self.respond(response)

    def respond(self, response):
        self.send_response(response.status)
        self.send_header("Connection", "close")  # or a client may send its next request on the closed connection
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body) if response.length is None else response.length))
        self.end_headers()
        self.wfile.write(response.body)
        if response.resets:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.connection.close()


class Server(ThreadingHTTPServer):
    """Serves ``files``; ``moods`` are its responses to the next requests, ``paths`` the paths of all requests."""

    daemon_threads = False

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.files: dict[str, bytes] = files
        self.moods: list[str] = []
        self.paths: list[str] = []


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Server]:
    with Server(files) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
