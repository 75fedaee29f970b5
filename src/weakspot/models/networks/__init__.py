"""Networks that are trained from labels alone: a trunk, the head of a method, and what it does to images and layers."""

from weakspot.models.networks.backbone import Trunk, build_trunk
from weakspot.models.networks.losses import Criterion
from weakspot.models.networks.methods import AUGMENTATIONS, HEADS, Recipe, find_recipe
from weakspot.models.networks.network import Network, Plan, PsolNetwork, build_network

__all__ = [
    "AUGMENTATIONS",
    "HEADS",
    "Criterion",
    "Network",
    "Plan",
    "PsolNetwork",
    "Recipe",
    "Trunk",
    "build_network",
    "build_trunk",
    "find_recipe",
]
