import pytest
import torch
from nets import images
from refusals import refused
from torch import nn

from weakspot.errors import ModelError
from weakspot.models import split_model
from weakspot.models.single_view import check_single_view


class Net(nn.Module):
    """A small classifier, whose shared activation has a parameter."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.PReLU())
        self.features.extend([nn.Conv2d(4, 4, 3, padding=1), self.features[1]])
        self.fc = nn.Linear(4, 3)
        self.eval()

    def classify(self, inputs):
        return self.fc(self.features(inputs).mean(dim=(2, 3)))

    def forward(self, inputs):
        return self.classify(inputs)


class Flipped(Net):
    def forward(self, inputs):
        return self.classify(inputs) + self.classify(inputs.flip(-1))


class FlippedInABatch(Net):
    def forward(self, inputs):
        return self.classify(torch.cat([inputs, inputs.flip(-1)])).view(2, len(inputs), 3).mean(dim=0)


class Crops(Net):
    def forward(self, inputs):
        half = inputs.shape[-1] // 2
        return torch.stack([self.classify(inputs[..., at : at + half]) for at in (0, half)]).mean(dim=0)


@pytest.mark.parametrize("model", [Flipped(), FlippedInABatch(), Crops()], ids=["flipped", "in a batch", "crops"])
def test_a_model_that_looks_at_an_image_twice_is_refused(model):
    with refused("several-views", "features", 2, kind=ModelError):
        split_model(model, images(1, 32))


def test_a_model_that_looks_at_it_once_is_accepted():
    check_single_view(Net(), images(1, 32))
    check_single_view(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 3)), images(1, 32))
