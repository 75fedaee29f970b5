import pytest
import torch
import torch.nn.functional as F
from nets import DeepHeadNet, PooledNet, full_backward, images
from refusals import refused
from torch import nn

from weakspot.cams import METHODS, ablationcam, fuse, gradcam, scorecam
from weakspot.errors import ModelError
from weakspot.models import compute_class_maps, compute_class_maps_of_methods, split_model

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
def test_gradient_methods_use_true_gradients(method):
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


def test_score_cam_masks_the_images_by_the_requested_number_of_channels():
    model, batch = PooledNet().eval(), images()
    activations = model.features(batch).detach()
    for channels in (None, 2):
        with torch.no_grad():
            expected = scorecam(activations, batch, CLASSES, model, channels=channels)
        torch.testing.assert_close(maps(model, batch, "scorecam", channels=channels), expected)


@pytest.mark.parametrize("method", BRANCHES)
def test_methods_of_branches_are_refused_for_other_networks(method):
    with refused("method-mismatch", METHODS[method].network):
        maps(PooledNet().eval(), images(), method)


class TwoBranches(PooledNet):
    """Its second branch leads to no logit, and has maps of any sign."""

    branches = ("first", "second")
    network_name = "acol"

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(6, 4, 1), nn.Conv2d(6, 4, 1)

    def forward(self, batch):
        features = self.features(batch)
        self.second(features)
        return self.first(features).mean(dim=(2, 3))


def test_branches_are_used_unchanged_even_if_no_logit_depends_on_them():
    model, batch = TwoBranches().eval(), images()
    expected = [
        branch(model.features(batch)).detach()[torch.arange(3)[:, None], CLASSES]
        for branch in (model.first, model.second)
    ]
    assert expected[1].amin() < 0
    torch.testing.assert_close(maps(model, batch, "acol_a"), expected[0])
    torch.testing.assert_close(maps(model, batch, "acol_b"), expected[1])
    with refused("method-mismatch", "acol"):  # named explicitly, they are layers like any others
        maps(model, batch, "acol", layers=("first", "second"))
    with refused("method-mismatch", "ts_cam"):
        maps(model, batch, "ts_cam")


def test_include_positive_adds_the_largest_number_of_positive_logits_of_any_image():
    model, batch = PooledNet().eval(), images()
    cut = split_model(model, batch[:1])
    with torch.no_grad():
        model.fc.weight.zero_()
        model.fc.bias.copy_(torch.tensor([-1.0, 3.0, 0.0, 2.0]))

    def classes(**options):
        return compute_class_maps(cut, batch, METHODS["cam"], **options).classes.tolist()

    assert classes(include_positive=True) == [[1, 3]] * 3
    assert classes(include_positive=True, top_k=3) == [[1, 3, 2]] * 3
    assert classes() == [[1]] * 3
    (output,) = compute_class_maps_of_methods(cut, batch, [METHODS["cam"]], classes=torch.tensor([[2]] * 3), rivals=3)
    assert output.classes.tolist() == [[2, 1, 3, 2]] * 3


def test_several_layers_are_fused():
    model, batch = DeepHeadNet().eval(), images()
    names = ("features.1", "features.3")
    by_layer = [METHODS["layercam"].function(*full_backward(model, name, batch, CLASSES)[:2]) for name in names]
    torch.testing.assert_close(maps(model, batch, "layercam", layers=names), fuse(by_layer))


def test_classes_are_the_most_probable_by_default():
    model, batch = PooledNet().eval(), images()
    found = compute_class_maps(split_model(model, batch[:1]), batch, METHODS["gradcam"], top_k=99)
    assert torch.equal(found.classes, model(batch).argsort(dim=1, descending=True))


def test_negative_activations_are_detected_for_each_image():
    model, batch = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)), images()
    assert compute_class_maps(split_model(model, batch[:1]), batch, METHODS["gradcam"]).has_negative_activations.all()
    assert not compute_class_maps(
        split_model(PooledNet(), batch[:1]), batch, METHODS["gradcam"]
    ).has_negative_activations.any()
    mixed = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    batch[0] = 0
    assert compute_class_maps(
        split_model(mixed, batch[1:2]), batch, METHODS["gradcam"]
    ).has_negative_activations.tolist() == [
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
    ("classes", "code", "value"),
    [
        pytest.param(torch.tensor([[4], [0], [0]]), "unknown-class", 4, id="high"),
        pytest.param(torch.tensor([[0], [-1], [0]]), "unknown-class", -1, id="negative"),
        pytest.param(torch.tensor([[0], [1]]), "shape-mismatch", (2, 1), id="fewer rows than images"),
        pytest.param(torch.tensor([0, 1, 2]), "shape-mismatch", (3,), id="no rows"),
    ],
)
def test_wrong_classes_are_refused(classes, code, value):
    with refused(code, value):
        maps(PooledNet(), images(), "gradcam", classes)


def test_cam_on_another_head_is_refused_with_an_alternative():
    with refused("method-mismatch", "gradcam"):
        maps(DeepHeadNet(), images(), "cam")


def test_an_unknown_layer_is_refused_with_similar_names():
    with refused("unknown-layer", "'feature'", "features", kind=ModelError):
        split_model(PooledNet(), images(1), layers=["feature"])


def test_probabilities_are_refused():
    with refused("not-logits", kind=ModelError):
        split_model(nn.Sequential(PooledNet(), nn.Softmax(dim=1)), images(1))


class Last(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, logits):
        return self.function(logits)


@pytest.mark.parametrize(
    "function",
    [
        torch.sigmoid,
        F.logsigmoid,
        lambda y: y.sigmoid() * 1.0,
        lambda y: 1 / (1 + torch.exp(-y)),
        lambda y: y.softmax(dim=1) * 0.5,
    ],
)
def test_values_computed_from_probabilities_are_refused(function):
    with refused("not-logits", kind=ModelError):
        split_model(nn.Sequential(PooledNet(), Last(function)), images(1))


def test_logits_in_the_range_of_probabilities_are_accepted():
    model = PooledNet()
    with torch.no_grad():
        model.fc.weight.mul_(0.01)
        model.fc.bias.fill_(0.5)
    assert split_model(model, images(1)).num_classes == 4


def test_a_model_that_needs_more_than_images_is_refused():
    class WithMetadata(PooledNet):
        def forward(self, batch, age, *, sex=0):
            return super().forward(batch) + age + sex

    with refused("input-not-supported", "batch, age", kind=ModelError):
        split_model(WithMetadata(), images(1))


@pytest.mark.filterwarnings("ignore")
def test_gradients_of_a_quantized_head_are_refused():
    model = torch.ao.quantization.quantize_dynamic(PooledNet().eval(), {nn.Linear}, dtype=torch.qint8)
    with refused("method-mismatch", "fc"):
        maps(model, images(), "gradcam")
    assert maps(model, images(), "scorecam").any()


@pytest.mark.parametrize("method", ["cam", "ablationcam", "guided_gradcam"])
def test_a_method_of_one_layer_refuses_two(method):
    with refused("method-mismatch", 2):
        maps(PooledNet(), images(), method, layers=["features.1", "features.3"])


def test_log_probabilities_are_refused():
    with refused("not-logits", kind=ModelError):
        split_model(nn.Sequential(PooledNet(), nn.LogSoftmax(dim=1)), images(1))


@pytest.mark.parametrize("example", [torch.randn(1, 1, 8, 8), torch.randn(1, 3, 1, 1)], ids=["channels", "size"])
def test_unsupported_images_are_refused(example):
    with refused("input-not-supported", " x ".join(map(str, example.shape[1:])), kind=ModelError):
        split_model(DeepHeadNet(), example)
