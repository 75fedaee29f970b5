"""Compare a graph with PyTorch: logits and class maps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import ModelError
from weakspot.inference.backends import Backend, ClassifierOutput, ClassSelection
from weakspot.inference.backends.base import Pixels

# Maximum difference between float32 kernels, as a fraction of the range of the logits or of a map.
TOLERANCE = 1e-3
_BATCH = 8


@dataclass(frozen=True)
class Difference:
    """Maximum differences of a logit and of a class map, as fractions of their range in the image.

    ``agreement`` is the fraction of images with the same most probable class.
    """

    images: int
    logits: float
    maps: float
    agreement: float


def compare_backends(reference: Backend, other: Backend, images: Sequence[Pixels], method: str) -> Difference:
    """Compare two backends: logits, and the maps of the classes that are the most probable in the reference."""
    logits, maps, same_class = [], [], []
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        (expected,) = reference.run(batch, [method], ClassSelection())
        (output,) = other.run(batch, [method], ClassSelection(expected.classes))
        logits.append(_relative_difference(output.logits, expected.logits))
        maps.append(_relative_difference(output.maps[:, 0], expected.maps[:, 0]))
        same_class.append(_most_probable(output) == _most_probable(expected))
    max_logits, max_maps = (float(np.concatenate(values).max()) for values in (logits, maps))
    return Difference(len(images), max_logits, max_maps, float(np.concatenate(same_class).mean()))


def check_parity(difference: Difference, tolerance: float = TOLERANCE) -> None:
    """Raise ModelError ``graph-mismatch`` if logits or maps differ from PyTorch's by more than the tolerance."""
    if not max(difference.logits, difference.maps) <= tolerance:
        raise ModelError(
            "graph-mismatch",
            f"The graph must agree with PyTorch to {tolerance:.2g} of the range, got {difference.logits:.2g} for logits"
            f" and {difference.maps:.2g} for maps.",
            "Use the model in PyTorch (--backend torch), and report this with the model's name.",
        )


def _most_probable(output: ClassifierOutput) -> NDArray[np.integer]:
    classes: NDArray[np.integer] = output.logits.argmax(axis=1)
    return classes


def _relative_difference(values: NDArray[np.floating], expected: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the maximum difference of each item, as a fraction of its expected range: shape (B,)."""
    values, expected = (array.reshape(len(array), -1).astype(np.float64) for array in (values, expected))
    span = np.ptp(expected, axis=1)
    difference: NDArray[np.float64] = np.abs(values - expected).max(axis=1) / np.where(span > 0, span, 1.0)
    return difference
