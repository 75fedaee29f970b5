"""Clients that go, clients that dawdle and requests that are hostile, with good requests between them."""

import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from service import Connection, Service, alike, ask_all, request

sys.path.append(str(Path(__file__).parents[1] / "tests" / "serving"))
from hostile import corpus, leaks_internals, send, status_of

RESET_ON_CLOSE = b"\1\0\0\0\0\0\0\0"  # struct linger: on, 0 seconds
KILLED = """
import socket, sys, time
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.sendall(sys.stdin.buffer.read())
print(flush=True)
time.sleep(60)
"""


def print_faults(service: Service, photos: list[bytes], hostile: int) -> None:
    """Do it all, and print what became of the good requests meanwhile."""
    requests = [request(photo) for photo in photos]
    _, at_rest = ask_all(service.port, requests, 1)
    before, files = service.memory, service.open_files
    print("\n| fault | good requests meanwhile | answered rightly | their p99, ms | what became of the others |")
    print("|---|---|---|---|---|")
    faults: dict[str, Callable[[], str]] = {
        "none, two clients": lambda: time.sleep(5) or "",
        "200 connections cut in mid-upload": lambda: cut_off(service.port, requests[0]),
        "20 clients killed in mid-upload": lambda: killed(service.port, requests[0]),
        "100 connections whose headers come a byte a second": lambda: slow(service.port, requests[0][:60]),
        "100 connections whose bodies come a byte a second": lambda: slow(service.port, requests[0], at_once=500),
        "hostile requests": lambda: attack(service.port, hostile),
    }
    for name, fault in faults.items():
        good = Good(service.port, requests, at_rest)
        outcome = fault()
        print(f"| {name} | {good.stop()} | {outcome} |", flush=True)
    time.sleep(6)
    print(
        f"\nMemory: {before:.0f} MB before, {service.memory:.0f} MB after; open files: {files}, {service.open_files}."
    )


class Good:
    """Two clients that ask without a break, and compare each answer with that at rest."""

    def __init__(self, port: int, requests: list[bytes], at_rest: list[dict]) -> None:
        self._stop, self._seconds, self._right = threading.Event(), [], []
        self._work = (port, requests, at_rest)
        self._threads = [threading.Thread(target=self._ask) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        port, requests, at_rest = self._work
        connection, i = Connection(port), 0
        while not self._stop.is_set():
            begun, i = time.perf_counter(), (i + 1) % len(requests)
            try:
                self._right.append(alike(connection.ask(requests[i]), at_rest[i]))
            except (OSError, RuntimeError):
                self._right.append(False)
                connection = Connection(port)
            self._seconds.append(time.perf_counter() - begun)

    def stop(self) -> str:
        """Columns of the table."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return f"{len(self._right)} | {sum(self._right)} | {1000 * np.percentile(self._seconds, 99):.0f}"


def cut_off(port: int, whole: bytes) -> str:
    """Send a part and go: at once, with a reset, or after all was sent."""
    for i in range(200):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(whole[: (60, len(whole) // 2, len(whole) - 1, len(whole))[i % 4]])
        if i % 8 < 4:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        connection.close()
        time.sleep(0.02)
    return ""


def killed(port: int, whole: bytes) -> str:
    """Kill processes that have sent a half."""
    for _ in range(20):
        command = [sys.executable, "-S", "-c", KILLED, str(port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdin.write(whole[: len(whole) // 2])
            process.stdin.close()
            process.stdout.readline()
            process.kill()
    return ""


def slow(port: int, content: bytes, at_once: int = 0) -> str:
    """Send a byte a second on a hundred connections until all are cut."""
    begun, ends = time.perf_counter(), []
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    for connection in connections:
        connection.sendall(content[:at_once])
        connection.settimeout(0)
    at = at_once
    statuses: Counter[int] = Counter()
    while connections and time.perf_counter() - begun < 60:
        for connection in list(connections):
            if (status := sent(connection, content[at : at + 1])) is not None:
                statuses[status] += 1
                ends.append(time.perf_counter() - begun)
                connections.remove(connection)
                connection.close()
        at += 1
        time.sleep(1)
    said = ", ".join(f"{count} {status or 'cut'}" for status, count in statuses.items())
    return f"{said} after {max(ends, default=0):.0f} s, {len(connections)} left"


def sent(connection: socket.socket, byte: bytes) -> int | None:
    """Send a byte more; the status of an answer that is there, 0 if the connection was cut without one."""
    try:
        return status_of(connection.recv(65536))
    except BlockingIOError:
        pass
    except ConnectionError:
        return 0
    try:
        connection.send(byte)
    except ConnectionError:
        return 0
    return None


def attack(port: int, images: int) -> str:
    """Send the corpus, and count the answers."""
    statuses: Counter[str] = Counter()
    for one in corpus(images):
        answer = send(port, one.request)
        status = status_of(answer)
        wrong = status >= 500 or not status or leaks_internals(answer) or (status < 400 and not one.may_pass)
        if wrong:
            print(one, answer[:500], file=sys.stderr)
        kind = "wrong" if wrong else "4xx" if status >= 400 else "200"
        statuses[("images " if one.family.startswith("image") else "others ") + kind] += 1
    return ", ".join(f"{kind}: {count}" for kind, count in sorted(statuses.items()))
