"""Plain arrays: class map -> heatmap -> connected components -> boxes and masks."""

from weakspot.ops.boxes import box_from_heatmap, boxes_from_heatmap, scale_boxes
from weakspot.ops.components import Component, connected_components
from weakspot.ops.heatmaps import heatmap_from_class_map, normalise
from weakspot.ops.masks import mask_from_heatmap
from weakspot.ops.resizing import resize

__all__ = [
    "Component",
    "box_from_heatmap",
    "boxes_from_heatmap",
    "connected_components",
    "heatmap_from_class_map",
    "mask_from_heatmap",
    "normalise",
    "resize",
    "scale_boxes",
]
