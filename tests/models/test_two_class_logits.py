import pytest
import torch
from nets import DeepHeadNet, PooledNet, images

from weakspot.cams import METHODS
from weakspot.models import compute_class_maps, split_model
from weakspot.models.two_class_logits import TwoClassLogits

BOTH = torch.tensor([[0, 1]] * 3)


def one_logit(flat=False):
    class OneLogit(PooledNet):
        def forward(self, batch):
            logits = super().forward(batch)
            return logits[:, 0] if flat else logits

    torch.manual_seed(0)
    return OneLogit(classes=1).eval()


@pytest.mark.parametrize("flat", [True, False])
def test_the_softmax_of_the_second_class_is_the_sigmoid_of_the_logit(flat):
    model = one_logit(flat)
    scores = TwoClassLogits(model)(images()).softmax(dim=1)
    torch.testing.assert_close(scores[:, 1], model(images()).sigmoid().flatten())


@pytest.mark.parametrize("method", ["cam", "gradcam", "hirescam", "ablationcam"])
def test_the_map_of_the_second_class_is_that_of_the_logit_and_the_first_its_opposite(method):
    model = one_logit()
    raw = split_model(model, images(1))
    split = split_model(TwoClassLogits(model), images(1))
    assert split.head is not None
    assert [layer.name for layer in split.layers] == ["classifier.features"]
    expected = compute_class_maps(raw, images(), METHODS[method], classes=BOTH[:, :1]).maps
    found = compute_class_maps(split, images(), METHODS[method], classes=BOTH).maps
    scale = 1 if method == "ablationcam" else 0.5
    torch.testing.assert_close(found[:, 1:], scale * expected)
    if method in ("cam", "hirescam"):
        torch.testing.assert_close(found[:, :1], -scale * expected)


def test_any_other_head_is_differentiated():
    class OneLogit(DeepHeadNet):
        def forward(self, batch):
            return super().forward(batch)[:, :1]

    split = split_model(TwoClassLogits(OneLogit().eval()), images(1))
    maps = compute_class_maps(split, images(), METHODS["hirescam"], classes=BOTH).maps
    torch.testing.assert_close(maps[:, 0], -maps[:, 1])
