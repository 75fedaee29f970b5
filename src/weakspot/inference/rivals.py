"""Evidence for a class does not count where a rival has more: another class that is about as probable."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from weakspot.inference.backends import Backend, ClassifierOutput, ClassSelection
from weakspot.inference.backends.base import Pixels
from weakspot.inference.probabilities import PRESENT, probabilities
from weakspot.models.model_info import ModelInfo
from weakspot.ops.evidence import uncontested

# Methods whose maps of different classes have a common unit, the logit, and cost little more for each class.
COMPARABLE = {"cam", "gradcam", "gradcam++", "layercam", "xgradcam", "hirescam"}
# At most this many rivals, with at least this share of the probability of the class.
MAX_RIVALS, _MIN_SHARE = 3, 0.3


def run_with_rivals(
    backend: Backend,
    images: Sequence[Pixels],
    methods: Sequence[str],
    selection: ClassSelection,
    info: ModelInfo,
) -> list[ClassifierOutput]:
    """Compute the class maps of several methods with one forward pass, with evidence that no rival contests.

    Other objects in the image are in the map of a class, too. The classifier knows of them: their classes are among the
    most probable ones. The evidence of a class is the same, whether it was asked for or is one of the most probable.

    Args:
        backend: The classifier.
        images: Images of its input size.
        methods: Names of methods; rivals are looked for with those in :data:`COMPARABLE`.
        selection: The classes.
        info: Of the classifier. Its background class is not a rival; of a multi-label model, classes that it finds are.

    Returns:
        An output for each method, with the maps of the selected classes only, and the peaks by which it can be decided
        whether an image holds an object.
    """
    if not backend.has_evidence or not COMPARABLE & set(methods):
        return backend.run(images, methods, selection)
    if selection.indices is None:
        with_rivals = replace(selection, top_k=selection.top_k + MAX_RIVALS)
    else:
        with_rivals = replace(selection, rivals=MAX_RIVALS)
    outputs = backend.run(images, methods, with_rivals)
    return [
        without_rivals(output, selection, info, is_comparable=name in COMPARABLE)
        for name, output in zip(methods, outputs, strict=True)
    ]


def without_rivals(
    output: ClassifierOutput, selection: ClassSelection, info: ModelInfo, *, is_comparable: bool = True
) -> ClassifierOutput:
    """Keep the maps of the selected classes, and compute their evidence that no rival contests."""
    count = _selected_count(output, selection)
    maps, classes, evidence = output.maps[:, :count], output.classes[:, :count], output.evidence[:, :count]
    found, peaks = None, None
    if is_comparable:
        rows = list(zip(output.evidence, output.classes, output.logits, strict=True))
        found = np.stack([_uncontested(*row, count, info) for row in rows])
        peaks = (
            None if info.background_index is None else np.array([_peak(*row, info.background_index) for row in rows])
        )
    return replace(output, maps=maps, classes=classes, evidence=evidence, uncontested=found, peaks=peaks)


def _peak(
    evidence: NDArray[np.floating], classes: NDArray[np.integer], logits: NDArray[np.floating], background: int
) -> float:
    """Return the maximum of the evidence (C, h, w) of the two most probable object classes of an image.

    They do not depend on the selection: the most probable rivals come after those.
    """
    distinct, first = np.unique(classes, return_index=True)
    objects = first[distinct != background]
    best = objects[np.argsort(-logits[classes[objects]], kind="stable")][:2]
    return float(evidence[best].max())


def _selected_count(output: ClassifierOutput, selection: ClassSelection) -> int:
    """Return how many classes of an output were selected, as a backend counts them without rivals."""
    if selection.indices is not None:
        return selection.count
    positive = int((output.logits > 0).sum(axis=1).max()) if selection.include_positive else 0
    return min(max(selection.top_k, positive), int(output.logits.shape[1]))


def _uncontested(
    evidence: NDArray[np.floating],
    classes: NDArray[np.integer],
    logits: NDArray[np.floating],
    count: int,
    info: ModelInfo,
) -> NDArray[np.floating]:
    """Return the evidence (count, h, w) of the first classes of an image where none of its rivals has more."""
    probability = probabilities(logits, multi_label=info.multi_label)[classes]
    is_object = classes != (-1 if info.background_index is None else info.background_index)
    required = np.full(count, PRESENT) if info.multi_label else _MIN_SHARE * probability[:count]
    rivals = [is_object & (classes != classes[i]) & (probability >= required[i]) for i in range(count)]
    return np.stack([uncontested(evidence[i], evidence[rivals[i]]) for i in range(count)])
