"""Take the small part of the oracle that the tests carry: ``python extract.py FOLDER [TARGET]``.

The folder holds ``oracle.npz`` and ``oracle.json``: synthetic score maps, and what the field's reference evaluator
(clovaai/wsolevaluation, run unmodified) says of them. ``small.npz`` and ``small.json`` are written beside this file.
"""

import json
import sys
from pathlib import Path

import numpy as np

NAMES = (  # each one is there for something that the others do not show
    "cam7_offset",  # smooth, one region
    "cam28_rand",  # hundreds of contours, deep nesting, ignored pixels
    "const0",  # no contour at all
    "single_pixel",
    "lines_zero_area",  # every polygon area is 0
    "diagonal",  # 8-connected only
    "checker",  # ties, holes as many as pixels
    "nested_rings",
    "ring_with_island",
    "thin_diamond_spike",  # one contour has the same area with and without its spike
    "two_equal_squares_tie",
    "two_equal_squares_tie_b",
    "two_equal_squares_two_gt",  # two true boxes
    "border_touch",
    "border_frame",
    "low_max_037",  # the peak is not 1
    "tiny_max_under_1_255",  # not zero, but without a contour
    "noise_binary",
    "noise_quant16",
    "exact_multiples_255",  # truncation decides
)
ARRAYS = tuple(f"max_iou_{regions}_itv{step}" for regions in ("largest", "multi") for step in ("0.001", "0.01"))
COUNTS = ("num_boxes_largest_itv0.001", "num_boxes_multi_itv0.001", "boxes_largest_itv0.001")
DRAWN = 12  # of the unit cases that are whole maps; of the others all are taken


def packed(maps):
    """Float32 maps (N, H, W) as bytes (N, 4, H, W) that compress well: second differences of their bits, byte by byte.

    Example:
        >>> packed(np.ones((1, 1, 2), np.float32)).tolist()
        [[[[0, 0]], [[0, 0]], [[128, 128]], [[63, 192]]]]
    """
    before = np.zeros((*maps.shape[:2], 2), "<u4")
    steps = np.diff(maps.astype("<f4").view("<u4"), n=2, prepend=before)
    return np.moveaxis(steps[..., None].view(np.uint8), -1, 1)


def unpacked(stored):
    """The inverse of :func:`packed`.

    Example:
        >>> maps = np.array([[[0.1, 3.0, 0.0, 1e-40]]], np.float32)
        >>> np.array_equal(unpacked(packed(maps)), maps)
        True
    """
    steps = np.ascontiguousarray(np.moveaxis(stored, 1, -1)).view("<u4")[..., 0]
    return steps.cumsum(2, "<u4").cumsum(2, "<u4").view("<f4")


def small_arrays(arrays, places):
    """What ``small.npz`` holds, of the open ``oracle.npz``."""
    chosen = {name: arrays[name][places] for name in (*ARRAYS, *COUNTS, "gt_mask224")}
    return {"scoremaps": packed(arrays["scoremaps"][places])} | chosen


def small_values(values, places):
    """What ``small.json`` holds, of ``oracle.json``."""
    kinds = ("PxAP_itv0.001", "PxAP_itv0.01")
    unit = values["unit"]
    return {
        "reference": values["reference"],
        "names": [values["names"][i] for i in places],
        "boxes_resized_224": [values["boxes_resized_224"][i] for i in places],
        "metrics": {kind: {"per_image": [values["metrics"][kind]["per_image"][i] for i in places]} for kind in kinds},
        "unit": unit | {"compute_bboxes": unit["compute_bboxes"][:DRAWN]},
    }


def extract(folder, target):
    values = json.loads((folder / "oracle.json").read_text(encoding="utf-8"))
    places = [values["names"].index(name) for name in NAMES]
    with np.load(folder / "oracle.npz") as arrays:
        np.savez_compressed(target / "small.npz", **small_arrays(arrays, places))
    text = json.dumps(small_values(values, places), separators=(",", ":"))
    (target / "small.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    extract(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent)
