"""Networks that are trained from labels alone: a trunk, the head of a method, and what it does to images and layers."""

from weakspot.models.networks.backbone import Backbone, build_backbone
from weakspot.models.networks.losses import Criterion
from weakspot.models.networks.methods import AUGMENTATIONS, HEADS, TrainingMethod, parse_method
from weakspot.models.networks.network import NetworkConfig, PsolNetwork, WsolClassifier, build_network

__all__ = [
    "AUGMENTATIONS",
    "HEADS",
    "Backbone",
    "Criterion",
    "NetworkConfig",
    "PsolNetwork",
    "TrainingMethod",
    "WsolClassifier",
    "build_backbone",
    "build_network",
    "parse_method",
]
