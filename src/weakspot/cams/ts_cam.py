"""TS-CAM: semantic maps coupled with attention."""

from torch import Tensor


def ts_cam(semantic: Tensor, attention: Tensor) -> Tensor:
    """Multiply the semantic map of each class by the attention of the class token: ``M_c = S_c * A``.

    Args:
        semantic: Semantic maps of each class, shape (B, C, h, w), any sign.
        attention: Attention of the class token to the patches, averaged over heads and blocks, shape (B, 1, h, w);
            the same for every class.

    Returns:
        Class maps of shape (B, C, h, w), any sign.

    Source:
        Gao et al., "TS-CAM: Token Semantic Coupled Attention Map for Weakly Supervised Object Localization",
        ICCV 2021, arXiv 2103.14862, section 3.3.

    Example:
        >>> import torch
        >>> ts_cam(torch.tensor([[[[3.0, -1.0]]]]), torch.tensor([[[[0.25, 0.75]]]])).tolist()
        [[[[0.75, -0.75]]]]
    """
    return semantic * attention
