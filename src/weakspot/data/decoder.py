"""One process that decodes images, seen from its parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from math import prod
from typing import Any, BinaryIO, Self, cast

import numpy as np
from numpy.typing import NDArray

from weakspot.data.decoder_messages import encode_header, read_message, widen_pipe, write_message
from weakspot.errors import InputError

_MODULE = "weakspot.data.decoder_process"
# Libraries of the child use one thread each, and little address space for them.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}


class Decoder:
    """A process that decodes one image at a time.

    Attributes:
        is_ready: Whether the process has started.
        is_usable: Whether it has answered its last request, so that it can take another.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._requests, self._answers = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
        self.is_ready = self._was_overdue = False
        self.is_usable = True

    @classmethod
    def start(cls) -> Self:
        """Start a process, without waiting until it is ready; OSError if the system refuses.

        It has a session of its own, so that Ctrl-C in a terminal reaches only the parent, which ends it.
        """
        process = subprocess.Popen(
            [sys.executable or "", "-P", "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
            env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(os.path.isabs, sys.path))},
        )
        decoder = cls(process)
        for pipe in (decoder._requests, decoder._answers):
            widen_pipe(pipe)
        return decoder

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def decode(
        self, request: Mapping[str, Any], content: bytes, name: str
    ) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
        """Decode an image; return its pixels, and numbers such as its size at full scale.

        Args:
            request: As :mod:`weakspot.data.decoder_process` expects it.
            content: The path, or the file itself.
            name: Name of the image in messages.

        Raises:
            InputError: The error of the image.
            TypeError: If the request has a value that JSON has not; the process does not notice.
        """
        header = encode_header(request)
        self.is_usable = False
        answer = self._exchange(header, content, max_bytes=_max_bytes(request))
        if answer is None:
            raise self._error(name)
        found, pixels = answer
        if "code" in found:
            self.is_usable = True
            raise InputError(*(str(found.get(key, "")) for key in ("code", "problem", "hint")))
        try:
            result = _result(found, pixels, request)
        except (KeyError, TypeError, ValueError) as error:
            raise _crashed(name) from error
        self.is_usable = True
        return result

    def kill(self, *, overdue: bool = False) -> None:
        """Kill the process; who waits for its answer gets an error, with ``overdue`` that it took too long."""
        self._was_overdue |= overdue
        self._process.kill()

    def end(self) -> None:
        """Kill the process, and wait until it has ended."""
        self._process.kill()
        self._requests.close()
        self._answers.close()
        self._process.wait()

    def _exchange(self, request: bytes, content: bytes, *, max_bytes: int) -> tuple[dict[str, Any], bytearray] | None:
        """Send a request and return the answer; None if the process ends before, or answers nonsense."""
        try:
            if not self.is_ready:
                self.is_ready = read_message(self._answers, max_bytes=0) is not None
            write_message(self._requests, request, content)
            return read_message(self._answers, max_bytes=max_bytes)
        except (OSError, TypeError, ValueError):  # the process has ended, or is not itself
            return None

    def _error(self, name: str) -> InputError:
        """Return the error of an image whose process has ended."""
        self._process.kill()
        code = self._process.wait()
        if not self.is_ready and not self._was_overdue:
            problem = f"A process to decode {name} ended before it was ready (exit code {code})."
            return InputError("decoder-not-started", problem, f"Run: {sys.executable} -m {_MODULE}")
        if self._was_overdue or code == -getattr(signal, "SIGPROF", 0):
            hint = "If you trust it, save it with another program."
            return InputError("decoding-too-slow", f"Decoding {name} takes too long.", hint)
        return _crashed(name)


def _crashed(name: str) -> InputError:
    return InputError("decoder-crashed", f"Decoding {name} crashed the decoder.", "Save it with another program.")


def _max_bytes(request: Mapping[str, Any]) -> int:
    """Return the largest number of bytes of an answer."""
    options = request["options"]
    pixels: int = max(options.get("max_pixels", 0), options.get("height", 0) * options.get("width", 0))
    return pixels * int(request["channels"])


def _result(
    header: Mapping[str, Any], pixels: bytearray, request: Mapping[str, Any]
) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
    """Return the pixels and the numbers of an answer; KeyError, TypeError or ValueError if they are impossible."""
    rows, columns, channels = shape = tuple(int(side) for side in header["shape"])
    numbers = tuple(int(number) for number in header["numbers"])
    if not _IS_POSSIBLE[request["function"]](shape, numbers, request) or len(pixels) != prod(shape):
        raise ValueError(f"{len(pixels)} bytes for {shape} and {numbers}")
    return np.frombuffer(pixels, np.uint8).reshape(rows, columns, channels), numbers


def _is_file(shape: tuple[int, ...], numbers: tuple[int, ...], request: Mapping[str, Any]) -> bool:
    rows, columns, channels = shape
    return (
        min(rows, columns) > 0 and channels == 3 and rows * columns <= request["options"]["max_pixels"] and not numbers
    )


def _is_downscaled(shape: tuple[int, ...], numbers: tuple[int, ...], request: Mapping[str, Any]) -> bool:
    (rows, columns, channels), (height, width), options = shape, numbers, request["options"]
    sides = (options["height"], options["width"]) if request["resize"] else (min(rows, height), min(columns, width))
    is_bounded = min(rows, columns) > 0 and height * width <= options["max_pixels"]
    return is_bounded and (rows, columns) == sides and channels == request["channels"]


def _is_orientation(shape: tuple[int, ...], numbers: tuple[int, ...], _request: Mapping[str, Any]) -> bool:
    height, width, orientation = numbers
    return not any(shape) and min(height, width) >= 0 and orientation in range(1, 9)


_IS_POSSIBLE = {"read_file": _is_file, "read_downscaled": _is_downscaled, "read_orientation": _is_orientation}
