"""A classifier's forward pass as a graph for onnxruntime, made once and kept in the user's cache folder."""

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import torch
from filelock import FileLock
from platformdirs import user_cache_path
from torch import Tensor, nn

from weakspot.config import __version__
from weakspot.errors import InputError, ModelError, WeakspotError
from weakspot.inference.backends.onnx_export import to_onnx
from weakspot.inference.backends.onnx_forward import IMAGES, OnnxForward, find_dummy_size
from weakspot.inference.backends.onnx_session import Session
from weakspot.inference.backends.torch import TorchBackend
from weakspot.io.atomic import atomic_write
from weakspot.models import SplitClassifier, forward_with_hooks

# So far may the logits of the graph be from PyTorch's, as a share of their spread.
_TOLERANCE = 1e-3
_FOLDER, _BACKEND = "WEAKSPOT_CACHE", "WEAKSPOT_BACKEND"
_log = logging.getLogger("weakspot")


def can_accelerate(backend: TorchBackend) -> bool:
    """Whether a classifier is on the CPU in 32-bit floats, and onnxruntime is installed with what exports to it."""
    there = all(find_spec(name) for name in ("onnx", "onnxruntime", "onnxscript"))
    return there and backend.like.device.type == "cpu" and backend.like.dtype == torch.float32


def select_backend(backend: TorchBackend, wanted: str, *, stays: bool) -> tuple[TorchBackend, bool]:
    """Let onnxruntime run a classifier's forward pass, if that is wanted or costs nothing.

    Args:
        backend: The classifier in PyTorch.
        wanted: ``"torch"``, ``"onnx"``, or ``"auto"``: what ``$WEAKSPOT_BACKEND`` says, else onnxruntime if the graph
            lies in the cache, or once enough images were seen to be worth exporting.
        stays: Whether the weights stay what they are.

    Returns:
        The classifier, and whether it may be exported later.

    Raises:
        ModelError: If onnxruntime is wanted and cannot run it.
    """
    asked = os.environ.get(_BACKEND, wanted) if wanted == "auto" else wanted
    if asked == "torch" or not can_accelerate(backend):
        if wanted == "onnx":
            raise ModelError(
                "onnxruntime cannot run this model: it is installed for models on the CPU in 32-bit floats.",
                "Run: pip install 'weakspot[onnx]', give --device cpu, or take --backend torch.",
            )
        return backend, False
    if asked == "onnx":
        return compile_onnx(backend, export=True), False
    if not stays:
        return backend, False
    try:
        found = compile_onnx(backend, export=False)
    except WeakspotError as error:  # nobody has asked for it
        _log.warning("the model stays in PyTorch: %s", error.problem)
        return backend, False
    return found, found is backend


def compile_onnx(backend: TorchBackend, *, export: bool) -> TorchBackend:
    """Let onnxruntime run a classifier's forward pass; its head and class maps stay as they are.

    The graph is kept under a name that is a hash of the weights, the architecture and where it is read. One process
    exports, others that want the same wait for it.

    Args:
        backend: The classifier, for which :func:`can_accelerate`.
        export: Whether to export it now if that was not done before.

    Returns:
        The classifier with that forward pass; as it was where it has to be exported and shall not.

    Raises:
        ModelError: If it cannot be exported, or the graph's logits are not the model's.
        InputError: If the cache folder cannot be written to.
    """
    cut, images = backend.cut, _noise(backend)
    file = cache_folder() / f"{content_hash(cut, images)}.onnx"
    if not file.is_file():
        if not export:
            return backend
        _log.info("exporting the model for onnxruntime, once: this takes some seconds")
        with _locked(file):
            if not file.is_file():
                graph = _exported(cut, images)
                with atomic_write(file) as target:
                    target.write(graph)
    return replace(backend, cut=replace(cut, accelerated=_trunk(cut, images, file)))


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Be the only process that makes a file of the cache."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file.with_suffix(".lock"))
        lock.acquire()
    except OSError as error:
        problem = f"The cache folder {file.parent} cannot be written to: {error.strerror or error}."
        raise InputError(problem, f"Name another in {_FOLDER}, or take --backend torch.") from error
    try:
        yield
    finally:
        lock.release()


def cache_folder() -> Path:
    """Where graphs are kept: in ``$WEAKSPOT_CACHE``, or the user's cache folder."""
    chosen = os.environ.get(_FOLDER)
    return (Path(chosen) if chosen else user_cache_path("weakspot")) / "graphs"


def content_hash(cut: SplitClassifier, images: Tensor) -> str:
    """A name for a graph that changes with whatever changes what it computes."""
    told = (__version__, torch.__version__, repr(cut.model), cut.layers, cut.intermediates, tuple(images.shape[1:]))
    found = hashlib.sha256(repr(told).encode())
    for name, tensor in cut.model.state_dict().items():
        found.update(name.encode())
        found.update(tensor.detach().contiguous().cpu().flatten().view(torch.uint8).numpy())
    return found.hexdigest()[:32]


class _Forward(nn.Module):
    """From normalised images to the logits, the outputs of layers, and levels."""

    def __init__(self, cut: SplitClassifier) -> None:
        super().__init__()
        self.model = cut.model
        self._cut = cut

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run it."""
        reading = forward_with_hooks(self._cut.model, self._cut.layers, images, intermediates=self._cut.intermediates)
        return (reading.logits, *reading.outputs, *reading.intermediates)


def _exported(cut: SplitClassifier, images: Tensor) -> bytes:
    outputs: Sequence[str] = ["logits", *(f"layer{i}" for i, _ in enumerate(cut.layers))]
    outputs = [*outputs, *(f"level{i}" for i, _ in enumerate(cut.intermediates))]
    return to_onnx(_Forward(cut), {IMAGES: images}, outputs, dynamic={IMAGES: {0: "batch"}}, metadata={})


def _trunk(cut: SplitClassifier, images: Tensor, file: Path) -> OnnxForward:
    expected = forward_with_hooks(cut.model, cut.layers, images, intermediates=cut.intermediates)
    size = (images.shape[2], images.shape[3])
    trunk = OnnxForward(_session(file), cut.layers, expected.layouts, expected.calls, size)
    found = trunk.run(images)
    spread = float(expected.logits.std())
    if not torch.allclose(found.logits, expected.logits, rtol=0, atol=_TOLERANCE * max(spread, 1e-6)):
        problem = "The graph that was made for onnxruntime does not give the model's logits."
        raise ModelError(problem, "Use the model in PyTorch: --backend torch.")
    if cut.head is not None or len(cut.layers) > 1:
        return trunk
    return replace(trunk, dummy_size=find_dummy_size(cut.model, cut.layers[0], images, expected))


def _session(file: Path) -> Session:
    """Open a graph; one that was damaged in the cache goes, to be made again the next time."""
    try:
        return Session(file)
    except WeakspotError:
        file.unlink(missing_ok=True)
        raise


def _noise(backend: TorchBackend) -> Tensor:
    """Two images that are the same every time."""
    frame = backend.frame
    shape = (2, len(frame.mean), frame.height, frame.width)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(backend.like)
