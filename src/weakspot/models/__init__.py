"""Classifiers: building them, cutting them at a feature map, and reading class maps out of them."""

from weakspot.config import DEFAULT_MODEL, PRETRAINED
from weakspot.models.class_maps import ClassMaps, class_maps, class_maps_of_methods, foreground_targets, read_maps
from weakspot.models.classifiers import Classifier, check_model_name, load_classifier, resolve_classifier
from weakspot.models.devices import find_device
from weakspot.models.foreground_head import ForegroundHead, fit_foreground, from_state_dict
from weakspot.models.gap_head import GapLinearHead, find_gap_head
from weakspot.models.guided_backprop import guided_gradients
from weakspot.models.hooked_forward import ForwardPass, TargetLayer, forward_head, forward_with_hooks
from weakspot.models.imagenet import imagenet_names
from weakspot.models.pretrained import PACKAGES, packaged_weights
from weakspot.models.split_classifier import SplitClassifier, check_method, split_model
from weakspot.models.target_layer import find_layer
from weakspot.models.transforms import (
    channels_first,
    channels_last,
    normalize_batch,
    normalize_chw,
    renormalize,
    resize_image,
    resize_tensor,
)

__all__ = [
    "DEFAULT_MODEL",
    "PACKAGES",
    "PRETRAINED",
    "ClassMaps",
    "Classifier",
    "ForegroundHead",
    "ForwardPass",
    "GapLinearHead",
    "SplitClassifier",
    "TargetLayer",
    "channels_first",
    "channels_last",
    "check_method",
    "check_model_name",
    "class_maps",
    "class_maps_of_methods",
    "find_device",
    "find_gap_head",
    "find_layer",
    "fit_foreground",
    "foreground_targets",
    "forward_head",
    "forward_with_hooks",
    "from_state_dict",
    "guided_gradients",
    "imagenet_names",
    "load_classifier",
    "normalize_batch",
    "normalize_chw",
    "packaged_weights",
    "read_maps",
    "renormalize",
    "resize_image",
    "resize_tensor",
    "resolve_classifier",
    "split_model",
]
