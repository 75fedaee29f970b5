"""Disconnecting clients, slow clients and hostile requests, with good requests in between."""

import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from service import Connection, Service, request, request_all, rows_match

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from hostile import corpus, leaks_internals, send, status_of

RESET_ON_CLOSE = b"\1\0\0\0\0\0\0\0"  # struct linger: on, 0 seconds
KILLED = """
import socket, sys, time
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.sendall(sys.stdin.buffer.read())
print(flush=True)
time.sleep(60)
"""


def print_faults(service: Service, images: list[bytes], hostile: int) -> None:
    """Inject each fault, and print how the concurrent good requests fare."""
    requests = [request(image) for image in images]
    _, expected = request_all(service.port, requests, 1)
    before, files = service.memory, service.open_files
    print("\n| fault | concurrent good requests | correct responses | their p99, ms | responses to the fault |")
    print("|---|---|---|---|---|")
    faults: dict[str, Callable[[], str]] = {
        "none, two clients": lambda: time.sleep(5) or "",
        "200 connections closed in mid-upload": lambda: cut_off(service.port, requests[0]),
        "20 clients killed in mid-upload": lambda: killed(service.port, requests[0]),
        "100 connections whose headers arrive a byte a second": lambda: slow(service.port, requests[0][:60]),
        "100 connections whose bodies arrive a byte a second": lambda: slow(service.port, requests[0], at_once=500),
        "hostile requests": lambda: attack(service.port, hostile),
    }
    for name, fault in faults.items():
        good = Good(service.port, requests, expected)
        outcome = fault()
        print(f"| {name} | {good.stop()} | {outcome} |", flush=True)
    time.sleep(6)
    print(
        f"\nMemory: {before:.0f} MB before, {service.memory:.0f} MB after; open files: {files}, {service.open_files}."
    )


class Good:
    """Two clients that send requests without a pause, and compare each response with one of an idle service."""

    def __init__(self, port: int, requests: list[bytes], expected: list[dict]) -> None:
        self._stop, self._seconds, self._correct = threading.Event(), [], []
        self._work = (port, requests, expected)
        self._threads = [threading.Thread(target=self._ask) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        port, requests, expected = self._work
        connection, i = Connection(port), 0
        while not self._stop.is_set():
            start, i = time.perf_counter(), (i + 1) % len(requests)
            try:
                self._correct.append(rows_match(connection.request(requests[i]), expected[i]))
            except (OSError, RuntimeError):
                self._correct.append(False)
                connection = Connection(port)
            self._seconds.append(time.perf_counter() - start)

    def stop(self) -> str:
        """Stop the clients; return columns of the table."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return f"{len(self._correct)} | {sum(self._correct)} | {1000 * np.percentile(self._seconds, 99):.0f}"


def cut_off(port: int, whole: bytes) -> str:
    """Disconnect in mid-request: early, with a reset, or after the last byte."""
    for i in range(200):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(whole[: (60, len(whole) // 2, len(whole) - 1, len(whole))[i % 4]])
        if i % 8 < 4:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        connection.close()
        time.sleep(0.02)
    return ""


def killed(port: int, whole: bytes) -> str:
    """Kill client processes that have sent half a request."""
    for _ in range(20):
        command = [sys.executable, "-S", "-c", KILLED, str(port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdin.write(whole[: len(whole) // 2])
            process.stdin.close()
            process.stdout.readline()
            process.kill()
    return ""


def slow(port: int, content: bytes, at_once: int = 0) -> str:
    """Send a byte a second on a hundred connections until all are closed."""
    start, ends = time.perf_counter(), []
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    for connection in connections:
        connection.sendall(content[:at_once])
        connection.settimeout(0)
    at = at_once
    statuses: Counter[int] = Counter()
    while connections and time.perf_counter() - start < 60:
        for connection in list(connections):
            if (status := sent(connection, content[at : at + 1])) is not None:
                statuses[status] += 1
                ends.append(time.perf_counter() - start)
                connections.remove(connection)
                connection.close()
        at += 1
        time.sleep(1)
    outcome = ", ".join(f"{count} {status or 'closed'}" for status, count in statuses.items())
    return f"{outcome} after {max(ends, default=0):.0f} s, {len(connections)} left"


def sent(connection: socket.socket, byte: bytes) -> int | None:
    """Send one more byte; return the status of a response, 0 if the connection is closed, None if neither."""
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
    """Send the hostile requests, and count the responses."""
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
