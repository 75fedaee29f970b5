"""Export a classifier's forward pass for ONNX Runtime once, and cache the graph in the user's cache folder."""

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
from weakspot.models import SplitClassifier

# Maximum difference between the logits of the graph and PyTorch's, as a fraction of their standard deviation.
_TOLERANCE = 1e-3
_FOLDER, _BACKEND = "WEAKSPOT_CACHE", "WEAKSPOT_BACKEND"
_log = logging.getLogger("weakspot")


def can_compile(backend: TorchBackend) -> bool:
    """Return whether a classifier is in float32 on the CPU, and the packages for ONNX are installed."""
    installed = all(find_spec(name) for name in ("onnx", "onnxruntime", "onnxscript"))
    return installed and backend.device.type == "cpu" and backend.dtype == torch.float32


def select_backend(backend: TorchBackend, name: str, *, weights_frozen: bool) -> tuple[TorchBackend, bool]:
    """Run a classifier's forward pass in ONNX Runtime if that is requested or costs nothing.

    ``"auto"`` is the value of ``$WEAKSPOT_BACKEND``, else ONNX Runtime if the weights never change and the graph is in
    the cache, or later, when there were enough images for an export to save time. Returns the classifier, and whether
    it may be exported later; ModelError ``backend-unavailable`` if ONNX Runtime is requested and cannot run it.
    """
    requested = os.environ.get(_BACKEND, name) if name == "auto" else name
    if requested == "torch" or not can_compile(backend):
        if name == "onnx":
            problem = "ONNX Runtime must be installed and the model must be in float32 on the CPU for --backend onnx."
            hint = "Run: pip install 'weakspot[onnx]', use --device cpu, or use --backend torch."
            raise ModelError("backend-unavailable", problem, hint)
        return backend, False
    if requested == "onnx":
        return compile_onnx(backend, export=True), False
    if not weights_frozen:
        return backend, False
    try:
        compiled = compile_onnx(backend, export=False)
    except WeakspotError as error:  # ONNX Runtime was not requested
        _log.warning("the model stays in PyTorch: %s", error.problem)
        return backend, False
    return compiled, compiled is backend


def compile_onnx(backend: TorchBackend, *, export: bool) -> TorchBackend:
    """Run a classifier's forward pass in ONNX Runtime; its head and class maps stay in PyTorch.

    The name of the cached graph is a hash of the weights, the architecture and the target layers. Processes that need
    the same graph wait for the first one to export it. Without ``export``, a classifier whose graph is not in the cache
    is returned as it is. Raises ModelError ``graph-mismatch`` if the graph's logits differ from PyTorch's.
    """
    classifier, images = backend.classifier, _noise(backend)
    file = cache_folder() / f"{content_hash(classifier, images)}.onnx"
    if not file.is_file():
        if not export:
            return backend
        _log.info("exporting the model for onnxruntime, once: this takes some seconds")
        with _locked(file):
            if not file.is_file():
                graph = _export(classifier, images)
                with atomic_write(file) as target:
                    target.write(graph)
    return replace(backend, classifier=replace(classifier, accelerated=_load_forward(classifier, images, file)))


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Lock a file of the cache against other processes."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file.with_suffix(".lock"))
        lock.acquire()
    except OSError as error:
        problem = f"Cannot write to the cache folder {file.parent}: {error.strerror or error}."
        hint = f"Set {_FOLDER} to another folder, or use --backend torch."
        raise InputError("not-writable", problem, hint) from error
    try:
        yield
    finally:
        lock.release()


def cache_folder() -> Path:
    """Return the folder of cached graphs: in ``$WEAKSPOT_CACHE``, else in the user's cache folder."""
    folder = os.environ.get(_FOLDER)
    return (Path(folder) if folder else user_cache_path("weakspot")) / "graphs"


def content_hash(classifier: SplitClassifier, images: Tensor) -> str:
    """Hash everything that a graph depends on: versions, architecture, weights, target layers and input size."""
    model = classifier.model
    settings = (
        __version__,
        torch.__version__,
        repr(model),
        classifier.layers,
        classifier.intermediates,
        tuple(images.shape[1:]),
    )
    digest = hashlib.sha256(repr(settings).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().cpu().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:32]


class _Forward(nn.Module):
    """From normalized images to the logits, the outputs of the target layers and the intermediate features."""

    def __init__(self, classifier: SplitClassifier) -> None:
        super().__init__()
        self.model = classifier.model
        self._classifier = classifier

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run the classifier on images (B, channels, H, W)."""
        result = self._classifier.run_in_torch(images)
        return (result.logits, *result.outputs, *result.intermediates)


def _export(classifier: SplitClassifier, images: Tensor) -> bytes:
    outputs: Sequence[str] = ["logits", *(f"layer{i}" for i, _ in enumerate(classifier.layers))]
    outputs = [*outputs, *(f"intermediate{i}" for i, _ in enumerate(classifier.intermediates))]
    return to_onnx(_Forward(classifier), {IMAGES: images}, outputs, dynamic={IMAGES: {0: "batch"}}, metadata={})


def _load_forward(classifier: SplitClassifier, images: Tensor, file: Path) -> OnnxForward:
    model, layers = classifier.model, classifier.layers
    expected = classifier.run_in_torch(images)
    size = (images.shape[2], images.shape[3])
    forward = OnnxForward(_load_session(file), layers, expected.layouts, expected.calls, size)
    tolerance = _TOLERANCE * max(float(expected.logits.std()), 1e-6)
    if not torch.allclose(forward.run(images).logits, expected.logits, rtol=0, atol=tolerance):
        problem = f"The logits of the graph for ONNX Runtime differ from PyTorch's by more than {tolerance:.2g}."
        raise ModelError("graph-mismatch", problem, "Use --backend torch.")
    if classifier.head is not None or len(layers) > 1:
        return forward
    return replace(forward, dummy_size=find_dummy_size(model, layers[0], images, expected))


def _load_session(file: Path) -> Session:
    """Load a graph; a damaged file is removed from the cache, so that the next call exports it again."""
    try:
        return Session(file)
    except WeakspotError:
        file.unlink(missing_ok=True)
        raise


def _noise(backend: TorchBackend) -> Tensor:
    """Return two images of noise, the same every time."""
    preprocessing = backend.preprocessing
    shape = (2, len(preprocessing.mean), preprocessing.height, preprocessing.width)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(backend.device, backend.dtype)
