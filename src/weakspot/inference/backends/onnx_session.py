"""A graph loaded into ONNX Runtime, on all cores or on one of several single-threaded sessions."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from weakspot.concurrency import available_cores
from weakspot.errors import ModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Shapes = dict[str, list[int | str]]


class Session:
    """A graph (file or bytes), loaded into ONNX Runtime on the CPU, for one batch on ``threads`` threads or all cores.

    ``inputs`` and ``outputs`` are the shapes by name; a string stands for an axis of any length. ``types`` are those of
    the inputs, such as ``tensor(uint8)``. Raises ModelError
    ``damaged-file`` if the graph cannot be loaded, ``not-installed`` without ONNX Runtime.
    """

    def __init__(self, source: Path | bytes, *, threads: int | None = None) -> None:
        self._source, self._stamp = source, _stamp(source)
        self._session = _load(source, threads or available_cores())
        self.inputs: Shapes = {value.name: value.shape for value in self._session.get_inputs()}
        self.outputs: Shapes = {value.name: value.shape for value in self._session.get_outputs()}
        self.types: dict[str, str] = {value.name: value.type for value in self._session.get_inputs()}
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def run(self, inputs: Mapping[str, NDArray[Any]], names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """Run the graph, from any thread; ``names`` are the outputs to compute, None for all."""
        names = list(self.outputs if names is None else names)
        try:
            return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))
        except Exception as error:  # the exceptions of onnxruntime have no common base class
            problem = f"onnxruntime cannot run {_name(self._source)}: {' '.join(str(error).split())[:200]}"
            raise ModelError("graph-failed", problem, "Export it again.") from error

    @cached_property
    def single_threaded(self) -> "Session":
        """The same graph for several threads that each run a batch of their own, which then wait less for one another.

        The same session if there is one core only, or the file has changed since it was loaded.
        """
        if available_cores() == 1 or _stamp(self._source) != self._stamp:
            return self
        return Session(self._source, threads=1)


def _stamp(source: Path | bytes) -> tuple[int, ...] | None:
    """Return numbers that change if a file does; None without a file."""
    try:
        status = None if isinstance(source, bytes) else source.stat()
    except OSError:  # loading the file reports the reason
        status = None
    return None if status is None else (status.st_ino, status.st_size, status.st_mtime_ns)


def _name(source: Path | bytes) -> str:
    return "the graph" if isinstance(source, bytes) else str(source)


def _load(source: Path | bytes, threads: int) -> "InferenceSession":
    try:
        from onnxruntime import InferenceSession, SessionOptions
    except ImportError as error:
        problem = "ONNX files need onnxruntime, which is not installed."
        raise ModelError("not-installed", problem, "Run: pip install onnxruntime") from error
    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Spinning threads would take the cores from threads that decode images and compute boxes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        data = source if isinstance(source, bytes) else str(source)
        return InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the exceptions of onnxruntime have no common base class
        problem = f"Cannot load {_name(source)}: it is damaged or not an ONNX file."
        raise ModelError("damaged-file", problem, "Export it again.") from error
