"""Load classifiers, run them with hooks, and compute class maps."""

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from weakspot.models.class_maps import ClassMaps as ClassMaps
    from weakspot.models.class_maps import compute_class_maps as compute_class_maps
    from weakspot.models.class_maps import compute_class_maps_of_methods as compute_class_maps_of_methods
    from weakspot.models.class_maps import derive_class_maps as derive_class_maps
    from weakspot.models.class_maps import foreground_targets as foreground_targets
    from weakspot.models.class_maps import object_inputs as object_inputs
    from weakspot.models.classifiers import Classifier as Classifier
    from weakspot.models.classifiers import check_model_name as check_model_name
    from weakspot.models.classifiers import find_device as find_device
    from weakspot.models.classifiers import load_classifier as load_classifier
    from weakspot.models.classifiers import resolve_classifier as resolve_classifier
    from weakspot.models.foreground_head import ForegroundHead as ForegroundHead
    from weakspot.models.foreground_head import fit_foreground as fit_foreground
    from weakspot.models.foreground_head import from_state_dict as from_state_dict
    from weakspot.models.gap_head import GapLinearHead as GapLinearHead
    from weakspot.models.gap_head import find_gap_head as find_gap_head
    from weakspot.models.guided_backprop import guided_gradients as guided_gradients
    from weakspot.models.hooked_forward import ForwardPass as ForwardPass
    from weakspot.models.hooked_forward import TargetLayer as TargetLayer
    from weakspot.models.hooked_forward import forward_head as forward_head
    from weakspot.models.hooked_forward import forward_with_hooks as forward_with_hooks
    from weakspot.models.model_info import ModelInfo as ModelInfo
    from weakspot.models.pretrained import PACKAGES as PACKAGES
    from weakspot.models.pretrained import imagenet_names as imagenet_names
    from weakspot.models.pretrained import packaged_weights as packaged_weights
    from weakspot.models.split_classifier import SplitClassifier as SplitClassifier
    from weakspot.models.split_classifier import check_method as check_method
    from weakspot.models.split_classifier import split_model as split_model
    from weakspot.models.target_layer import find_layer as find_layer
    from weakspot.models.transforms import channels_first as channels_first
    from weakspot.models.transforms import channels_last as channels_last
    from weakspot.models.transforms import normalize_batch as normalize_batch
    from weakspot.models.transforms import normalize_chw as normalize_chw
    from weakspot.models.transforms import renormalize as renormalize
    from weakspot.models.transforms import resize_image as resize_image
    from weakspot.models.transforms import resize_tensor as resize_tensor

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "class_maps": [
            "ClassMaps",
            "compute_class_maps",
            "compute_class_maps_of_methods",
            "foreground_targets",
            "object_inputs",
            "derive_class_maps",
        ],
        "classifiers": ["Classifier", "check_model_name", "find_device", "load_classifier", "resolve_classifier"],
        "foreground_head": ["ForegroundHead", "fit_foreground", "from_state_dict"],
        "gap_head": ["GapLinearHead", "find_gap_head"],
        "guided_backprop": ["guided_gradients"],
        "hooked_forward": ["ForwardPass", "TargetLayer", "forward_head", "forward_with_hooks"],
        "model_info": ["ModelInfo"],
        "pretrained": ["PACKAGES", "imagenet_names", "packaged_weights"],
        "split_classifier": ["SplitClassifier", "check_method", "split_model"],
        "target_layer": ["find_layer"],
        "transforms": [
            "channels_first",
            "channels_last",
            "normalize_batch",
            "normalize_chw",
            "renormalize",
            "resize_image",
            "resize_tensor",
        ],
    },
)
