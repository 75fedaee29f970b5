"""The result of localizing: where a class is in an image, in the image's own pixels."""

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data import MAX_PIXELS, ImageSource, read_image
from weakspot.io.atomic import save_image
from weakspot.ops import instances_from_heatmap, mask_from_heatmap
from weakspot.visualization import draw_localization

if TYPE_CHECKING:
    from supervision import Detections

NO_EVIDENCE = "nothing in the class map speaks for this class: the box is the whole image"
TOO_FAINT = "no region reaches the minimum score: there is no box"
NO_OBJECT = "the model sees no object here: there is no box"
SIGNED_ACTIVATIONS = "Grad-CAM++ on activations of both signs is ill-conditioned: take a layer behind a ReLU"


@dataclass(frozen=True, eq=False)
class Localization:
    """Where one class is in one image.

    Attributes:
        image: The path, PIL image or array that was localized.
        width: Width of the image in pixels, upright.
        height: Height of the image in pixels, upright.
        class_index: Index of the class among the model's logits.
        label: Name of the class.
        score: Probability of the class, in [0, 1]: softmax, or sigmoid of a model that was trained for several labels.
        method: Name of the method that made the class map.
        threshold: Fraction of the heatmap's peak at which boxes and mask are cut.
        heatmap: Shape (h, w), float32 in [0, 1], at the model's input size.
        boxes: Shape (n, 4): xyxy in pixels of the upright image, right and bottom excluded, largest region first. The
            whole image when the heatmap is all zero. None (n = 0) when the model was trained to know images
            without an object, and takes this for one, or when no region reaches the minimum score.
        min_area: Least area of a region, as a fraction of the image's, to have a box beside the largest's.
        split: Whether regions with several peaks are split between them.
        min_score: Least score of a box, see :attr:`box_scores`.
        notes: What a user should know about this result; usually empty.
        others: The same image's other classes that were asked for, in that order.
        doubt: How much the box is in doubt, in [0, 1], 1 the most; a rank to look by, no probability. None where it was
            not asked for, there is no box, or a network has drawn it.
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
    doubt: float | None = None

    def __iter__(self) -> "Iterator[Localization]":
        """Go through all classes that were asked for, this one first."""
        yield self
        yield from self.others

    @property
    def box(self) -> NDArray[np.float64]:
        """The box ``[x1, y1, x2, y2]`` of the largest region; four zeros, which bound nothing, without one."""
        first: NDArray[np.float64] = self.boxes[0] if len(self.boxes) else np.zeros(4)
        return first

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """The regions that the boxes bound, shape (height, width)."""
        if not len(self.boxes):
            return np.zeros((self.height, self.width), bool)
        return mask_from_heatmap(
            self.heatmap,
            self.threshold,
            height=self.height,
            width=self.width,
            min_area=self.min_area,
            split=self.split,
            min_activation=least_heat(self.score, self.min_score),
        )

    @cached_property
    def box_scores(self) -> NDArray[np.float64]:
        """The score of each box, shape (n,), in [0, 1]: that of the class times the mean of the heatmap in its region.

        The mean is a fraction of the peak: it compares the regions of one image, and images with one another only by
        the class's score. 0 where the heatmap is all zero.
        """
        if not len(self.boxes):
            return np.zeros(0)
        _, heats = instances_from_heatmap(
            self.heatmap,
            self.threshold,
            min_area=self.min_area,
            split=self.split,
            min_activation=least_heat(self.score, self.min_score),
        )
        return self.score * heats

    def plot(self) -> Image.Image:
        """Draw the heatmap, the boxes and the label over the image.

        Raises:
            InputError: If the image was given as a path and cannot be read any more.
        """
        # The image was accepted once, whatever the limit was.
        photo = read_image(self.image, max_pixels=max(MAX_PIXELS, self.width * self.height))
        return draw_localization(photo, self.heatmap, self.boxes, f"{self.label} {self.score:.2f}")

    def save(self, path: str | Path) -> None:
        """Write :meth:`plot` to a file, by way of a temporary name."""
        save_image(self.plot(), Path(path))

    def to_dict(self) -> dict[str, Any]:
        """Give everything but the pixels as plain values: paths as text, boxes in pixels to a hundredth."""
        row = {
            "image": str(self.image) if isinstance(self.image, str | Path) else None,
            "width": self.width,
            "height": self.height,
            "class_index": self.class_index,
            "label": self.label,
            "score": round(self.score, 6),
            "method": self.method,
            "threshold": self.threshold,
            **({} if self.doubt is None else {"doubt": round(self.doubt, 4)}),
            "box": self.box.round(2).tolist() if len(self.boxes) else None,
            "boxes": self.boxes.round(2).tolist(),
            "notes": list(self.notes),
        }
        if self.min_area < 1:  # where there may be several
            row["box_scores"] = self.box_scores.round(6).tolist()
        return row | ({"others": [other.to_dict() for other in self.others]} if self.others else {})

    def to_json(self) -> str:
        """Give :meth:`to_dict` as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def to_detections(self) -> "Detections":
        """Give the boxes of all classes that were asked for as ``supervision.Detections``."""
        with warnings.catch_warnings():  # supervision would like OpenCV, which holding boxes has no use for
            warnings.simplefilter("ignore", UserWarning)
            from supervision import Detections

        found = [(one, box) for one in self for box in one.boxes]
        return Detections(
            xyxy=np.array([box for _, box in found]).reshape(-1, 4),
            confidence=np.array([one.score for one, _ in found], float),
            class_id=np.array([one.class_index for one, _ in found], int),
            data={"class_name": np.array([one.label for one, _ in found], str)},
        )


def least_heat(score: float, min_score: float) -> float:
    """The heat that a region needs so that its score, the class's times its heat, is the least that is wanted.

    Example:
        >>> least_heat(0.8, 0.4), least_heat(0.0, 0.0), least_heat(0.0, 0.4)
        (0.5, 0.0, inf)
    """
    if min_score <= 0:
        return 0.0
    return min_score / score if score > 0 else float("inf")
