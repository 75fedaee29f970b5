"""Operations on numpy arrays: class map, heatmap, connected components, boxes and masks."""

from weakspot.ops.boxes import box_from_heatmap, boxes_from_heatmap, instances_from_heatmap, scale_boxes
from weakspot.ops.component_trees import ComponentTree, component_tree
from weakspot.ops.components import Component, connected_components
from weakspot.ops.contours import Contours, reference_contours
from weakspot.ops.evidence import evidence_per_pixel
from weakspot.ops.heatmaps import heatmap_from_class_map, normalize
from weakspot.ops.masks import mask_from_heatmap
from weakspot.ops.nms import nms
from weakspot.ops.resizing import resize
from weakspot.ops.watershed import split_instances

__all__ = [
    "Component",
    "ComponentTree",
    "Contours",
    "box_from_heatmap",
    "boxes_from_heatmap",
    "component_tree",
    "connected_components",
    "evidence_per_pixel",
    "heatmap_from_class_map",
    "instances_from_heatmap",
    "mask_from_heatmap",
    "nms",
    "normalize",
    "reference_contours",
    "resize",
    "scale_boxes",
    "split_instances",
]
