"""Make the convolutions of a graph compute with 8-bit integers: static quantisation, calibrated on photos."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import ModelError
from weakspot.inference.backends.base import Pixels
from weakspot.inference.backends.onnx_metadata import CLASSES, IMAGES, OnnxMetadata

_BATCH = 8


def quantised(graph: bytes, photos: Sequence[Pixels], told: OnnxMetadata) -> bytes:
    """Quantise a graph: weights by channel, activations by the range that they have on photos.

    Only convolutions are: class maps and what spreads them are small, and exact.

    Args:
        graph: What an ONNX file holds.
        photos: Pixels of the size that it takes.
        told: What the new graph is to say of itself.

    Returns:
        What the new file holds.

    Raises:
        ModelError: If onnxruntime cannot quantise it.

    Source:
        Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
        CVPR 2018.
    """
    try:
        import onnx
        import onnxruntime.quantization  # noqa: F401
    except ImportError as error:
        raise ModelError("What quantises is not installed.", "Run: pip install 'weakspot[onnx]'") from error
    with TemporaryDirectory() as folder, _quiet():
        first, last = Path(folder, "floats.onnx"), Path(folder, "integers.onnx")
        first.write_bytes(graph)
        try:
            _quantise(first, last, photos)
        except Exception as error:  # what onnxruntime raises has no common root
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"The graph cannot be quantised: {reason}", "Export it without --int8.") from error
        proto = onnx.load(last)
    del proto.metadata_props[:]
    for key, value in told.to_metadata().items():
        proto.metadata_props.add(key=key, value=value)
    found: bytes = proto.SerializeToString()
    return found


def _quantise(first: Path, last: Path, photos: Sequence[Pixels]) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    folded = first.with_name("folded.onnx")
    quant_pre_process(first, folded, skip_symbolic_shape=True)
    quantize_static(
        folded,
        last,
        _Photos(photos),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        per_channel=True,
        reduce_range=True,  # else products overflow where the processor has no instruction for them
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )


class _Photos:
    """Photos in the way that onnxruntime asks for them."""

    def __init__(self, photos: Sequence[Pixels]) -> None:
        self._batches = iter([photos[start : start + _BATCH] for start in range(0, len(photos), _BATCH)])

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        """The next batch, or None behind the last."""
        batch = next(self._batches, None)
        if batch is None:
            return None
        return {IMAGES: np.stack(batch), CLASSES: np.full((len(batch), 1), -1)}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without its advice on how to prepare a graph, which was prepared."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
