"""Classifiers: building them, cutting them at a feature map, and reading class maps out of them."""

from weakspot.config import DEFAULT_MODEL, PRETRAINED
from weakspot.models.class_maps import ClassMaps, class_maps, class_maps_of_methods, lessons, read_maps
from weakspot.models.classifiers import Classifier, check_model_name, load_classifier, take_classifier
from weakspot.models.devices import find_device
from weakspot.models.foreground_head import ForegroundHead, fit_foreground, rebuilt
from weakspot.models.gap_head import PooledLinear, find_pooled_linear
from weakspot.models.guided_backprop import guided_gradients
from weakspot.models.hooked_forward import Layer, Reading, read, run_head
from weakspot.models.imagenet import imagenet_names
from weakspot.models.pretrained import PACKAGES, packaged_weights
from weakspot.models.split_classifier import Cut, check_method, cut_model
from weakspot.models.target_layer import find_layer
from weakspot.models.transforms import channels_first, channels_last, normalised, planes, reframed, resquash, squash

__all__ = [
    "DEFAULT_MODEL",
    "PACKAGES",
    "PRETRAINED",
    "ClassMaps",
    "Classifier",
    "Cut",
    "ForegroundHead",
    "Layer",
    "PooledLinear",
    "Reading",
    "channels_first",
    "channels_last",
    "check_method",
    "check_model_name",
    "class_maps",
    "class_maps_of_methods",
    "cut_model",
    "find_device",
    "find_layer",
    "find_pooled_linear",
    "fit_foreground",
    "guided_gradients",
    "imagenet_names",
    "lessons",
    "load_classifier",
    "normalised",
    "packaged_weights",
    "planes",
    "read",
    "read_maps",
    "rebuilt",
    "reframed",
    "resquash",
    "run_head",
    "squash",
    "take_classifier",
]
