"""Rows of localizations: plain values for JSON, and back."""

from base64 import b64decode
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.ops.evidence import evidence_in_box

if TYPE_CHECKING:
    from weakspot.inference.localization import Localization


def to_row(localization: "Localization") -> dict[str, Any]:
    """Return a localization as plain values, without arrays of pixels; those of other classes are in ``others``."""
    row = {
        "image": str(localization.image) if isinstance(localization.image, str | Path) else None,
        "width": localization.width,
        "height": localization.height,
        "class_index": localization.class_index,
        "label": localization.label,
        "score": round(localization.score, 6),
        "method": localization.method,
        "threshold": localization.threshold,
        **({} if localization.uncertainty is None else {"uncertainty": round(localization.uncertainty, 4)}),
        "box": localization.box.round(2).tolist() if len(localization.boxes) else None,
        "boxes": localization.boxes.round(2).tolist(),
        "notes": list(localization.notes),
    }
    for name in ("box_evidence", "box_confidences", "logits"):
        values = getattr(localization, name)
        row |= {} if values is None else {name: values.astype(float).round(4).tolist()}
    if localization.min_area < 1:  # several boxes are possible
        row["box_scores"] = localization.box_scores.round(6).tolist()
    return row | ({"others": [other.to_dict() for other in localization.others]} if localization.others else {})


def fields_of(row: Mapping[str, Any]) -> tuple[dict[str, Any], NDArray[np.float64] | None]:
    """Return the fields of a localization that a row has, apart from ``others``, and its scores of boxes.

    Raises:
        KeyError, TypeError, ValueError, OSError: If a field is missing or invalid.
    """
    scores, png = row.get("box_scores"), row.get("heatmap_png")
    heatmap = None if png is None else _heatmap_from_png(png)
    uncertainty = row.get("uncertainty", row.get("doubt"))
    width, height, boxes = int(row["width"]), int(row["height"]), np.array(row["boxes"], float).reshape(-1, 4)
    fields = {
        "image": row["image"],
        "width": width,
        "height": height,
        "class_index": int(row["class_index"]),
        "label": str(row["label"]),
        "score": float(row["score"]),
        "method": str(row["method"]),
        "threshold": float(row["threshold"]),
        "heatmap": heatmap,
        "boxes": boxes,
        "min_area": 1.0 if scores is None else 0.0,
        "notes": tuple(row["notes"]),
        "box_evidence": _optional_array(row.get("box_evidence")),
        "box_confidences": _optional_array(row.get("box_confidences")),
        "logits": _optional_array(row.get("logits")),
        "uncertainty": None if uncertainty is None else float(uncertainty),
        "evidence": None
        if heatmap is None or not len(boxes)
        else evidence_in_box(boxes[0], (height, width), heatmap.shape),
    }
    return fields, _optional_array(scores)


def _optional_array(values: Any) -> NDArray[np.float64] | None:
    return None if values is None else np.array(values, float)


def _heatmap_from_png(png: str) -> NDArray[np.float32]:
    with Image.open(BytesIO(b64decode(png, validate=True)), formats=["PNG"]) as image:
        return np.asarray(image.convert("L"), np.float32) / np.float32(255)
