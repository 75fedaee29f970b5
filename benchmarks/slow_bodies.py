"""Measure how long others wait while clients send bodies that cost much: python benchmarks/slow_bodies.py MODEL.

Prints, for each kind of body, how long /healthz took at the median and at most while four clients send such bodies over
and over, how many bytes they could send, and which statuses they got. Compare two versions on the same machine.
"""

import re
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.request import urlopen

CLIENTS, SECONDS = 4, 10
BLOCK = 2**16
HEAD = (
    b"POST /v1/localize HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n"
)
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
START = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
MAX_BYTES = 19 * 2**20


def chunks(size: int) -> Iterator[bytes]:
    """Send a body in chunks of a size."""
    yield CHUNKED
    block = (b"%x\r\n%b\r\n" % (size, b"a" * size)) * max(1, BLOCK // size // 6)
    for _ in range(MAX_BYTES // len(block)):
        yield block


def content(pattern: bytes) -> Iterator[bytes]:
    """Send a form whose file repeats a pattern."""
    yield HEAD + b"Content-Length: %d\r\n\r\n" % MAX_BYTES
    yield START
    block = pattern * (BLOCK // len(pattern))
    for _ in range((MAX_BYTES - len(START)) // len(block)):
        yield block
    yield b"a" * ((MAX_BYTES - len(START)) % len(block))


def segments() -> Iterator[bytes]:
    """Send a body one byte at a time."""
    yield HEAD + b"Content-Length: %d\r\n\r\n" % MAX_BYTES
    yield START
    while True:
        yield b"a"


KINDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "nobody": lambda: iter(()),
    "chunks of 1 byte": lambda: chunks(1),
    "chunks of 64 bytes": lambda: chunks(64),
    "chunks of 4 kB": lambda: chunks(4096),
    "segments of 1 byte": segments,
    "a file of zeros": lambda: content(b"\0"),
    "a file of line ends": lambda: content(b"\r\n"),
    "a file of carriage returns": lambda: content(b"\r"),
    "a file of half boundaries": lambda: content(b"\r\n--"),
    "a file of boundaries of others": lambda: content(b"\r\n--c"),
}


def attack(port: int, body: Callable[[], Iterator[bytes]], end: float, sent: Counter[str]) -> None:
    """Send bodies until the end."""
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(OSError):
                for block in body():
                    connection.sendall(block)
                    sent["bytes"] += len(block)
                    if time.monotonic() > end:
                        return
            answer = connection.recv(100)
            sent[answer[9:12].decode() or "closed"] += 1


def measure(port: int, kind: str) -> str:
    """Return a row of the table."""
    end, sent, waits = time.monotonic() + SECONDS, Counter[str](), []
    idle = kind == "nobody"
    threads = (
        [] if idle else [threading.Thread(target=attack, args=(port, KINDS[kind], end, sent)) for _ in range(CLIENTS)]
    )
    for thread in threads:
        thread.start()
    while time.monotonic() < end:
        start = time.monotonic()
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=120) as answer:
            answer.read()
        waits.append(time.monotonic() - start)
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    size = sent.pop("bytes", 0) / 2**20
    statuses = ", ".join(f"{count} x {status}" for status, count in sorted(sent.items()))
    return f"| {kind} | {1000 * statistics.median(waits):.0f} | {1000 * max(waits):.0f} | {size:.1f} | {statuses} |"


def main() -> None:
    """Serve a model, and measure all kinds."""
    words = [sys.executable, "-m", "weakspot", "serve", sys.argv[1], "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r":(\d+)", process.stdout.readline())
            assert found
            print("| clients send | median ms | longest ms | MB sent | answers |\n|---|---|---|---|---|")
            for kind in sys.argv[2:] or KINDS:
                print(measure(int(found[1]), kind), flush=True)
        finally:
            process.kill()


if __name__ == "__main__":
    main()
