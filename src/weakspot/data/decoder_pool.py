"""A pool of processes that decode untrusted image files, with limits on the time and memory of each image."""

import os
import threading
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import finalize

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.concurrency import available_cores
from weakspot.data.decoder import Decoder
from weakspot.data.decoder_limits import DecodingLimits
from weakspot.data.decoding import MAX_PIXELS, Draft
from weakspot.errors import InputError, check_positive

# Seconds after which decoders count as stuck if all of them are busy with one image.
_STUCK_SECONDS = 5.0
# Seconds that a process may take to start, such as from a folder on the network.
_START_SECONDS = 60.0


class DecoderPool:
    """Processes that decode image files: a file that costs too much, or crashes a decoder, is an error of that image.

    Each process decodes one image at a time. One that exceeds a limit is ended, and another takes its place. The
    processes start when they are needed, and end with :meth:`close`, with the pool, and with this process.

    Args:
        size: Maximum number of processes; None for one per core.
        limits: Limits of each image.

    Raises:
        InputError: ``out-of-range`` for a size below 1.

    Example:
        >>> from weakspot.data import DecoderPool
        >>> import skimage, weakspot
        >>> file = Path(skimage.__file__).parent / "data" / "chelsea.png"
        >>> with DecoderPool(size=1) as decoders:
        ...     localizer = weakspot.Localizer("tf_efficientnet_lite0", decoders=decoders)
        ...     localizer(file).label
        'Egyptian cat'
    """

    def __init__(self, size: int | None = None, limits: DecodingLimits = DecodingLimits()) -> None:
        self.size = available_cores() if size is None else check_positive(size, "size")
        self.limits = limits
        self._state = _State(self.size, limits.wall_seconds)
        self._finalizer = finalize(self, self._state.close)

    def start(self, count: int | None = None) -> None:
        """Start some processes now, at most ``size``, while something else is loaded; None starts all of them."""
        self._state.start(self.size if count is None else min(count, self.size))

    def read(
        self,
        source: str | Path | bytes,
        *,
        height: int,
        width: int,
        channels: int = 3,
        resize: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        """Decode an image file that will be resized, see :func:`weakspot.data.decoding.read_downscaled`.

        Args:
            source: A path or the bytes of an image file.
            height: Rows that the image will have.
            width: Columns that the image will have.
            channels: 3 for RGB, 1 for gray.
            resize: Resize the image to this size by Pillow.
            max_pixels: Maximum number of pixels of the image.

        Returns:
            Pixels of shape (rows, columns, channels), and ``(height, width)`` of the upright image at full scale.

        Raises:
            InputError: As :func:`weakspot.data.read_image`; ``decoding-too-slow``, ``decoding-out-of-memory`` or
                ``decoder-crashed``; ``decoder-not-started`` if a process cannot be started; ``out-of-range`` for a
                size or limit that is not a number.
        """
        options = {"height": height, "width": width, "max_pixels": max_pixels}
        pixels, (rows, columns) = self._decode("read_downscaled", source, options, channels=channels, resize=resize)
        return pixels, (rows, columns)

    def read_file(
        self,
        source: str | Path | bytes,
        *,
        max_pixels: int = MAX_PIXELS,
        upright: bool = True,
        draft: Draft | None = None,
    ) -> Image.Image:
        """Decode an image file as :func:`weakspot.data.decoding.read_file`, with the errors of :meth:`read`."""
        options = {"max_pixels": max_pixels, "upright": upright, "draft": draft}
        return Image.fromarray(self._decode("read_file", source, options)[0])

    def read_orientation(self, path: Path) -> tuple[tuple[int, int], int]:
        """Read a header as :func:`weakspot.data.decoding.read_orientation`, with the errors of :meth:`read`."""
        _, (height, width, orientation) = self._decode("read_orientation", path, {})
        return (height, width), orientation

    def _decode(
        self,
        function: str,
        source: str | Path | bytes,
        options: dict[str, Any],
        *,
        channels: int = 3,
        resize: bool = False,
    ) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
        """Call a function of the decoder process."""
        is_path = not isinstance(source, bytes)
        request = {
            "is_path": is_path,
            "folder": _working_folder() if is_path else "",
            "function": function,
            "options": {name: _plain(value, name) for name, value in options.items()},
            "channels": channels,
            "resize": resize,
            "limits": {name: _plain(value, name) for name, value in asdict(self.limits).items()},
        }
        content = source if isinstance(source, bytes) else os.fsencode(source)
        name = str(source) if is_path else "The image"
        decoder = self._state.acquire(name)
        try:
            return decoder.decode(request, content, name)
        finally:
            self._state.release(decoder)

    @property
    def is_stuck(self) -> bool:
        """Whether all processes have been busy with one image for more than five seconds each."""
        return self._state.is_stuck(_STUCK_SECONDS)

    def close(self) -> None:
        """End all processes; images that are being decoded fail. The pool can be used again."""
        self._state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _plain(value: Any, name: str) -> Any:
    """Return a value as a message can hold it: a number of numpy, which might also overflow, as one of Python."""
    plain = value.item() if isinstance(value, np.generic) else value
    if plain is not None and not isinstance(plain, int | float | tuple):
        raise InputError("out-of-range", f"{name} must be a number, got {value!r}.")
    return plain


def _working_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - text
    except OSError:  # it was deleted
        return ""


class _State:
    """The decoders of a pool; apart from it, so that the pool can be collected while the clock is watched."""

    def __init__(self, size: int, wall_seconds: float) -> None:
        self._size, self._wall_seconds = size, wall_seconds
        self._changed = threading.Condition()
        self._idle: list[Decoder] = []
        self._busy: dict[Decoder, float] = {}  # since when; from later on if it has to start first
        self._process = os.getpid()
        self._watch: threading.Thread | None = None

    def start(self, count: int) -> None:
        with self._changed:
            while len(self._idle) + len(self._busy) < count:
                self._idle.append(_started("images"))

    def acquire(self, name: str) -> Decoder:
        """Wait for a decoder, and start one if there are fewer than ``size``."""
        with self._changed:
            self._forget_those_of_parent()
            self._changed.wait_for(lambda: self._idle or len(self._busy) < self._size)
            try:
                self._start_watch()
                decoder = self._idle_or_started(name)
            except BaseException:
                self._changed.notify()  # another one that waits may try
                raise
            self._busy[decoder] = time.monotonic() + (0 if decoder.is_ready else _START_SECONDS)
            return decoder

    def release(self, decoder: Decoder) -> None:
        with self._changed:
            if self._busy.pop(decoder, None) is not None and decoder.is_usable:
                self._idle.append(decoder)
            else:
                decoder.end()
            self._changed.notify()

    def is_stuck(self, seconds: float) -> bool:
        with self._changed:
            limit = time.monotonic() - seconds
            return len(self._busy) == self._size and all(since < limit for since in self._busy.values())

    def close(self) -> None:
        with self._changed:
            if os.getpid() == self._process:
                for decoder in (*self._idle, *self._busy):
                    decoder.kill()
                for decoder in self._idle:
                    decoder.end()
            self._idle.clear()

    def _idle_or_started(self, name: str) -> Decoder:
        if self._idle:
            decoder = self._idle.pop()
            if decoder.is_alive:
                return decoder
            decoder.end()  # the system had ended it while it was idle
        return _started(name)

    def _forget_those_of_parent(self) -> None:
        """Leave the decoders to the parent if this process was forked."""
        if os.getpid() != self._process:
            self._process, self._idle, self._busy, self._watch = os.getpid(), [], {}, None

    def _start_watch(self) -> None:
        if self._watch is None:
            watch = threading.Thread(target=self._kill_overdue, daemon=True, name="decoder-watch")
            watch.start()
            self._watch = watch

    def _kill_overdue(self) -> None:
        """Kill decoders that are busy for too long, until none is busy."""
        while True:
            time.sleep(min(1.0, self._wall_seconds / 4))
            with self._changed:
                limit = time.monotonic() - self._wall_seconds
                for decoder in (decoder for decoder, since in self._busy.items() if since < limit):
                    decoder.kill(overdue=True)
                if not self._busy:
                    self._watch = None
                    return


def _started(name: str) -> Decoder:
    try:
        return Decoder.start()
    except OSError as error:
        problem = f"Cannot start a process to decode {name}: {error.strerror or error}."
        raise InputError("decoder-not-started", problem, "Free memory, or processes, of this machine.") from error
