"""TS-CAM head: class maps of patch tokens, multiplied by the attention of the class token."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from weakspot.errors import ModelError
from weakspot.models.networks.backbone import Backbone
from weakspot.models.networks.losses import Criterion


class TsCamHead(nn.Module):
    """A 3 x 3 convolution from the grid of patch tokens to the classes, and global average pooling.

    The output of the convolution is the semantic map; at test time it is multiplied by the attention of
    :class:`ViTBackbone` (``weakspot.cams.ts_cam``).

    Args:
        channels: Number of channels of the tokens.
        classes: Number of classes.

    Source:
        Gao et al., "TS-CAM: Token Semantic Coupled Attention Map for Weakly Supervised Object Localization",
        ICCV 2021, arXiv 2103.14862, section 3.2.
    """

    network = "ts_cam"
    branches = ("semantic",)
    depth = 1
    pools_first = False

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.semantic = nn.Conv2d(channels, classes, 3, padding=1)

    def forward(self, activations: Tensor) -> Tensor:
        """Return logits (B, C) of patch tokens on their grid, (B, K, h, w)."""
        logits: Tensor = self.semantic(activations).mean(dim=(2, 3))
        return logits

    def loss(self, maps: tuple[Tensor, ...], targets: Tensor, criterion: Criterion) -> tuple[Tensor, Tensor]:
        """Return the loss and the logits of a batch, given its patch tokens."""
        logits = self(maps[-1])
        return criterion(logits, targets), logits


class ViTBackbone(Backbone):
    """A vision transformer that, at test time, also returns the class token's attention to the patches.

    ``attention`` is an identity module whose output is the attention map (B, 1, h, w), the mean over heads and blocks,
    so that a hook can capture it. Attention is computed unfused for this, as the fused kernel does not return its
    weights.

    Args:
        backbone: One of timm's plain vision transformers with a class token.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone.backbone, backbone.channels, backbone.pooled, backbone.layer)
        if not _has_class_token(self.backbone):
            raise ModelError(
                "backbone-mismatch",
                f"ts_cam needs a vision transformer with a class token, got {type(self.backbone).__name__}.",
                "Use a ViT or DeiT, for example --backbone deit_small_patch16_224, or another method.",
            )
        self.attention = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Return the patch tokens (B, K, h, w) of images (B, 3, H, W)."""
        if self.training:
            return super().forward(images)
        with _collect_attention(self.backbone) as rows:
            grid = super().forward(images)
        patches = torch.stack(rows).mean(dim=0)[:, -grid.shape[2] * grid.shape[3] :]  # (B, h w)
        self.attention(patches.reshape(grid.shape[0], 1, *grid.shape[2:]))
        return grid


def _has_class_token(backbone: nn.Module) -> bool:
    blocks = getattr(backbone, "blocks", None)
    plain = isinstance(blocks, nn.Sequential) and all(hasattr(block, "attn") for block in blocks)
    return plain and getattr(backbone, "cls_token", None) is not None


@contextmanager
def _collect_attention(backbone: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the class token's attention (B, tokens) in each block, averaged over the heads."""
    rows: list[Tensor] = []
    layers = [block.attn for block in backbone.blocks]  # type: ignore[union-attr]
    fused = [layer.fused_attn for layer in layers]

    def record(_module: nn.Module, _inputs: object, weights: Tensor) -> None:  # (B, heads, tokens, tokens)
        rows.append(weights[:, :, 0].mean(dim=1))

    handles = [layer.attn_drop.register_forward_hook(record) for layer in layers]
    try:
        for layer in layers:
            layer.fused_attn = False
        yield rows
    finally:
        for handle, layer, before in zip(handles, layers, fused, strict=True):
            handle.remove()
            layer.fused_attn = before
