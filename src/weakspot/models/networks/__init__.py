"""Networks for training on image-level labels: a backbone, the head of a training method, and its augmentations."""

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
