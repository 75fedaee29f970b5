"""A web server on this machine that misbehaves on demand."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

RESET_ON_CLOSE = b"\1\0\0\0\0\0\0\0"  # struct linger: on, 0 seconds


@dataclass
class Answer:
    """What to send; ``length`` is the Content-Length to claim, None for none."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = -1
    is_torn: bool = False


def span(first, content):
    return {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}


def good(content, first):
    return Answer(206, content[first:], span(first, content)) if first else Answer(200, content)


def short(content, first, *, is_torn=False):
    whole = good(content, first)
    return Answer(whole.status, whole.body[: len(whole.body) // 2], whole.headers, len(whole.body), is_torn)


def chunked(content, end=b"0\r\n\r\n"):
    chunks = (content[start : start + 100_000] for start in range(0, len(content), 100_000))
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return Answer(200, body + end, {"Transfer-Encoding": "chunked"}, None)


# What can be done to a request for a content from its first byte on.
MOODS: dict[str, Callable[[bytes, int], Answer | None]] = {
    "good": good,
    "short": short,
    "torn": lambda content, first: short(content, first, is_torn=True),
    "dead": lambda content, first: None,
    "ignorant of ranges": lambda content, first: Answer(200, content),
    "ignorant and short": lambda content, first: Answer(200, content[: len(content) // 2], length=len(content)),
    "chunked": lambda content, first: chunked(content),
    "chunked without end": lambda content, first: chunked(content[:1000], end=b""),
    "endless": lambda content, first: Answer(200, content + bytes(1_000_000), length=None),
    "another range": lambda content, first: Answer(206, content[first + 7 :], span(first + 7, content)),
    "206 without a range": lambda content, first: Answer(206, content[first:]),
    "grown": lambda content, first: Answer(206, content[first:], span(first, content + b"more")),
    "416": lambda content, first: Answer(416, headers={"Content-Range": f"bytes */{len(content)}"}),
    "wrong": lambda content, first: Answer(200, bytes(len(content))),
    "page": lambda content, first: Answer(200, b"<html>Please log in</html>"),
    "203": lambda content, first: Answer(203, content),
    "404": lambda content, first: Answer(404, b"not here"),
    "503": lambda content, first: Answer(503, b"later"),
    "moved": lambda content, first: Answer(302, headers={"Location": "/elsewhere/Birds.tgz"}),
    "moved to a file": lambda content, first: Answer(302, headers={"Location": "file:///etc/passwd"}),
    "moved to FTP": lambda content, first: Answer(302, headers={"Location": "ftp://127.0.0.1/Birds.tgz"}),
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def log_message(self, *_):
        pass

    def do_GET(self):
        asked = self.headers.get("Range", "")
        self.server.asked.append(f"{self.path} {asked}".strip())
        self.server.agents.add(self.headers["User-Agent"])
        first = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
        mood = self.server.moods.pop(0) if self.server.moods else "good"
        self.close_connection = True
        answer = MOODS[mood](self.server.files[Path(self.path).name], first)
        if answer:
            with suppress(ConnectionError):
                self.answer(answer)

    def answer(self, answer):
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.length is not None:
            self.send_header("Content-Length", str(len(answer.body) if answer.length < 0 else answer.length))
        self.server.sent += len(answer.body)  # before the client has the response, and may retry
        self.end_headers()
        self.wfile.write(answer.body)
        if answer.is_torn:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.connection.close()


class Server(ThreadingHTTPServer):
    """Serves ``files``; ``moods`` are what it does to the next requests, and it keeps what was asked and sent."""

    daemon_threads = False

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.files: dict[str, bytes] = files
        self.moods: list[str] = []
        self.asked: list[str] = []
        self.agents: set[str] = set()
        self.sent = 0


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
