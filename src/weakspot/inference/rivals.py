"""Evidence for a class does not count where a rival has more: another class that is about as probable."""

from collections.abc import Sequence
from dataclasses import replace
from math import log

import numpy as np
from numpy.typing import NDArray

from weakspot.inference.backends import Backend, ClassifierOutput, ClassSelection
from weakspot.inference.backends.base import Pixels
from weakspot.ops.evidence import uncontested

# Methods whose maps of different classes have a common unit, the logit, and cost little more for each class.
COMPARABLE = {"cam", "gradcam", "gradcam++", "layercam", "xgradcam", "hirescam"}
# At most this many rivals, with at least this share of the probability of the class.
_MAX_RIVALS, _MIN_SHARE = 3, 0.3


def run_with_rivals(
    backend: Backend, images: Sequence[Pixels], methods: Sequence[str], selection: ClassSelection
) -> list[ClassifierOutput]:
    """Compute the class maps of several methods with one forward pass, with evidence that no rival contests.

    If one class of an image is asked for, other objects in the image are in its map, too. The classifier knows of them:
    their classes are among the most probable ones. If several classes are asked for, they share the image instead.

    Args:
        backend: The classifier.
        images: Images of its input size.
        methods: Names of methods.
        selection: The classes; the most probable ones are alternatives, and have no rivals.

    Returns:
        An output for each method, with the maps of the selected classes only.
    """
    if selection.indices is None or not set(methods) <= COMPARABLE:
        return backend.run(images, methods, selection)
    outputs = backend.run(images, methods, replace(selection, rivals=_MAX_RIVALS))
    return [_without_rivals(output, selection.count) for output in outputs]


def _without_rivals(output: ClassifierOutput, count: int) -> ClassifierOutput:
    """Keep the first ``count`` classes; in images with one class among them, leave out the evidence of rivals."""
    rows = zip(output.evidence, output.classes, output.logits, strict=True)
    evidence = [_uncontested(*row, count) for row in rows]
    maps, classes = output.maps[:, :count], output.classes[:, :count]
    return replace(output, maps=maps, classes=classes, evidence=np.stack(evidence))


def _uncontested(
    evidence: NDArray[np.floating], classes: NDArray[np.integer], logits: NDArray[np.floating], count: int
) -> NDArray[np.floating]:
    """Return the evidence (count, h, w) of the first classes of an image."""
    index, asked = classes[0], evidence[:count]
    if (classes[:count] != index).any():
        return asked
    is_rival = (classes != index) & (logits[classes] >= logits[index] + log(_MIN_SHARE))
    return np.stack([uncontested(asked[0], evidence[is_rival])] * count)
