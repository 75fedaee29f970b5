"""Record where a command and its children connect, and refuse all but this machine.

The kernel reports each call of connect, sendto, sendmsg and sendmmsg (Linux, seccomp), whatever language makes it; a
name look-up is a datagram to a name server, so it is recorded, too.
"""

import ctypes
import errno
import fcntl
import ipaddress
import os
import platform
import queue
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Numbers of the calls by machine: seccomp itself, then those that name an address, with the position of the address.
_CALLS = {
    "x86_64": (317, {42: 1, 44: 4, 46: None, 307: None}),
    "aarch64": (277, {203: 1, 206: 4, 211: None, 269: None}),
}
_NO_NEW_PRIVILEGES, _SET_FILTER, _NEW_LISTENER = 38, 1, 8
_NOTIFY, _ALLOW = 0x7FC00000, 0x7FFF0000
_RECEIVE, _RESPOND = 0xC0502100, 0xC0182101
_CONTINUE = 1
_TRIAL = "import connections; connections._filter_calls()"
# Where a message of sendmsg has the pointer to its address.
_POINTER = struct.Struct("Q")


@contextmanager
def recorded(command: list[str], **options) -> Iterator[tuple[subprocess.Popen, list[str]]]:
    """Start a command; yield its process, and the list of addresses of other machines that grows while it runs."""
    ours, theirs = socket.socketpair()
    words = [sys.executable, str(Path(__file__).resolve()), str(theirs.fileno()), *command]
    with ours, theirs, subprocess.Popen(words, pass_fds=[theirs.fileno()], **options) as process:
        theirs.close()
        _, (listener, *_), _, _ = socket.recv_fds(ours, 1, 1)
        addresses: list[str] = []
        supervisor = threading.Thread(target=_supervise, args=(listener, addresses), daemon=True)
        supervisor.start()
        try:
            yield process, addresses
        finally:
            process.kill()
            process.wait()
            supervisor.join()
            os.close(listener)


def can_record() -> bool:
    """Whether this kernel and its settings allow it."""
    if sys.platform != "linux" or platform.machine() not in _CALLS:
        return False
    program = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n{_TRIAL}"]
    return subprocess.run(program, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _supervise(listener: int, addresses: list[str]) -> None:
    """Answer each reported call until the last process has ended."""
    waiting = select.poll()
    waiting.register(listener, select.POLLIN)
    while not any(events & select.POLLHUP for _, events in waiting.poll()):
        notice = bytearray(80)
        try:
            fcntl.ioctl(listener, _RECEIVE, notice)
        except OSError:  # the process has ended meanwhile
            continue
        number, process, _, call, _, _, *arguments = struct.unpack("QIIiIQ6Q", notice)
        address = _address(process, call, arguments)
        foreign = address is not None and not _is_local(address)
        if foreign:
            addresses.append(address)
        answer = struct.pack("QqiI", number, 0, -errno.ECONNREFUSED if foreign else 0, 0 if foreign else _CONTINUE)
        try:
            fcntl.ioctl(listener, _RESPOND, bytearray(answer))
        except OSError:
            continue


def _address(process: int, call: int, arguments: list[int]) -> str | None:
    """Return the internet address that a call names; None if it names none."""
    position = _CALLS[platform.machine()][1][call]
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as memory:

        def read(at: int, size: int) -> bytes:
            memory.seek(at)
            return memory.read(size)

        at = arguments[position] if position is not None else _POINTER.unpack(read(arguments[1], 8))[0]
        if at == 0:
            return None
        family = int.from_bytes(read(at, 2), sys.byteorder)
        if family == socket.AF_INET:
            return socket.inet_ntop(family, read(at + 4, 4))
        return socket.inet_ntop(family, read(at + 8, 16)) if family == socket.AF_INET6 else None


def _is_local(address: str) -> bool:
    found = ipaddress.ip_address(address)
    found = getattr(found, "ipv4_mapped", None) or found
    return found.is_loopback or found.is_unspecified


def _filter_calls() -> int:
    """Have the kernel report the calls of this process and its children; return where they are reported."""
    seccomp, calls = _CALLS[platform.machine()]
    # A program of the kernel's packet filter: load the number of the call, compare it, report or allow.
    steps = [(0x20, 0, 0, 0), *((0x15, len(calls) - i, 0, call) for i, call in enumerate(calls)), (0x06, 0, 0, _ALLOW)]
    code = b"".join(struct.pack("HBBI", *step) for step in (*steps, (0x06, 0, 0, _NOTIFY)))
    program = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(program)), 16)
    kernel = ctypes.CDLL(None, use_errno=True)
    if kernel.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0:
        listener = kernel.syscall(seccomp, _SET_FILTER, _NEW_LISTENER, header)
        if listener >= 0:
            return int(listener)
    raise OSError(ctypes.get_errno(), "no filter of calls")


def main() -> None:
    """Run a command under the filter, and hand on where its calls are reported."""
    filtered: queue.SimpleQueue[int] = queue.SimpleQueue()
    sent = threading.Event()

    def execute() -> None:  # the filter is that of this thread only, whose program replaces all of the process
        filtered.put(_filter_calls())
        sent.wait()
        os.execvp(sys.argv[2], sys.argv[2:])

    thread = threading.Thread(target=execute, daemon=True)
    thread.start()
    with socket.socket(fileno=int(sys.argv[1])) as sink:
        socket.send_fds(sink, [b"0"], [filtered.get(timeout=60)])
    sent.set()
    thread.join()


if __name__ == "__main__":
    main()
