"""Networks that are trained from labels alone: a trunk, the head of a method, and what it does to images and layers."""

from weakspot.networks.criterion import Criterion
from weakspot.networks.network import Network, Plan, PsolNetwork, build_network
from weakspot.networks.recipes import AUGMENTATIONS, HEADS, Recipe, find_recipe
from weakspot.networks.trunks import Trunk, build_trunk

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
