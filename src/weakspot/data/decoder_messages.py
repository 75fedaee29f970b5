"""Messages between a decoder process and its parent: a header in JSON and bytes, never a pickle."""

import json
import os
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

# Lengths of the header and of the bytes behind it.
_LENGTHS = struct.Struct("<IQ")
_MAX_HEADER = 2**20

Header = Mapping[str, Any]


def encode_header(header: Header) -> bytes:
    """Return a header as it is written; TypeError if JSON has no such value."""
    return json.dumps(header).encode()


def write_message(file: BinaryIO, header: bytes, content: bytes | memoryview = b"") -> None:
    """Write a message with an encoded header to an unbuffered file."""
    view = memoryview(content).cast("B")
    _write_all(file, memoryview(_LENGTHS.pack(len(header), len(view)) + header))
    _write_all(file, view)


def read_message(file: BinaryIO, *, max_bytes: int | None = None) -> tuple[dict[str, Any], bytearray] | None:
    """Read a message from an unbuffered file; None at its end, which may be in the middle of a message.

    TypeError or ValueError if it is not a message, or has more than ``max_bytes`` bytes.
    """
    lengths = _read_exactly(file, _LENGTHS.size)
    if lengths is None:
        return None
    header_length, content_length = _LENGTHS.unpack(lengths)
    if header_length > _MAX_HEADER or (max_bytes is not None and content_length > max_bytes):
        raise ValueError(f"a message of {header_length} and {content_length} bytes")
    header, content = _read_exactly(file, header_length), _read_exactly(file, content_length)
    if header is None or content is None:
        return None
    decoded = json.loads(header)
    return dict(decoded), content


def widen_pipe(file: BinaryIO) -> None:
    """Let a pipe hold an image, so that both ends need not take turns for every 64 kB (Linux only)."""
    try:
        from fcntl import F_SETPIPE_SZ, fcntl

        fcntl(file.fileno(), F_SETPIPE_SZ, 2**20)
    except (ImportError, OSError):
        pass


def _write_all(file: BinaryIO, remaining: memoryview) -> None:
    while remaining:
        remaining = remaining[os.write(file.fileno(), remaining) :]


def _read_exactly(file: BinaryIO, length: int) -> bytearray | None:
    content = bytearray(length)
    view = memoryview(content)
    while view:
        count = file.readinto(view)  # type: ignore[attr-defined]
        if not count:
            return None
        view = view[count:]
    return content
