import pytest
import torch
from nets import DeepHeadNet, PooledNet, full_backward, images
from torch import nn

from weakspot.cams import METHODS, ablationcam, fuse, gradcam, scorecam
from weakspot.errors import InputError, ModelError
from weakspot.models import compute_class_maps, split_model

CLASSES = torch.tensor([[0, 1, 2, 3, 0], [3, 2, 1, 0, 3], [1, 1, 1, 2, 2]])
BRANCHES = [name for name, method in METHODS.items() if method.inputs == "branches"]
POSITIVE = [name for name in METHODS if name not in ("cam", *BRANCHES)]


def maps(model, batch, method, classes=CLASSES, **options):
    return compute_class_maps(split_model(model, batch[:1], **options), batch, METHODS[method], classes=classes).maps


def test_the_logit_is_the_mean_of_the_raw_cam_plus_the_bias():
    model, batch = PooledNet().eval(), images()
    found = compute_class_maps(split_model(model, batch[:1]), batch, METHODS["cam"], classes=CLASSES)
    expected = model(batch).detach().gather(1, CLASSES)
    torch.testing.assert_close(found.maps.mean(dim=(2, 3)) + model.fc.bias.detach()[CLASSES], expected)
    assert torch.equal(found.logits, model(batch).detach())


def test_grad_cam_is_cam_times_a_constant_on_pooling_and_a_linear_layer():
    """In closed form and by autograd alike: to 1e-5 of the peak."""
    model, batch = PooledNet().eval(), images(size=16)
    cams = maps(model, batch, "cam").relu() / 16
    by_autograd = gradcam(*full_backward(model, "features", batch, CLASSES)[:2])
    for found in (maps(model, batch, "gradcam"), by_autograd):
        torch.testing.assert_close(found, cams, rtol=0, atol=1e-5 * float(cams.max()))


@pytest.mark.parametrize("net", [PooledNet, DeepHeadNet])
@pytest.mark.parametrize("method", POSITIVE)
def test_a_batch_is_its_images_one_by_one_and_five_classes_are_five_calls(net, method):
    model, batch = net().eval(), images()
    together = maps(model, batch, method)
    assert together.shape[:2] == (3, 5)
    for b in range(3):
        for c in range(5):
            alone = maps(model, batch[b : b + 1], method, CLASSES[b : b + 1, c : c + 1])
            torch.testing.assert_close(together[b, c], alone[0, 0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "layercam", "xgradcam", "hirescam", "counterfactual"])
def test_gradient_methods_read_true_gradients(method):
    model, batch = DeepHeadNet().eval().double(), images(dtype=torch.float64)
    activations, gradients, _ = full_backward(model, "features", batch, CLASSES)
    expected = METHODS[method].function(activations, gradients)
    torch.testing.assert_close(maps(model, batch, method), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("net", [PooledNet, DeepHeadNet])
def test_ablations_run_the_true_head(net):
    model, batch = net().eval(), images()
    activations, logits = model.features(batch).detach(), model(batch).detach()

    def head(ablated):
        return model.fc(ablated.flatten(1) if net is DeepHeadNet else ablated.mean(dim=(2, 3))).detach()

    torch.testing.assert_close(maps(model, batch, "ablationcam"), ablationcam(activations, logits, CLASSES, head))


def test_score_cam_masks_the_images_and_keeps_the_channels_asked_for():
    model, batch = PooledNet().eval(), images()
    activations = model.features(batch).detach()
    for channels in (None, 2):
        with torch.no_grad():
            expected = scorecam(activations, batch, CLASSES, model, channels=channels)
        torch.testing.assert_close(maps(model, batch, "scorecam", channels=channels), expected)


@pytest.mark.parametrize("method", BRANCHES)
def test_branches_of_an_ordinary_net_are_refused_in_two_lines(method):
    model, batch = PooledNet().eval(), images()
    kind = METHODS[method].network
    with pytest.raises(InputError) as refusal:
        maps(model, batch, method)
    assert str(refusal.value).splitlines() == [
        f"This method reads the branches of a network that was trained for it ({kind}).",
        f"Train one: weakspot train DATA --method {kind}.",
    ]


class TwoBranches(PooledNet):
    """Its second branch leads to no logit, and has maps of any sign."""

    branches = ("first", "second")
    branches_of = "acol"

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(6, 4, 1), nn.Conv2d(6, 4, 1)

    def forward(self, batch):
        features = self.features(batch)
        self.second(features)
        return self.first(features).mean(dim=(2, 3))


def test_branches_are_read_as_they_are_even_those_that_lead_to_no_logit():
    model, batch = TwoBranches().eval(), images()
    expected = [
        branch(model.features(batch)).detach()[torch.arange(3)[:, None], CLASSES]
        for branch in (model.first, model.second)
    ]
    assert expected[1].amin() < 0
    torch.testing.assert_close(maps(model, batch, "acol_a"), expected[0])
    torch.testing.assert_close(maps(model, batch, "acol_b"), expected[1])
    with pytest.raises(InputError, match="was trained for it"):  # they are layers like any others when named
        maps(model, batch, "acol", layers=("first", "second"))
    with pytest.raises(InputError, match="was trained for it \\(ts_cam\\)"):
        maps(model, batch, "ts_cam")


def test_present_classes_are_those_with_a_positive_logit_of_the_image_with_most():
    model, batch = PooledNet().eval(), images()
    cut = split_model(model, batch[:1])
    with torch.no_grad():
        model.fc.weight.zero_()
        model.fc.bias.copy_(torch.tensor([-1.0, 3.0, 0.0, 2.0]))

    def classes(**options):
        return compute_class_maps(cut, batch, METHODS["cam"], **options).classes.tolist()

    assert classes(present=True) == [[1, 3]] * 3
    assert classes(present=True, top_k=3) == [[1, 3, 2]] * 3
    assert classes() == [[1]] * 3


def test_several_layers_are_fused():
    model, batch = DeepHeadNet().eval(), images()
    names = ("features.1", "features.3")
    by_layer = [METHODS["layercam"].function(*full_backward(model, name, batch, CLASSES)[:2]) for name in names]
    torch.testing.assert_close(maps(model, batch, "layercam", layers=names), fuse(by_layer))


def test_classes_are_the_most_probable_unless_asked_for():
    model, batch = PooledNet().eval(), images()
    found = compute_class_maps(split_model(model, batch[:1]), batch, METHODS["gradcam"], top_k=99)
    assert torch.equal(found.classes, model(batch).argsort(dim=1, descending=True))


def test_signed_activations_are_told_of_each_image():
    model, batch = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)), images()
    assert compute_class_maps(split_model(model, batch[:1]), batch, METHODS["gradcam"]).signed.all()
    assert not compute_class_maps(split_model(PooledNet(), batch[:1]), batch, METHODS["gradcam"]).signed.any()
    mixed = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    batch[0] = 0
    assert compute_class_maps(split_model(mixed, batch[1:2]), batch, METHODS["gradcam"]).signed.tolist() == [
        False,
        True,
        True,
    ]


def test_under_autocast_the_maps_are_not_summed_in_16_bits():
    model, batch = PooledNet().eval(), images()
    expected = maps(model, batch, "cam")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = maps(model, batch, "cam")
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.02 * float(expected.abs().max()))


@pytest.mark.parametrize(
    ("classes", "problem"),
    [
        pytest.param(
            torch.tensor([[4], [0], [0]]), "Class index 4 is out of range: the model has 4 classes", id="high"
        ),
        pytest.param(torch.tensor([[0], [-1], [0]]), "Class index -1 is out of range", id="negative"),
        pytest.param(
            torch.tensor([[0], [1]]), "do not belong to 3 images", id="fewer than images: a peer zips silently"
        ),
        pytest.param(torch.tensor([0, 1, 2]), "do not belong to 3 images", id="no rows"),
    ],
)
def test_wrong_classes_are_refused(classes, problem):
    with pytest.raises(InputError, match=problem):
        maps(PooledNet(), images(), "gradcam", classes)


def test_cam_on_another_head_is_refused_with_what_to_take():
    with pytest.raises(
        InputError, match="CAM needs a head that is global average pooling and one linear layer"
    ) as refusal:
        maps(DeepHeadNet(), images(), "cam")
    assert "gradcam" in refusal.value.hint


def test_an_unknown_layer_is_refused_with_near_ones():
    with pytest.raises(ModelError, match=r"no layer 'feature'\.\nDid you mean .*features"):
        split_model(PooledNet(), images(1), layers=["feature"])


def test_probabilities_are_refused():
    with pytest.raises(ModelError, match="returns probabilities") as refusal:
        split_model(nn.Sequential(PooledNet(), nn.Softmax(dim=1)), images(1))
    assert "softmax" in refusal.value.hint


@pytest.mark.parametrize("method", ["cam", "ablationcam", "guided_gradcam"])
def test_a_method_of_one_layer_says_so_whatever_the_head(method):
    with pytest.raises(InputError, match="reads one layer"):
        maps(PooledNet(), images(), method, layers=["features.1", "features.3"])


def test_log_probabilities_are_refused():
    with pytest.raises(ModelError, match="probabilities or their logarithms"):
        split_model(nn.Sequential(PooledNet(), nn.LogSoftmax(dim=1)), images(1))


@pytest.mark.parametrize("example", [torch.randn(1, 1, 8, 8), torch.randn(1, 3, 1, 1)], ids=["channels", "size"])
def test_images_that_the_model_cannot_take_are_told(example):
    with pytest.raises(ModelError, match="The model cannot take images of") as refusal:
        split_model(DeepHeadNet(), example)
    assert len(str(refusal.value).splitlines()) == 2
