"""A graph that onnxruntime runs: on all cores, or on one core beside others of its kind."""

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
    """A graph, loaded into onnxruntime on the CPU.

    Args:
        source: An ONNX file, or what one holds.
        threads: How many threads share the work of one batch; None takes all cores.

    Attributes:
        inputs: Name and shape of what it takes; a text for a size that may be any.
        outputs: Name and shape of what it gives.
        metadata: What the file says of itself.

    Raises:
        ModelError: If it cannot be run; or onnxruntime is not installed.
    """

    def __init__(self, source: Path | bytes, *, threads: int | None = None) -> None:
        self._source, self._stamp = source, _stamp(source)
        self._loaded = _load(source, threads or available_cores())
        self.inputs: Shapes = {one.name: one.shape for one in self._loaded.get_inputs()}
        self.outputs: Shapes = {one.name: one.shape for one in self._loaded.get_outputs()}
        self.metadata: dict[str, str] = self._loaded.get_modelmeta().custom_metadata_map

    def run(self, images: Mapping[str, NDArray[Any]], names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """Run it, from any thread.

        Args:
            images: The inputs by name.
            names: Which outputs are wanted; None wants all.
        """
        wanted = list(self.outputs if names is None else names)
        return dict(zip(wanted, self._loaded.run(wanted, dict(images)), strict=True))

    @cached_property
    def single_threaded(self) -> "Session":
        """The same graph for several threads that each run a batch of their own, which wait less for one another.

        This one where there is one core only, or its file is no longer what it was.
        """
        if available_cores() == 1 or _stamp(self._source) != self._stamp:
            return self
        return Session(self._source, threads=1)


def _stamp(source: Path | bytes) -> tuple[int, ...] | None:
    """What changes when a file does; None without a file."""
    try:
        found = None if isinstance(source, bytes) else source.stat()
    except OSError:  # loading it says why
        found = None
    return None if found is None else (found.st_ino, found.st_size, found.st_mtime_ns)


def _load(source: Path | bytes, threads: int) -> "InferenceSession":
    try:
        from onnxruntime import InferenceSession, SessionOptions
    except ImportError as error:
        raise ModelError("onnxruntime is not installed.", "Run: pip install onnxruntime") from error
    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Its threads would spin while others decode and make boxes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        data = source if isinstance(source, bytes) else str(source)
        return InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # what onnxruntime raises has no common root
        name = "The graph" if isinstance(source, bytes) else str(source)
        raise ModelError(f"{name} is damaged or not an ONNX file.", "Copy it again, or export it anew.") from error
