"""A service in a process of its own, and clients that cost little: plain sockets."""

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
    """A service that runs."""

    port: int
    pid: int

    @property
    def memory(self) -> float:
        """MB in use, as the kernel counts them."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    @property
    def open_files(self) -> int:
        """Files and connections that are open."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    @property
    def cpu(self) -> float:
        """Seconds of CPU time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(model: str, cache: str, *options: str) -> Iterator[Service]:
    """Start ``weakspot serve``, and stop it as an operator would."""
    command = [sys.executable, "-m", "weakspot", "serve", model, "--port", "0", *options]
    environment = {**os.environ, "WEAKSPOT_CACHE": cache}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as run:
        assert run.stdout is not None
        said = []
        for line in run.stdout:
            said.append(line)
            if "http://127.0.0.1:" in line:
                break
        else:
            raise SystemExit("".join(said))
        threading.Thread(target=run.stdout.read, daemon=True).start()
        try:
            yield Service(int(line.split("http://127.0.0.1:")[1].split()[0].strip("/")), run.pid)
        finally:
            run.send_signal(signal.SIGTERM)


def request(image: bytes, **options: object) -> bytes:
    """A whole request, ready to be sent."""
    fields = "".join(PART.format(name, "") + f"{value}\r\n" for name, value in options.items())
    body = (fields + PART.format("image", '; filename="photo.jpg"')).encode() + image + b"\r\n--a-boundary--\r\n"
    return HEAD.format(len(body)).encode() + body


class Connection:
    """A connection that is kept open, as a client that asks often does."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, asked: bytes) -> Row:
        """The answer, which has to be 200."""
        self.socket.sendall(asked)
        found = b""
        while b"\r\n\r\n" not in found:
            found += self._received()
        head, _, body = found.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            body += self._received()
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(body.decode())
        answer: Row = json.loads(body)
        return answer

    def _received(self) -> bytes:
        block = self.socket.recv(65536)
        if not block:
            raise ConnectionError
        return block

    def close(self) -> None:
        """Let go of it."""
        self.socket.close()


def ask_all(port: int, requests: Sequence[bytes], clients: int) -> tuple[list[float], list[Row]]:
    """Ask with so many clients at once; the seconds and the answers, in the order of requests."""
    todo, lock = iter(range(len(requests))), threading.Lock()
    seconds, answers = [0.0] * len(requests), [Row()] * len(requests)

    def client() -> None:
        connection = Connection(port)
        while True:
            with lock:
                i = next(todo, None)
            if i is None:
                break
            begun = time.perf_counter()
            answers[i] = connection.ask(requests[i])
            seconds[i] = time.perf_counter() - begun
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answers), "a client was not answered"
    return seconds, answers


def alike(one: Row, other: Row) -> bool:
    """Whether two answers say the same: a batch of another size adds up in another order."""
    boxes = zip(one["box"], other["box"], strict=True)
    near = all(abs(a - b) < 0.5 for a, b in boxes) and abs(one["score"] - other["score"]) < 1e-3
    return one["label"] == other["label"] and near
