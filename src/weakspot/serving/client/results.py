"""What a client gets from a service: a localization without the image."""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True, eq=False)
class RemoteLocalization:
    """Where one class is in one image, as a service says it.

    Attributes:
        image: Name of the file; None if the image came from none.
        width: Width of the image in pixels, upright.
        height: Height of the image in pixels, upright.
        class_index: Index of the class among the model's logits.
        label: Name of the class.
        score: Probability of the class, in [0, 1].
        method: Name of the method that made the class map.
        threshold: Fraction of the heatmap's peak at which boxes are cut.
        boxes: Shape (n, 4): xyxy in pixels of the upright image, right and bottom excluded, largest region first.
        box_scores: The score of each box, shape (n,); None where no more than one was asked for.
        notes: What a user should know about this result; usually empty.
        uncertainty: How much the box is in doubt, in [0, 1]; None where it was not asked for.
        others: The same image's other classes that were asked for, in that order.
        heatmap: Shape (h, w), float32 in [0, 1], in steps of 1/255, at the model's input size; None if not asked for.
    """

    image: str | None
    width: int
    height: int
    class_index: int
    label: str
    score: float
    method: str
    threshold: float
    boxes: NDArray[np.float64]
    box_scores: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()
    uncertainty: float | None = None
    others: "tuple[RemoteLocalization, ...]" = ()
    heatmap: NDArray[np.float32] | None = field(default=None, repr=False)

    def __iter__(self) -> "Iterator[RemoteLocalization]":
        """Go through all classes that were asked for, this one first."""
        yield self
        yield from self.others

    @property
    def box(self) -> NDArray[np.float64]:
        """The box ``[x1, y1, x2, y2]`` of the largest region; four zeros, which bound nothing, without one."""
        first: NDArray[np.float64] = self.boxes[0] if len(self.boxes) else np.zeros(4)
        return first

    def to_dict(self) -> dict[str, Any]:
        """Give everything but the heatmap as plain values, as ``Localization.to_dict`` does."""
        row = {
            "image": self.image,
            "width": self.width,
            "height": self.height,
            "class_index": self.class_index,
            "label": self.label,
            "score": self.score,
            "method": self.method,
            "threshold": self.threshold,
            **({} if self.uncertainty is None else {"uncertainty": self.uncertainty}),
            "box": self.box.tolist() if len(self.boxes) else None,
            "boxes": self.boxes.tolist(),
            "notes": list(self.notes),
        }
        if self.box_scores is not None:
            row["box_scores"] = self.box_scores.tolist()
        return row | ({"others": [other.to_dict() for other in self.others]} if self.others else {})


def from_dict(row: Mapping[str, Any]) -> RemoteLocalization:
    """Read a row of a service's answer.

    Raises:
        KeyError, TypeError, ValueError, OSError: If it is none.

    Example:
        >>> found = from_dict({"image": "cat.jpg", "width": 9, "height": 6, "class_index": 1, "label": "cat",
        ...     "score": 0.5, "method": "cam", "threshold": 0.2, "box": [1, 2, 8, 6], "boxes": [[1, 2, 8, 6]],
        ...     "notes": []})
        >>> found.label, found.box.tolist()
        ('cat', [1.0, 2.0, 8.0, 6.0])
    """
    scores, heatmap = row.get("box_scores"), row.get("heatmap_png")
    return RemoteLocalization(
        image=row["image"],
        width=int(row["width"]),
        height=int(row["height"]),
        class_index=int(row["class_index"]),
        label=str(row["label"]),
        score=float(row["score"]),
        method=str(row["method"]),
        threshold=float(row["threshold"]),
        boxes=np.array(row["boxes"], float).reshape(-1, 4),
        box_scores=None if scores is None else np.array(scores, float),
        notes=tuple(row["notes"]),
        uncertainty=row.get("uncertainty"),
        others=tuple(from_dict(other) for other in row.get("others") or ()),
        heatmap=None if heatmap is None else _heatmap(heatmap),
    )


def _heatmap(png: str) -> NDArray[np.float32]:
    with Image.open(BytesIO(b64decode(png, validate=True)), formats=["PNG"]) as image:
        return np.asarray(image.convert("L"), np.float32) / np.float32(255)
