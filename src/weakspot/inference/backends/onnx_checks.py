"""Check that a graph is what its metadata say: names, types and shapes of inputs and outputs, and computed arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import ModelError
from weakspot.inference.backends.onnx_metadata import (
    CLASS_INDICES,
    CLASSES,
    EVIDENCE,
    FOREGROUND,
    HAS_NEGATIVE,
    IMAGES,
    LOGITS,
    MAPS,
    REFERENCE_MAPS,
    RENAMED_OUTPUTS,
    OnnxMetadata,
)
from weakspot.inference.backends.onnx_session import Session

_TYPES = {IMAGES: "tensor(uint8)", CLASSES: "tensor(int64)"}


def check_graph(session: Session, metadata: OnnxMetadata) -> None:
    """Raise ModelError (``metadata-invalid``) unless inputs and outputs of a graph fit its metadata."""
    frame, classes = metadata.info.preprocessing, len(metadata.info.class_names)
    required = {LOGITS, CLASS_INDICES, MAPS, HAS_NEGATIVE} | ({REFERENCE_MAPS} if metadata.reference_method else set())
    required |= {FOREGROUND} if metadata.has_foreground_head else set()
    outputs = {RENAMED_OUTPUTS.get(name, name): shape for name, shape in session.outputs.items()}
    missing = sorted(required - set(outputs))
    if missing:
        raise _mismatch(f"it has no output {missing[0]}")
    if session.types != _TYPES:
        raise _mismatch(f"its inputs must be {_TYPES}, got {session.types}")
    size = [frame.height, frame.width, len(frame.mean)]
    if len(session.inputs[IMAGES]) != 4 or not _fits(session.inputs[IMAGES][1:], size):
        raise _mismatch(f"its images must be of shape {size}, got {session.inputs[IMAGES][1:]}")
    if len(outputs[LOGITS]) != 2 or not _fits(outputs[LOGITS][1:], [classes]):
        raise _mismatch(f"it has {classes} class names for logits of shape {outputs[LOGITS]}")


def check_outputs(outputs: Mapping[str, NDArray[Any]], images: int, selected: int, classes: int) -> None:
    """Raise ModelError (``graph-failed``) unless computed outputs have the types and shapes that maps are made from.

    Args:
        outputs: The outputs by name.
        images: Number of images B.
        selected: Number of classes that were selected in each; a graph may return more.
        classes: Number of classes of the model.
    """
    returned = outputs[CLASS_INDICES].shape[1:] if CLASS_INDICES in outputs else ()
    selected = max(selected, *returned) if len(returned) == 1 else selected
    shapes: dict[str, tuple[int | None, ...]] = {
        LOGITS: (images, classes),
        CLASS_INDICES: (images, selected),
        HAS_NEGATIVE: (images,),
        **{name: (images, selected, None, None) for name in (MAPS, EVIDENCE, REFERENCE_MAPS) if name in outputs},
        **({FOREGROUND: (images, 1, None, None)} if FOREGROUND in outputs else {}),
    }
    kinds = {CLASS_INDICES: np.integer, HAS_NEGATIVE: np.bool_}
    for name, shape in shapes.items():
        array = outputs.get(name)
        kind = kinds.get(name, np.floating)
        if array is None or not np.issubdtype(array.dtype, kind) or not _matches(array.shape, shape):
            found = "nothing" if array is None else f"{array.dtype} of shape {array.shape}"
            raise ModelError("graph-failed", f"The graph must compute {name} of shape {shape}, got {found}.")
    chosen = outputs[CLASS_INDICES]
    if chosen.size and not (chosen.min() >= 0 and chosen.max() < classes):
        problem = f"The graph must select classes from 0 to {classes - 1}, got {chosen.min()} to {chosen.max()}."
        raise ModelError("graph-failed", problem)


def _fits(shape: list[int | str], expected: list[int]) -> bool:
    """Return whether the axes of a graph have these lengths; names stand for any length."""
    return len(shape) == len(expected) and all(
        not isinstance(length, int) or length == other for length, other in zip(shape, expected, strict=True)
    )


def _matches(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        length == other or (other is None and length > 0) for length, other in zip(shape, expected, strict=True)
    )


def _mismatch(reason: str) -> ModelError:
    return ModelError("metadata-invalid", f"The graph does not fit its metadata: {reason}.")
