"""Networks for training on image-level labels: a backbone, the head of a training method, and its augmentations."""

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from weakspot.models.networks.backbone import Backbone as Backbone
    from weakspot.models.networks.backbone import build_backbone as build_backbone
    from weakspot.models.networks.losses import Criterion as Criterion
    from weakspot.models.networks.methods import AUGMENTATIONS as AUGMENTATIONS
    from weakspot.models.networks.methods import HEADS as HEADS
    from weakspot.models.networks.methods import TrainingMethod as TrainingMethod
    from weakspot.models.networks.methods import parse_method as parse_method
    from weakspot.models.networks.network import NetworkConfig as NetworkConfig
    from weakspot.models.networks.network import PsolNetwork as PsolNetwork
    from weakspot.models.networks.network import WsolClassifier as WsolClassifier
    from weakspot.models.networks.network import build_network as build_network

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "backbone": ["Backbone", "build_backbone"],
        "losses": ["Criterion"],
        "methods": ["AUGMENTATIONS", "HEADS", "TrainingMethod", "parse_method"],
        "network": ["NetworkConfig", "PsolNetwork", "WsolClassifier", "build_network"],
    },
)
