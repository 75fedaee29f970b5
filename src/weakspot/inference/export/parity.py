"""Does a graph see in photos what PyTorch does?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import ModelError
from weakspot.inference.backends import Asked, Backend, ClassifierOutput
from weakspot.inference.backends.base import Pixels

# So far may float32 go on other kernels: of the logits' spread, and of a map's range.
TOLERANCE = 1e-3
_BATCH = 8


@dataclass(frozen=True)
class Difference:
    """How far a graph is from PyTorch over some photos.

    Attributes:
        photos: Number of photos.
        logits: The greatest difference of a logit, as a share of the spread of the photo's logits.
        maps: The greatest difference in a class map, as a share of its range.
        agree: Share of the photos whose most probable class is the same.
    """

    photos: int
    logits: float
    maps: float
    agree: float


def difference(one: Backend, other: Backend, photos: Sequence[Pixels], method: str) -> Difference:
    """Compare what two backends see in photos: logits, and the maps of what the one takes for most probable.

    Args:
        one: The reference.
        other: Another with the same frame.
        photos: Pixels of the size in their frame.
        method: Name of the method.
    """
    logits, maps, same = [], [], []
    for start in range(0, len(photos), _BATCH):
        some = photos[start : start + _BATCH]
        (expected,) = one.run(some, [method], Asked())
        (found,) = other.run(some, [method], Asked(expected.classes))
        logits.append(_relative(found.logits, expected.logits))
        maps.append(_relative(found.maps[:, 0], expected.maps[:, 0]))
        same.append(_first(found) == _first(expected))
    worst_logit, worst_place = (float(np.concatenate(parts).max()) for parts in (logits, maps))
    return Difference(len(photos), worst_logit, worst_place, float(np.concatenate(same).mean()))


def refuse_different(found: Difference, tolerance: float = TOLERANCE) -> None:
    """Refuse a graph that is not the model.

    Raises:
        ModelError: If logits or maps differ by more than the tolerance.
    """
    if not max(found.logits, found.maps) <= tolerance:
        raise ModelError(
            f"The graph is not the model: logits differ by {found.logits:.2g} of their spread, maps by {found.maps:.2g}"
            f" of their range; at most {tolerance:.2g} is allowed.",
            "Use the model in PyTorch (--backend torch), and report this with the model's name.",
        )


def _first(seen: ClassifierOutput) -> NDArray[np.integer]:
    best: NDArray[np.integer] = seen.logits.argmax(axis=1)
    return best


def _relative(found: NDArray[np.floating], expected: NDArray[np.floating]) -> NDArray[np.float64]:
    """The greatest difference of each item, as a share of its range: shape (B,)."""
    one, two = (values.reshape(len(values), -1).astype(np.float64) for values in (found, expected))
    span = np.ptp(two, axis=1)
    worst: NDArray[np.float64] = np.abs(one - two).max(axis=1) / np.where(span > 0, span, 1.0)
    return worst
