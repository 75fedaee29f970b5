"""What a frozen trunk gives for each image, computed once."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from weakspot.data import Preprocessing
from weakspot.models import normalize_batch
from weakspot.models.networks import WsolClassifier
from weakspot.training.dataset import SampleKey

# Feature maps of more bytes are not kept: the trunk then runs in each epoch.
MAX_CACHE_BYTES = 4_000_000_000

FeatureMaps = tuple[Tensor, ...]


class CachedFeatures(Dataset[tuple[FeatureMaps, Tensor]]):
    """Feature maps and targets by key."""

    in_memory = True

    def __init__(self, maps: FeatureMaps, targets: Tensor) -> None:
        self._maps = maps
        self._targets = targets

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, key: SampleKey) -> tuple[FeatureMaps, Tensor]:
        i = key[1]
        return tuple(of_layer[i] for of_layer in self._maps), self._targets[i]


def fits_in_memory(network: WsolClassifier, frame: Preprocessing, images: int, *, pooled: bool) -> bool:
    """Tell whether the feature maps of so many images may be kept."""
    example = torch.zeros(1, len(frame.mean), frame.height, frame.width, dtype=torch.uint8)
    device = next(network.parameters()).device
    maps = backbone_features(network, normalize_batch([example[0]], frame, device=device), pooled=pooled)
    return images * sum(one.numel() * one.element_size() for one in maps) <= MAX_CACHE_BYTES


def backbone_features(network: WsolClassifier, images: Tensor, *, pooled: bool) -> FeatureMaps:
    """Run a frozen trunk: the feature maps that the head reads, or their means for a head that pools first."""
    network.trunk.eval()
    with torch.no_grad():
        maps = network.trunk.maps(images, network.head.depth)
    return tuple(one.mean(dim=(2, 3), keepdim=True) for one in maps) if pooled else maps


def compute_features(
    network: WsolClassifier, batches: DataLoader[tuple[Tensor, Tensor]], frame: Preprocessing, *, pooled: bool
) -> Iterator[tuple[FeatureMaps, Tensor]]:
    """Give feature maps and targets batch by batch, on the CPU."""
    like = torch.empty(0, device=next(network.parameters()).device)
    for photos, targets in batches:
        images = normalize_batch(list(photos), frame, device=like.device, dtype=like.dtype)
        yield tuple(one.cpu() for one in backbone_features(network, images, pooled=pooled)), targets


def collect_features(batches: Iterator[tuple[FeatureMaps, Tensor]]) -> CachedFeatures:
    """Put the feature maps of all batches together."""
    found = list(batches)
    layers = zip(*(maps for maps, _ in found), strict=True)
    return CachedFeatures(
        tuple(torch.cat(of_layer) for of_layer in layers), torch.cat([targets for _, targets in found])
    )
