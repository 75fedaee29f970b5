"""Classifiers with one logit, whose sigmoid is the probability of the second of two classes."""

import torch
from torch import Tensor, nn

from weakspot.models.model_outputs import extract_logits


class TwoClassLogits(nn.Module):
    """A classifier with one logit z as one with the logits -z / 2 and z / 2, whose softmax is the sigmoid of z.

    Args:
        classifier: The classifier, whose modules have the prefix ``classifier.`` here.

    Example:
        >>> TwoClassLogits(nn.Flatten())(torch.tensor([[3.0]]))
        tensor([[-1.5000,  1.5000]])
    """

    prefix = "classifier."

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        """Return logits of shape (B, 2)."""
        half = extract_logits(self.classifier(images)) / 2
        return torch.cat([-half, half], dim=1)
