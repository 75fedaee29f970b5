"""Feature maps of a frozen backbone, computed once for each image."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from weakspot.data import Preprocessing
from weakspot.models import normalize_batch
from weakspot.models.networks import WsolClassifier
from weakspot.training.dataset import SampleKey

# Feature maps above this many bytes are not kept: the backbone then runs in each epoch.
MAX_CACHE_BYTES = 4_000_000_000

FeatureMaps = tuple[Tensor, ...]


class CachedFeatures(Dataset[tuple[FeatureMaps, Tensor]]):
    """Pairs of feature maps and target by key."""

    in_memory = True

    def __init__(self, maps: FeatureMaps, targets: Tensor) -> None:
        self._maps = maps
        self._targets = targets

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, key: SampleKey) -> tuple[FeatureMaps, Tensor]:
        i = key[1]
        return tuple(layer[i] for layer in self._maps), self._targets[i]


def fits_in_memory(network: WsolClassifier, preprocessing: Preprocessing, num_images: int, *, pooled: bool) -> bool:
    """Return whether the feature maps of ``num_images`` images fit into the cache."""
    shape = (len(preprocessing.mean), preprocessing.height, preprocessing.width)
    device = next(network.parameters()).device
    image = normalize_batch([torch.zeros(shape, dtype=torch.uint8)], preprocessing, device=device)
    maps = backbone_features(network, image, pooled=pooled)
    return num_images * sum(layer.numel() * layer.element_size() for layer in maps) <= MAX_CACHE_BYTES


def backbone_features(network: WsolClassifier, images: Tensor, *, pooled: bool) -> FeatureMaps:
    """Run a frozen backbone: return the feature maps that the head uses, or their means for a head that pools first."""
    network.trunk.eval()
    with torch.no_grad():
        maps = network.trunk.maps(images, network.head.depth)
    return tuple(layer.mean(dim=(2, 3), keepdim=True) for layer in maps) if pooled else maps


def compute_features(
    network: WsolClassifier, batches: DataLoader[tuple[Tensor, Tensor]], preprocessing: Preprocessing, *, pooled: bool
) -> Iterator[tuple[FeatureMaps, Tensor]]:
    """Yield feature maps and targets batch by batch, on the CPU."""
    device = next(network.parameters()).device
    for pixels, targets in batches:
        images = normalize_batch(list(pixels), preprocessing, device=device)
        yield tuple(layer.cpu() for layer in backbone_features(network, images, pooled=pooled)), targets


def collect_features(batches: Iterator[tuple[FeatureMaps, Tensor]]) -> CachedFeatures:
    """Concatenate the feature maps of all batches."""
    maps, targets = zip(*batches, strict=True)
    return CachedFeatures(tuple(torch.cat(layer) for layer in zip(*maps, strict=True)), torch.cat(targets))
