"""Small networks with random weights."""

import torch
from torch import nn

from weakspot.models.checkpoint import CheckpointMetadata
from weakspot.models.model_info import ModelInfo
from weakspot.models.networks import NetworkConfig, build_network, parse_method
from weakspot.models.networks.cam import CamHead

BACKBONES = {"cam": "test_efficientnet", "acol": "test_resnet", "spg": "test_resnet", "ts_cam": "test_vit"}


def built(method="cam", backbone=None, *, classes=4, seed=0, input_size=64, **options):
    """Build a network in evaluation mode, the same for the same seed, in which no layer is trivial."""
    torch.manual_seed(seed)
    plan = NetworkConfig(backbone or BACKBONES[method], method, classes, input_size=input_size, **options)
    found = build_network(plan, weights=None)
    for module in found.network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:  # the last one of each block is initialized to 0
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    if isinstance(found.network.head, CamHead):  # initialized to 0
        found.network.head.classifier.reset_parameters()
    found.network.eval()
    return found


def metadata_of(network, class_names, threshold=0.35, threshold_from="by hand", **info):
    """Checkpoint metadata of a built network."""
    config = network.config
    defaults = {
        "method": parse_method(config.method).class_map_method,
        "quality": "plain",
        "multi_label": config.multi_label,
    }
    info = ModelInfo(class_names, network.preprocessing, threshold=threshold, **{**defaults, **info})
    return CheckpointMetadata(config, info, threshold_from)


def network(method="cam", backbone=None, **options):
    return built(method, backbone, **options).network


def random_images(count=2, size=64):
    """Normalised images."""
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(7))


def one_hot(*classes, of=4):
    return torch.nn.functional.one_hot(torch.tensor(classes), of).float()
