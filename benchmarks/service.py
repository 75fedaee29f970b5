"""A service in its own process, and cheap clients: plain sockets."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HEAD = (
    "POST /v1/localize HTTP/1.1\r\nHost: localhost\r\n"
    "Content-Type: multipart/form-data; boundary=a-boundary\r\nContent-Length: {}\r\n\r\n"
)
PART = '--a-boundary\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n'
Row = dict[str, Any]


class Service(NamedTuple):
    """A running service."""

    port: int
    pid: int

    @property
    def memory(self) -> float:
        """Resident memory in MB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    @property
    def open_files(self) -> int:
        """Number of open files and connections."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    @property
    def cpu(self) -> float:
        """CPU seconds since the start."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(model: str, cache: str, *options: str) -> Iterator[Service]:
    """Start ``weakspot serve``, and stop it with SIGTERM."""
    command = [sys.executable, "-m", "weakspot", "serve", model, "--port", "0", *options]
    environment = {**os.environ, "WEAKSPOT_CACHE": cache}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as run:
        assert run.stdout is not None
        lines = []
        for line in run.stdout:
            lines.append(line)
            if "http://127.0.0.1:" in line:
                break
        else:
            raise SystemExit("".join(lines))
        threading.Thread(target=run.stdout.read, daemon=True).start()
        try:
            yield Service(int(line.split("http://127.0.0.1:")[1].split()[0].strip("/")), run.pid)
        finally:
            run.send_signal(signal.SIGTERM)


def request(image: bytes, **options: object) -> bytes:
    """Build a complete request."""
    fields = "".join(PART.format(name, "") + f"{value}\r\n" for name, value in options.items())
    body = (fields + PART.format("image", '; filename="image.jpg"')).encode() + image + b"\r\n--a-boundary--\r\n"
    return HEAD.format(len(body)).encode() + body


class Connection:
    """A persistent connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self, data: bytes) -> Row:
        """Send a request; return the row of its response, whose status must be 200."""
        self.socket.sendall(data)
        response = b""
        while b"\r\n\r\n" not in response:
            response += self._received()
        head, _, body = response.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            body += self._received()
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(body.decode())
        row: Row = json.loads(body)
        return row

    def _received(self) -> bytes:
        block = self.socket.recv(65536)
        if not block:
            raise ConnectionError
        return block

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


def request_all(port: int, requests: Sequence[bytes], clients: int) -> tuple[list[float], list[Row]]:
    """Send requests from concurrent clients; return seconds and rows, in the order of the requests."""
    indices, lock = iter(range(len(requests))), threading.Lock()
    seconds, rows = [0.0] * len(requests), [Row()] * len(requests)

    def client() -> None:
        connection = Connection(port)
        while True:
            with lock:
                i = next(indices, None)
            if i is None:
                break
            start = time.perf_counter()
            rows[i] = connection.request(requests[i])
            seconds[i] = time.perf_counter() - start
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(rows), "a request has no response"
    return seconds, rows


def rows_match(one: Row, other: Row) -> bool:
    """Whether two rows are equal up to rounding: sums in batches of different sizes differ slightly."""
    boxes = zip(one["box"], other["box"], strict=True)
    boxes_match = all(abs(a - b) < 0.5 for a, b in boxes) and abs(one["score"] - other["score"]) < 1e-3
    return one["label"] == other["label"] and boxes_match
