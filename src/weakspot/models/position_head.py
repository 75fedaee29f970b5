"""Evidence of each class at each position of fine features, learned from labels, normal images, and boxes if any."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from weakspot.models.object_targets import ObjectTarget, object_loss

WIDTH = 32
_EPOCHS, _BATCH, _RATE, _DECAY, _DROPOUT = 6, 16, 6e-3, 1e-2, 0.1
_MIN_STEPS = 100  # few images need more epochs
# Heads whose logits are averaged: a single one depends much on the seed.
_HEADS = 4
# Logits of an image are half the mean of all positions, which finds extent, and half that of the best 2 %, which finds
# small objects.
_TOP = 0.02
# Share of the mean variance that is added to every variance of normal positions.
_SHRINKAGE = 1e-3
# Normal positions that suffice for the covariance.
_MAX_POSITIONS = 50_000


class PositionHead(nn.Module):
    """Class maps from intermediate features: what tells a class from normal positions, and how unusual a position is.

    The map of a class is a sum of two terms, each in standard deviations of normal positions, which are all positions
    of images without an object:

    * the logit of the class minus that of the background class, by two 1 x 1 convolutions, blurred over 3 x 3
      positions;
    * the logarithm of the Mahalanobis distance of the features, averaged over 3 x 3 positions, from those of normal
      positions. It is the same for all classes.

    A map is 0 at positions below the mean of normal ones. A heatmap is then the map divided by its peak, and peaks of
    different images can be compared.

    Args:
        channels: Total number of channels of the intermediate features.
        num_classes: Number of classes, with that of images without an object.
        width: Number of hidden channels.

    Attributes:
        background: Index of the class of images without an object.
        mean: Mean of normal features, shape (K,).
        whitening: Matrix that whitens normal features, shape (K, K).
        shift: Mean of the two terms at normal positions: of each class, and of the distance, shape (C + 1,).
        scale: Their standard deviations, likewise.

    Source:
        Positions as instances of a bag: Ilse et al., "Attention-based Deep Multiple Instance Learning", ICML 2018; mean
        and best positions: Durand et al., "WILDCAT", CVPR 2017, equation (2). The distance: Defard et al., "PaDiM",
        ICPR Workshops 2021, equation (2), with one Gaussian for all positions. Their sum is ours.
    """

    background: Tensor
    mean: Tensor
    whitening: Tensor
    shift: Tensor
    scale: Tensor

    def __init__(self, channels: int, num_classes: int, width: int = WIDTH) -> None:
        super().__init__()
        self.channels = channels
        self.normalize = nn.BatchNorm2d(channels, affine=False)
        self.dropout = nn.Dropout2d(_DROPOUT)
        self.hidden = nn.Conv2d(channels, width, 1)
        self.output = nn.Conv2d(width, num_classes, 1)
        self.register_buffer("background", torch.tensor(0))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("whitening", torch.eye(channels))
        self.register_buffer("shift", torch.zeros(num_classes + 1))
        self.register_buffer("scale", torch.ones(num_classes + 1))

    def forward(self, features: Tensor, classes: Tensor) -> Tensor:
        """Return class maps (B, n, h, w), none below 0, of features (B, K, h, w) and class indices (B, n)."""
        terms = (self.terms(features) - self.shift[:, None, None]) / self.scale[:, None, None]
        chosen = classes[:, :, None, None].expand(-1, -1, *terms.shape[-2:])
        return F.relu(terms.gather(1, chosen) + terms[:, -1:])

    def terms(self, features: Tensor) -> Tensor:
        """Return both terms, not standardized: of each class, and the distance, shape (B, C + 1, h, w)."""
        logits = self.logits(features)
        ratios = logits - logits.index_select(1, self.background[None])
        return torch.cat([blur(ratios), self.distance(features)], dim=1)

    def logits(self, features: Tensor) -> Tensor:
        """Return logits (B, C, h, w) of features (B, K, h, w)."""
        logits: Tensor = self.output(self.hidden_features(features))
        return logits

    def hidden_features(self, features: Tensor) -> Tensor:
        """Return the hidden channels (B, width, h, w) of features (B, K, h, w), by which logits are computed."""
        return F.relu(self.hidden(self.dropout(self.normalize(features))))

    def distance(self, features: Tensor) -> Tensor:
        """Return log Mahalanobis distances (B, 1, h, w) from normal positions of features (B, K, h, w)."""
        centered = smooth(features) - self.mean[:, None, None]
        whitened = F.conv2d(centered, self.whitening[:, :, None, None])
        return whitened.square().mean(dim=1, keepdim=True).clamp_min(1e-12).log()


def smooth(features: Tensor) -> Tensor:
    """Average features (B, K, h, w) over 3 x 3 positions, at the border over those that exist."""
    return F.avg_pool2d(features, 3, stride=1, padding=1, count_include_pad=False)


def blur(maps: Tensor) -> Tensor:
    """Average maps (B, C, h, w) over 2 x 2 positions twice, at the border over those that exist.

    Inside, the weights are 1, 2, 1 in each direction, so that a peak stays in its place.

    Example:
        >>> maps = torch.zeros(1, 1, 5, 5)
        >>> maps[..., 2, 2] = 16
        >>> blur(maps)[0, 0, 2].tolist()
        [0.0, 2.0, 4.0, 2.0, 0.0]
    """
    between = F.avg_pool2d(maps, 2, stride=1, padding=1, count_include_pad=False)
    return F.avg_pool2d(between, 2, stride=1)


def pool(logits: Tensor) -> Tensor:
    """Pool logits of positions (B, C, h, w) to logits of images (B, C).

    Example:
        >>> pool(torch.tensor([[[[0.0, 0.0, 0.0, 8.0]]]])).tolist()  # of four positions, 2 % is the best one
        [[5.0]]
    """
    flat = logits.flatten(2)
    count = max(1, int(_TOP * flat.shape[2]))
    return (flat.mean(dim=2) + flat.topk(count, dim=2).values.mean(dim=2)) / 2


def fit_position_head(
    features: Tensor,
    targets: Tensor,
    background: int,
    *,
    seed: int,
    located: Sequence[ObjectTarget | None] | None = None,
) -> PositionHead:
    """Fit a head to images of which the classes are known, and of some, where their objects are.

    Args:
        features: Intermediate features, shape (N, K, h, w), any floating type.
        targets: Probability of each class, shape (N, C); rows sum to 1.
        background: Index of the class of images without an object, of which there is at least one.
        seed: Random seed of the weights and of the order.
        located: Boxes, masks or points of the class of each image, None if nothing but the class is known; by default
            of all images.

    Returns:
        The head, in evaluation mode.
    """
    known = [None] * len(features) if located is None else list(located)
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = _fit_logits(features, targets, background, known)
    head.background.fill_(background)
    normal = features[targets[:, background] == 1]
    _fit_distance(head, normal)
    _standardize(head, normal)
    return head


def _fit_logits(
    features: Tensor, targets: Tensor, background: int, located: Sequence[ObjectTarget | None]
) -> PositionHead:
    """Fit the logits of several heads at once, and merge these to one whose logits are their mean."""
    classes = targets.shape[1]
    head = PositionHead(features.shape[1], classes, _HEADS * WIDTH).train()
    outputs = nn.Conv2d(_HEADS * WIDTH, _HEADS * classes, 1, groups=_HEADS)
    parameters = [*head.hidden.parameters(), *outputs.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=_RATE, weight_decay=_DECAY)
    of_epoch = -(-len(features) // _BATCH)
    epochs = max(_EPOCHS, -(-_MIN_STEPS // of_epoch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=epochs * of_epoch)
    for batch in [batch for _ in range(epochs) for batch in torch.randperm(len(features)).split(_BATCH)]:
        logits = outputs(head.hidden_features(features[batch].float())).unflatten(1, (_HEADS, classes))
        of_images = pool(logits.flatten(0, 1))
        loss = F.cross_entropy(of_images, targets[batch].repeat_interleave(_HEADS, dim=0))
        loss = loss + _loss_of_located(logits, targets[batch].argmax(dim=1), background, [located[i] for i in batch])
        optimizer.zero_grad()
        (_HEADS * loss).backward()
        optimizer.step()
        schedule.step()
    head.eval().requires_grad_(False)
    head.output.load_state_dict(mean_of_groups(outputs))
    return head


def _loss_of_located(
    logits: Tensor, classes: Tensor, background: int, located: Sequence[ObjectTarget | None]
) -> Tensor | float:
    """Compute the loss of logits (B, heads, C, h, w) of images of classes (B,) whose objects are located."""
    losses = [
        object_loss(of_image[:, label] - of_image[:, background], [target] * _HEADS)
        for of_image, label, target in zip(logits, classes, located, strict=True)
        if target is not None
    ]
    return torch.stack(losses).mean() if losses else 0.0


def mean_of_groups(layer: nn.Conv2d) -> dict[str, Tensor]:
    """Return weights of a convolution without groups whose output is the mean of a layer's groups.

    Example:
        >>> layer, merged = nn.Conv2d(6, 4, 1, groups=2), nn.Conv2d(6, 2, 1)
        >>> _, inputs = merged.load_state_dict(mean_of_groups(layer)), torch.randn(1, 6, 5, 5)
        >>> torch.allclose(merged(inputs), layer(inputs).unflatten(1, (2, 2)).mean(dim=1), atol=1e-6)
        True
    """
    values = {name: value.unflatten(0, (layer.groups, -1)) for name, value in layer.state_dict().items()}
    return {"weight": torch.cat([*values["weight"]], dim=1) / layer.groups, "bias": values["bias"].mean(dim=0)}


def _fit_distance(head: PositionHead, normal: Tensor) -> None:
    """Set mean and whitening to those of the features (N, K, h, w) of images without an object."""
    step = max(1, -(-normal[:, 0].numel() // _MAX_POSITIONS))  # every so many positions of each image
    positions = torch.cat([smooth(image[None].float())[0].flatten(1)[:, ::step].T for image in normal])
    covariance = torch.atleast_2d(torch.cov(positions.T))
    ridge = _SHRINKAGE * covariance.diagonal().mean().clamp_min(1e-12)
    factor = torch.linalg.cholesky(covariance + ridge * torch.eye(len(covariance)))
    head.mean.copy_(positions.mean(dim=0))
    head.whitening.copy_(torch.linalg.solve_triangular(factor, torch.eye(len(factor)), upper=False))


def _standardize(head: PositionHead, normal: Tensor) -> None:
    """Set shift and scale to the mean and standard deviation of the terms at normal positions."""
    terms = torch.cat([head.terms(image[None].float()).flatten(2) for image in normal], dim=2)[0]
    head.shift.copy_(terms.mean(dim=1))
    deviations = terms.std(dim=1)
    head.scale.copy_(torch.where(deviations > 1e-6, deviations, 1.0))  # the background's own ratio is constant
