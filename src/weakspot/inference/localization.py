"""The result of localizing one class in one image, in pixels of the image."""

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data import MAX_PIXELS, ImageSource, read_image
from weakspot.errors import InputError
from weakspot.inference.localization_rows import fields_of, to_row
from weakspot.io.atomic import save_image
from weakspot.ops import evidence_per_pixel, instances_from_heatmap, mask_from_heatmap, scale_boxes
from weakspot.ops.boxes import boxes_with_evidence
from weakspot.visualization import draw_localization

if TYPE_CHECKING:
    from supervision import Detections

NO_EVIDENCE = "the class map contains no positive evidence: the box is the whole image"
NO_CLAIM = "the other classes have more evidence everywhere: the box may be on one of their objects"
BELOW_MIN_SCORE = "all regions are below the minimum score: the result has no box"
NO_OBJECT = "the model predicts an image without an object: the result has no box"
IN_DOUBT = "an object is more probable than not, but less than this run requires for a box: look at the image"
OTHER_OBJECT = "the model predicts an object of another class: the result has no box"
SIGNED_ACTIVATIONS = "Grad-CAM++ is ill-conditioned on activations of both signs: use a layer after a ReLU"


@dataclass(frozen=True, eq=False)
class Localization:
    """The result for one class in one image.

    Attributes:
        image: Path, PIL image or array that was localized; None if a row does not name it.
        width: Width of the upright image in pixels.
        height: Height of the upright image in pixels.
        class_index: Index of the class among the model's logits.
        label: Name of the class.
        score: Probability of the class, in [0, 1]: softmax, or sigmoid for a multi-label model. Of a ``mil`` run it is
            the calibrated probability that the image holds an object times the class's share of it.
        method: Name of the method that computed the class map.
        threshold: Fraction of the heatmap's peak at which boxes and mask are cut.
        heatmap: Shape (h, w), float32 in [0, 1], at the model's input size, or of up to two megapixels in tiles; None
            if read from a row without a heatmap.
        boxes: Shape (n, 4): xyxy in pixels of the upright image, right and bottom excluded, default box first. The
            whole image if the heatmap is all zero. Empty (n = 0) if the class is the model's background class or is
            absent according to a multi-label model, or if no region reaches the minimum score.
        min_area: Minimum area of a region, as a fraction of the image, to have a box besides the default one.
        split: Whether regions with several peaks are separated by watershed.
        min_score: Minimum score of a box, see :attr:`box_scores`.
        notes: Notes on this result for the user; usually empty.
        others: Localizations of further classes in the same image, in the order of the request.
        by_evidence: Whether the default region is the one with the most evidence; else it is the largest one.
        evidence: Class map before propagation, shape (h', w'); its positive values are the evidence. None if read from
            a row without a heatmap.
        uncontested: The same where no rival has more evidence, see :mod:`weakspot.inference.rivals`: regions are
            chosen by it. None if the class shares the image with others.
        box_evidence: Share of the class's evidence that lies in the region of each box, shape (n,), in [0, 1]; None if
            unknown.
        box_confidences: Confidence in each box, shape (n,), in [0, 1]: the score of the class times the probability
            that the box is right if its class is. That is calibrated for a run that knew some boxes, if the uncertainty
            was requested; otherwise it is ``box_evidence``. None if unknown.
        uncertainty: Uncertainty of the box, in [0, 1], 1 the most uncertain; a rank for reviewing, not a probability.
            None if it was not requested, without a box, or if the boxes come from a box regressor (psol).
        logits: Logits of all classes, shape (N,), by which images are alike or not; with the uncertainty, of models of
            at most 100 classes, and not of ``others``. None otherwise.
    """

    image: ImageSource = field(repr=False)
    width: int
    height: int
    class_index: int
    label: str
    score: float
    method: str
    threshold: float
    heatmap: NDArray[np.float32] = field(repr=False)
    boxes: NDArray[np.float64]
    min_area: float = 1.0
    split: bool = False
    min_score: float = 0.0
    notes: tuple[str, ...] = ()
    others: "tuple[Localization, ...]" = ()
    uncertainty: float | None = None
    by_evidence: bool = True
    evidence: NDArray[np.floating] | None = field(default=None, repr=False)
    uncontested: NDArray[np.floating] | None = field(default=None, repr=False)
    box_evidence: NDArray[np.float64] | None = None
    box_confidences: NDArray[np.float64] | None = None
    logits: NDArray[np.floating] | None = field(default=None, repr=False)

    def __iter__(self) -> "Iterator[Localization]":
        """Iterate over the localizations of all requested classes, starting with this one."""
        yield self
        yield from self.others

    @property
    def box(self) -> NDArray[np.float64]:
        """The first box, ``[x1, y1, x2, y2]``; four zeros if there is none."""
        first: NDArray[np.float64] = self.boxes[0] if len(self.boxes) else np.zeros(4)
        return first

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """The regions inside the boxes, shape (height, width).

        Raises:
            InputError: ``missing-heatmap`` if the localization was read from a row without a heatmap.
        """
        if not len(self.boxes):
            return np.zeros((self.height, self.width), bool)
        heatmap, regions = self._heatmap(), self._region_options()
        return mask_from_heatmap(heatmap, self.threshold, height=self.height, width=self.width, **regions)

    @cached_property
    def box_scores(self) -> NDArray[np.float64]:
        """Score of each box, shape (n,), in [0, 1]: the score of the class times the mean heatmap value in its region.

        The mean is relative to the heatmap's peak: it compares the regions of one image; images are compared by the
        score of the class only. 0 if the heatmap is all zero. None if the localization was read from a row without
        box scores.
        """
        if not len(self.boxes):
            return np.zeros(0)
        _, mean_activations = instances_from_heatmap(self._heatmap(), self.threshold, **self._region_options())
        return self.score * mean_activations

    def plot(self) -> Image.Image:
        """Draw the heatmap, the boxes and the label over the image.

        Raises:
            InputError: ``missing-heatmap`` without a heatmap, or if the image cannot be read again from its path.
        """
        heatmap = self._heatmap()
        # The image was accepted once, so the limit does not apply again.
        image = read_image(self.image, max_pixels=max(MAX_PIXELS, self.width * self.height))
        return draw_localization(image, heatmap, self.boxes, f"{self.label} {self.score:.2f}")

    def save(self, path: str | Path) -> None:
        """Write :meth:`plot` to a file atomically."""
        save_image(self.plot(), Path(path))

    def to_dict(self) -> dict[str, Any]:
        """Return everything except arrays of pixels as plain values: paths as strings, boxes rounded to 0.01 pixels."""
        return to_row(self)

    def to_json(self) -> str:
        """Return :meth:`to_dict` as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "Localization":
        """Read a row of :meth:`to_dict`, of a results file or of the service.

        The heatmap is None unless the row has one (``heatmap_png``: base64 PNG in steps of 1/255). ``min_area``,
        ``split`` and ``min_score`` are not part of a row, so the mask of a row with several boxes is approximate.

        Args:
            row: The row; ``uncertainty`` may be called ``doubt``, its name before version 0.2.

        Raises:
            KeyError, TypeError, ValueError, OSError: If a field is missing or invalid.

        Example:
            >>> localization = Localization.from_dict({"image": "cat.jpg", "width": 9, "height": 6, "class_index": 1,
            ...     "label": "cat", "score": 0.5, "method": "cam", "threshold": 0.2, "box": [1, 2, 8, 6],
            ...     "boxes": [[1, 2, 8, 6]], "notes": []})
            >>> localization.label, localization.box.tolist(), localization.heatmap is None
            ('cat', [1.0, 2.0, 8.0, 6.0], True)
        """
        fields, box_scores = fields_of(row)
        fields["others"] = tuple(cls.from_dict(other) for other in row.get("others") or ())
        localization = cls(**fields)
        # The cached property has its value already.
        vars(localization)["box_scores"] = box_scores
        return localization

    def to_detections(self) -> "Detections":
        """Return the boxes of all requested classes as ``supervision.Detections``, with :attr:`box_confidences`.

        Raises:
            InputError: ``not-installed`` without supervision.
        """
        try:
            with warnings.catch_warnings():  # supervision warns if OpenCV is missing, which boxes do not need
                warnings.simplefilter("ignore", UserWarning)
                from supervision import Detections
        except ImportError as error:
            problem = "to_detections needs supervision, which is not installed."
            raise InputError("not-installed", problem, "Run: pip install 'weakspot[supervision]'") from error

        boxes = [
            (item, box, item.score if item.box_confidences is None else item.box_confidences[i])
            for item in self
            for i, box in enumerate(item.boxes)
        ]
        return Detections(
            xyxy=np.array([box for _, box, _ in boxes]).reshape(-1, 4),
            confidence=np.array([confidence for *_, confidence in boxes], float),
            class_id=np.array([item.class_index for item, *_ in boxes], int),
            data={"class_name": np.array([item.label for item, *_ in boxes], str)},
        )

    def with_threshold(self, threshold: float, *, min_area: float | None = None) -> "Localization":
        """Return this result at another threshold, as a localizer with that threshold gives it.

        Args:
            threshold: Fraction of the heatmap's peak, in (0, 1].
            min_area: Minimum area of a region besides the default one, as a fraction of the image; None keeps it.

        Raises:
            InputError: ``missing-heatmap`` without a heatmap, ``out-of-range`` for the threshold or the area.
        """
        changed = replace(
            self,
            threshold=threshold,
            min_area=self.min_area if min_area is None else min_area,
            uncertainty=self.uncertainty if threshold == self.threshold else None,
        )
        if not {NO_OBJECT, OTHER_OBJECT}.isdisjoint(self.notes):
            return changed
        heatmap, evidence = self._heatmap(), self._evidence_per_pixel()
        boxes, shares = boxes_with_evidence(
            heatmap,
            threshold,
            np.zeros(heatmap.shape) if evidence is None else evidence,
            by_evidence=self.by_evidence,
            min_area=changed.min_area,
            split=self.split,
            min_activation=min_activation(self.score, self.min_score),
        )
        notes = tuple(note for note in self.notes if note != BELOW_MIN_SCORE)
        return replace(
            changed,
            boxes=scale_boxes(boxes, from_size=heatmap.shape, to_size=(self.height, self.width)),
            box_evidence=None if evidence is None else shares,
            box_confidences=None if evidence is None else self.score * shares,
            notes=notes if len(boxes) else (BELOW_MIN_SCORE, *notes),
        )

    def _region_options(self) -> dict[str, Any]:
        """Return the options of :func:`weakspot.ops.boxes_from_heatmap` that gave the boxes."""
        return {
            "min_area": self.min_area,
            "split": self.split,
            "min_activation": min_activation(self.score, self.min_score),
            "evidence": self._evidence_per_pixel() if self.by_evidence else None,
        }

    def _evidence_per_pixel(self) -> NDArray[np.int32] | None:
        height, width = self._heatmap().shape
        evidence = self.evidence if self.uncontested is None else self.uncontested
        return None if evidence is None else evidence_per_pixel(evidence, height=height, width=width)

    def _heatmap(self) -> NDArray[np.float32]:
        if self.heatmap is None:
            raise InputError("missing-heatmap", f"The localization of {self.label!r} has no heatmap.")
        return self.heatmap


def min_activation(score: float, min_score: float) -> float:
    """Return the minimum mean heatmap value of a region for its box to reach a minimum score.

    Example:
        >>> min_activation(0.8, 0.4), min_activation(0.0, 0.0), min_activation(0.0, 0.4)
        (0.5, 0.0, inf)
    """
    if min_score <= 0:
        return 0.0
    return min_score / score if score > 0 else float("inf")
