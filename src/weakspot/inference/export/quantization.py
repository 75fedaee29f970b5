"""Static quantization of the convolutions of a graph to 8-bit integers, calibrated on images."""

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


def quantize(graph: bytes, images: Sequence[Pixels], metadata: OnnxMetadata) -> bytes:
    """Quantize the convolutions of a graph: weights per channel, activations by their range on images.

    Class maps and their propagation stay in float32: they cost little and need the precision.

    Source:
        Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
        CVPR 2018.
    """
    try:
        import onnx
        import onnxruntime.quantization  # noqa: F401
    except ImportError as error:
        problem = "Quantization needs onnx and onnxruntime, which are not installed."
        raise ModelError("not-installed", problem, "Run: pip install 'weakspot[onnx]'") from error
    with TemporaryDirectory() as folder, _quiet():
        float_file, int8_file = Path(folder, "floats.onnx"), Path(folder, "integers.onnx")
        float_file.write_bytes(graph)
        try:
            _quantize(float_file, int8_file, images)
        except Exception as error:  # the exceptions of onnxruntime have no common base class
            reason = " ".join(str(error).split())[:200]
            problem = f"Cannot quantize the graph: {reason}"
            raise ModelError("quantization-failed", problem, "Export it without --int8.") from error
        proto = onnx.load(int8_file)
    del proto.metadata_props[:]
    for key, value in metadata.to_metadata().items():
        proto.metadata_props.add(key=key, value=value)
    serialized: bytes = proto.SerializeToString()
    return serialized


def _quantize(float_file: Path, int8_file: Path, images: Sequence[Pixels]) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    folded = float_file.with_name("folded.onnx")
    quant_pre_process(float_file, folded, skip_symbolic_shape=True)
    quantize_static(
        folded,
        int8_file,
        _CalibrationImages(images),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        per_channel=True,
        reduce_range=True,  # products overflow on processors without 8-bit dot product instructions
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )


class _CalibrationImages:
    """Images as a calibration data reader of onnxruntime."""

    def __init__(self, images: Sequence[Pixels]) -> None:
        self._batches = iter([images[start : start + _BATCH] for start in range(0, len(images), _BATCH)])

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        """Return the next batch, or None after the last."""
        batch = next(self._batches, None)
        if batch is None:
            return None
        return {IMAGES: np.stack(batch), CLASSES: np.full((len(batch), 1), -1)}


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the advice to preprocess the graph, which it was."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
