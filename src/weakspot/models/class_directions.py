"""Directions in feature space that separate the objects of each class from the rest of their images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from weakspot.models.object_targets import ObjectTarget, background, coverage

# Share of the mean variance that is added to every variance, so that a few images suffice.
_SHRINKAGE = 0.1
# The mean over all classes counts as this many images of each class.
_PRIOR_IMAGES = 3
# This many positions suffice for the covariance.
_MAX_POSITIONS = 20_000


class ClassDirections(nn.Module):
    """A linear classifier of positions for each class.

    Attributes:
        weights: Shape (C, K).
        offsets: Shape (C,).
    """

    weights: Tensor
    offsets: Tensor

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(num_classes, channels))
        self.register_buffer("offsets", torch.zeros(num_classes))

    def forward(self, features: Tensor, classes: Tensor) -> Tensor:
        """Return the probability of an object (B, n, h, w) for features (B, K, h, w) and class indices (B, n)."""
        logits = self.weights[classes] @ features.flatten(2) + self.offsets[classes][:, :, None]
        probability: Tensor = torch.sigmoid(logits).unflatten(2, features.shape[-2:])
        return probability


@dataclass(frozen=True, eq=False)
class Contrasts:
    """Mean features of the objects of a class, and of the background, in each of N images.

    Attributes:
        difference: Objects minus background, shape (N, K); 0 if one of them is not known.
        middle: Mean of both, shape (N, K), likewise.
        is_known: 1 if objects and background are known, else 0, shape (N, 1).
        classes: Index of the class, shape (N,).
        inverse_covariance: Inverse covariance of the features of all positions, shape (K, K).
    """

    difference: Tensor
    middle: Tensor
    is_known: Tensor
    classes: Tensor
    inverse_covariance: Tensor

    def of(self, chosen: Sequence[int] | NDArray[np.intp]) -> "Contrasts":
        """Return those of some images, with the same covariance."""
        return Contrasts(
            self.difference[chosen],
            self.middle[chosen],
            self.is_known[chosen],
            self.classes[chosen],
            self.inverse_covariance,
        )


def find_contrasts(features: Tensor, targets: Sequence[ObjectTarget], classes: Tensor) -> Contrasts:
    """Compute the mean features of objects and background of each image.

    Args:
        features: Intermediate features, shape (N, K, h, w), any floating type.
        targets: What is known of one class in each image.
        classes: Index of this class, shape (N,).
    """
    means = [_means(image, target) for image, target in zip(features, targets, strict=True)]
    known = torch.tensor([[float(found is not None)] for found in means])
    zeros = torch.zeros(2, features.shape[1])
    inside, outside = torch.stack([zeros if found is None else found for found in means]).unbind(dim=1)
    return Contrasts(inside - outside, (inside + outside) / 2, known, classes, _inverse_covariance(features))


def fit_directions(contrasts: Contrasts, num_classes: int) -> ClassDirections:
    """Fit a linear discriminant of object and background for each class.

    All classes share the covariance, and each also learns from the others: a class without images has the direction
    that all classes have in common.

    Args:
        contrasts: Means of images.
        num_classes: Number of classes.

    Source:
        Fisher, "The Use of Multiple Measurements in Taxonomic Problems", Annals of Eugenics 7, 1936; the shrinkage of
        the covariance: Friedman, "Regularized Discriminant Analysis", JASA 84, 1989.
    """
    rows = torch.stack([(contrasts.classes == index).float() for index in range(num_classes)])
    found = ClassDirections(num_classes, contrasts.difference.shape[1])
    found.weights, found.offsets = _discriminants(contrasts, rows, torch.ones(1, len(contrasts.classes)))
    return found


def held_out_probabilities(features: Tensor, contrasts: Contrasts) -> Tensor:
    """Return the probability of an object (N, h, w), by directions that the other images have taught.

    Args:
        features: Intermediate features of the images, shape (N, K, h, w).
        contrasts: Their means.
    """
    others = 1 - torch.eye(len(features))
    same = (contrasts.classes[:, None] == contrasts.classes).float()
    found = ClassDirections(len(features), features.shape[1])
    found.weights, found.offsets = _discriminants(contrasts, same * others, others)
    return torch.cat([found(image[None].float(), torch.tensor([[i]]))[0] for i, image in enumerate(features)])


def _means(features: Tensor, target: ObjectTarget) -> Tensor | None:
    """Return the mean features of objects and background, shape (2, K); None if one of them is not known."""
    grid = (features.shape[-2], features.shape[-1])
    weights = torch.stack([coverage(target, grid), background(target, grid)])
    sums = weights.sum(dim=(1, 2))
    if not bool((sums > 0).all()):
        return None
    return torch.einsum("nhw,khw->nk", weights, features.float()) / sums[:, None]


def _discriminants(contrasts: Contrasts, of_class: Tensor, of_all: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights (M, K) and offsets (M,) from the images that each class (M, N), and all together, may use."""
    counts = of_class @ contrasts.is_known + _PRIOR_IMAGES
    total = (of_all @ contrasts.is_known).clamp(min=1)
    difference, middle = (
        (of_class @ values + _PRIOR_IMAGES * (of_all @ values) / total) / counts
        for values in (contrasts.difference, contrasts.middle)
    )
    weights = difference @ contrasts.inverse_covariance
    return weights, -(weights * middle).sum(dim=1)


def _inverse_covariance(features: Tensor) -> Tensor:
    """Return the inverse of the shrunk covariance of the features of all positions, shape (K, K)."""
    step = max(1, features[:, 0].numel() // _MAX_POSITIONS) | 1  # odd, so that all columns of the grid take part
    positions = features.flatten(2)[:, :, ::step].movedim(1, 2).flatten(0, 1).float()
    centered = positions - positions.mean(dim=0)
    covariance = centered.T @ centered / len(centered)
    added = _SHRINKAGE * covariance.diagonal().mean().clamp(min=1e-12)
    inverse: Tensor = torch.linalg.inv(covariance + added * torch.eye(len(covariance)))
    return inverse
