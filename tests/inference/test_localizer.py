from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import skimage.data
import torch
from nets import DeepHeadNet, FunctionalNet, PooledNet, images
from pictures import picture
from PIL import Image
from refusals import refused
from small_networks import built, metadata_of

import weakspot as ws
from weakspot.errors import InputError, ModelError
from weakspot.inference.localization import NO_EVIDENCE, NO_OBJECT, SIGNED_ACTIVATIONS
from weakspot.models import normalize_batch, resize_image
from weakspot.models.checkpoint import write_checkpoint
from weakspot.models.run_files import MODEL_FILE

NAMES = ("cat", "dog", "owl", "fox")
BRANCHES = sorted(name for name, method in ws.cams.METHODS.items() if method.inputs == "branches")
ANY_HEAD = sorted(ws.cams.METHODS.keys() - {"cam", *BRANCHES})


def localizer(model=None, **options):
    defaults = {"input_size": 16, "class_names": NAMES}
    return ws.Localizer(model or PooledNet(), **(defaults | options))


class Spotter(torch.nn.Module):
    """A classifier that sees red as class 0 and blue as class 1, and nothing else: its maps are known."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 2, 2, stride=2, bias=False)
        self.fc = torch.nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[1.0, -1, -1], [-1, -1, 1]])[..., None, None].expand(2, 3, 2, 2))
            self.fc.weight.copy_(torch.eye(2))

    def forward(self, batch):
        return self.fc(torch.relu(self.conv(batch)).mean(dim=(2, 3)))


def spotter(**options):
    return ws.Localizer(Spotter(), input_size=32, mean=(0, 0, 0), std=(1, 1, 1), class_names=("red", "blue"), **options)


def with_squares(width=320, height=160):
    """Black, with a red rectangle [80, 40, 160, 120) and a smaller blue one [240, 80, 280, 120)."""
    image = np.zeros((height, width, 3), np.uint8)
    image[40:120, 80:160, 0] = 255
    image[80:120, 240:280, 2] = 255
    return image


@pytest.mark.parametrize("method", ["cam", "gradcam", "gradcam++", "layercam", "xgradcam", "hirescam", "ablationcam"])
def test_convention_boxes_are_in_pixels_of_the_image(method):
    """Convention: xyxy of the original image through the inverse of squashing, right and bottom excluded."""
    found = spotter(method=method, threshold=0.5)(with_squares())
    assert found.label == "red"
    np.testing.assert_allclose(found.box, [80, 40, 160, 120], atol=10)  # a cell of the map is 20 x 10 pixels
    assert found.mask.shape == (160, 320)
    overlap = found.mask[40:120, 80:160].sum() / found.mask.sum()
    assert overlap > 0.8


def test_each_class_has_its_own_box():
    red, blue = spotter(threshold=0.5)(with_squares(), top_k=2)
    assert (red.label, blue.label) == ("red", "blue")
    np.testing.assert_allclose(blue.box, [240, 80, 280, 120], atol=10)
    by_name = spotter(threshold=0.5)(with_squares(), classes=["BLUE"])
    assert by_name.class_index == 1
    np.testing.assert_array_equal(by_name.box, blue.box)


def test_all_regions_or_the_largest():
    image = with_squares()
    image[0:20, 0:40, 0] = 255  # a second, small red region
    assert spotter(threshold=0.5)(image).boxes.shape == (1, 4)
    both = spotter(threshold=0.5, boxes="all")(image)
    assert both.boxes.shape == (2, 4)
    np.testing.assert_array_equal(both.box, spotter(threshold=0.5)(image).box)
    assert both.mask[:20, :40].any()
    assert spotter(threshold=0.5, boxes="all", min_area=0.05)(image).boxes.shape == (1, 4)


@pytest.mark.parametrize("kind", ["path", "text", "PIL", "array"])
def test_all_image_types_give_the_same_result(kind, tmp_path):
    Image.fromarray(picture()).save(tmp_path / "a.png")
    images = {"path": tmp_path / "a.png", "text": str(tmp_path / "a.png"), "PIL": Image.fromarray(picture())}
    one = localizer()
    np.testing.assert_array_equal(one(images.get(kind, picture())).heatmap, one(picture()).heatmap)


def test_a_stream_equals_single_calls_in_order():
    images = [picture(seed, width=20 + seed, height=30) for seed in range(11)]
    one = localizer()
    for batch_size, workers in ((1, 1), (4, 3), (16, 2)):
        streamed = list(one.stream(images, batch_size=batch_size, workers=workers))
        assert [found.width for found in streamed] == [image.shape[1] for image in images]
        for found, image in zip(streamed, images, strict=True):
            alone = one(image)
            assert found.class_index == alone.class_index
            np.testing.assert_allclose(found.heatmap, alone.heatmap, atol=1e-4)


def test_a_stream_reads_only_a_few_batches_ahead():
    taken = []

    def endless():
        while True:
            taken.append(len(taken))
            yield picture(len(taken))

    stream = localizer().stream(endless(), batch_size=2)
    for _ in range(10):
        next(stream)
    stream.close()
    assert len(taken) <= 10 + 6 * 2


def test_an_unreadable_image_is_reported_or_raised_in_order(tmp_path):
    images = [picture(0), tmp_path / "missing.png", picture(1)]
    errors = []
    found = list(localizer().stream(images, batch_size=2, on_error=lambda image, error: errors.append((image, error))))
    assert len(found) == 2
    assert [image for image, _ in errors] == [images[1]]
    assert "missing.png" in errors[0][1].problem
    stream = localizer().stream(images, batch_size=3)
    next(stream)
    with pytest.raises(InputError, match=r"missing\.png"):
        next(stream)


def test_an_empty_or_unreadable_stream_is_empty(tmp_path):
    assert list(localizer().stream([])) == []
    assert list(localizer().stream([tmp_path / "a.png"], on_error=lambda *_: None)) == []


def test_class_maps_of_one_class_or_several():
    one, batch = localizer(), images(3, 16)
    several = one.class_maps(batch, torch.tensor([[0, 1], [2, 3], [0, 2]]))
    assert several.shape == (3, 2, 4, 4)
    torch.testing.assert_close(one.class_maps(batch, torch.tensor([1, 3, 2])), several[:, 1])


def test_threads_share_a_localizer():
    one, images = localizer(DeepHeadNet(16)), [picture(seed) for seed in range(24)]
    expected = [one(image) for image in images]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(one, images))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.heatmap, b.heatmap, atol=1e-5)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("method", ANY_HEAD)
def test_every_method_works_without_gradients_and_with_frozen_parameters(context, method):
    model = DeepHeadNet(16).requires_grad_(False)
    with context():
        found = localizer(model, method=method)(picture())
    assert found.heatmap.shape == (16, 16)


@pytest.mark.parametrize("method", ANY_HEAD)
def test_every_method_works_under_bf16_autocast(method):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert localizer(DeepHeadNet(16), method=method)(picture()).heatmap.shape == (16, 16)


def test_a_module_is_neither_moved_nor_changed():
    model = PooledNet().train()
    strides = [parameter.stride() for parameter in model.parameters()]
    list(localizer(model).stream([picture()] * 3))
    assert model.training
    assert [parameter.stride() for parameter in model.parameters()] == strides
    assert not any(module._forward_hooks for module in model.modules())


def test_without_evidence_the_box_is_the_whole_image_and_a_note_is_added():
    found = spotter()(with_squares() * np.array([0, 1, 0], np.uint8), classes=["red"])
    assert found.notes == (NO_EVIDENCE,)
    assert found.box.tolist() == [0, 0, 320, 160]
    assert found.mask.all()
    assert not found.heatmap.any()


def test_grad_cam_plus_plus_on_signed_activations_adds_a_note():
    signed = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, 4)
    )
    assert SIGNED_ACTIVATIONS in localizer(signed, method="gradcam++")(picture()).notes
    with torch.no_grad():
        signed[0].weight.abs_()
        signed[0].bias.zero_()
    black_and_white = [np.zeros((20, 40, 3), np.uint8), np.full((20, 40, 3), 255, np.uint8)]
    black, white = localizer(signed, method="gradcam++").stream(black_and_white)
    assert (SIGNED_ACTIVATIONS in black.notes, SIGNED_ACTIVATIONS in white.notes) == (True, False)
    signed[0].reset_parameters()
    assert localizer(signed, method="gradcam")(picture()).notes == ()
    assert localizer(FunctionalNet(), method="gradcam++")(picture()).notes == ()


def test_nan_in_the_output_is_refused():
    model = PooledNet()
    one = localizer(model)
    with torch.no_grad():
        model.fc.bias[0] = float("nan")
    with refused("output-not-finite", "this image", kind=ModelError):
        one(picture())
    errors = []
    assert list(one.stream([picture()] * 2, on_error=lambda image, error: errors.append(error))) == []
    assert len(errors) == 2


@pytest.mark.parametrize(
    ("options", "value"),
    [
        pytest.param({"method": "gradcm"}, "gradcm", id="method"),
        pytest.param({"threshold": 0.0}, 0.0, id="threshold 0"),
        pytest.param({"threshold": 1.5}, 1.5, id="threshold 1.5"),
        pytest.param({"boxes": "some"}, "some", id="boxes"),
        pytest.param({"min_score": 1.5}, 1.5, id="minimum score"),
        pytest.param({"refine": "grabcutt"}, "grabcutt", id="refinement"),
        pytest.param({"boxes": "all", "min_area": 2}, 2, id="minimum area"),
        pytest.param({"class_names": ("a", "b")}, 2, id="class names"),
        pytest.param({"class_names": "cats"}, "cats", id="a string of as many letters"),
        pytest.param({"layer": "features.9"}, "features.9", id="layer"),
        pytest.param({"layer": 4}, "int", id="number of a layer"),
        pytest.param({"layer": torch.nn.ReLU()}, "ReLU", id="layer itself"),
        pytest.param({"mean": 0.5}, 0.5, id="one mean"),
        pytest.param({"device": "warp"}, "warp", id="device"),
        pytest.param({"mean": (0.5,), "std": (0.5, 0.5)}, 0.5, id="mean and std"),
        pytest.param({"input_size": 0}, 0, id="input size"),
        pytest.param({"output_stride": 16}, "stride", id="stride of a module"),
        pytest.param({"backend": "onxx"}, "onxx", id="backend"),
        pytest.param({"quality": "fats"}, "fats", id="quality"),
    ],
)
def test_a_wrong_option_is_refused(options, value):
    with pytest.raises(ws.WeakspotError) as refusal:
        localizer(**options)
    assert str(value) in refusal.value.problem


def test_an_object_of_another_type_is_not_a_model():
    with refused("not-a-model", "list", kind=ModelError):
        ws.Localizer([1, 2])


class OneLogit(Spotter):
    """One logit: red evidence only, below 0 if there is little."""

    def forward(self, batch):
        return 2 * super().forward(batch)[:, :1] - 3


def one_logit(**options):
    return ws.Localizer(OneLogit(), input_size=32, mean=(0, 0, 0), std=(1, 1, 1), quality="plain", **options)


def red(fraction):
    image = np.zeros((100, 100, 3), np.uint8)
    image[:, : round(100 * fraction), 0] = 255
    return image


@pytest.mark.parametrize(("names", "expected"), [(None, ("0", "1")), (("fine", "red"), ("fine", "red"))])
def test_a_model_with_one_logit_has_two_classes(names, expected):
    found = one_logit(class_names=names)
    assert found.class_names == expected
    assert found.layers == ("conv",)
    low, high = found.batch([red(0.1), red(0.9)])
    assert (low.label, high.label) == expected
    assert high.score > 0.9
    assert high.box.tolist() == pytest.approx([0, 0, 90, 100], abs=4)
    (other,) = found(red(0.9), top_k=2).others
    assert other.score + high.score == pytest.approx(1)


def test_a_model_with_one_logit_and_one_name_has_that_class():
    found = one_logit(class_names=["red"])
    low, high = found.batch([red(0.1), red(0.9)])
    assert (low.label, high.label) == ("red", "red")
    assert low.score < 0.5 < high.score
    assert (len(low.boxes), len(high.boxes)) == (0, 1)
    assert low.notes == (NO_OBJECT,)


def test_another_number_of_names_is_refused_for_one_logit():
    with refused("class-names-invalid", 2, 3):
        one_logit(class_names=["a", "b", "c"])
    with refused("class-names-invalid", "1 name", 2):
        one_logit(class_names=["a", "b"], multi_label=True)


def test_multi_label_scores_are_independent():
    image = with_squares()
    image[:, :, 2] |= 128
    scores = [spotter(multi_label=choice)(image, classes=["red", "blue"]) for choice in (True, False, None)]
    logits = spotter().model.double()(torch.from_numpy(image / 255.0).permute(2, 0, 1)[None])[0]
    independent, softmax, default = ([found.score, found.others[0].score] for found in scores)
    assert independent == pytest.approx(logits.sigmoid().tolist(), abs=0.01)
    assert softmax == pytest.approx(logits.softmax(dim=0).tolist(), abs=0.01)
    assert softmax == default


@pytest.mark.filterwarnings("ignore")
def test_a_torchscript_module_is_refused():
    with refused("not-a-model", "TorchScript", kind=ModelError):
        ws.Localizer(torch.jit.trace(PooledNet().eval(), images()))


def test_a_compiled_model_is_read_as_the_module_itself():
    model = PooledNet().eval()
    assert ws.Localizer(torch.compile(model, backend="eager"), input_size=16).model is model


@pytest.mark.parametrize(
    ("request_", "code", "value"),
    [
        pytest.param({"classes": ["dgo"]}, "unknown-class", "dgo", id="name"),
        pytest.param({"classes": [4]}, "unknown-class", 4, id="index"),
        pytest.param({"classes": [-1]}, "unknown-class", -1, id="negative"),
        pytest.param({"classes": []}, "classes-empty", "", id="none"),
        pytest.param({"classes": [1.7]}, "unknown-class", 1.7, id="fraction"),
        pytest.param({"top_k": 0}, "out-of-range", 0, id="top_k"),
    ],
)
def test_a_wrong_class_is_refused(request_, code, value):
    with refused(code, value):
        localizer()(picture(), **request_)


def test_a_cat_is_found_with_the_packaged_model(lite0):
    found = lite0(skimage.data.chelsea(), top_k=5)
    assert found.label == "Egyptian cat"
    assert len(list(found)) == 5
    x1, y1, x2, y2 = found.box
    assert x1 < 150  # the cat's eyes
    assert x2 > 300
    assert y1 < 120 < y2
    assert found.mask[120, 160]
    assert not found.mask[150, 440]  # the blanket behind
    assert lite0.layers == ("bn2",)


def test_options_may_be_numpy_values():
    one = localizer(
        mean=np.full(3, 0.5), std=np.full(3, 0.25), class_names=np.array(NAMES), threshold=np.float32(0.25),
        input_size=np.int64(16),
    )  # fmt: skip
    assert '"threshold": 0.25' in one(picture(), classes=np.array([2])).to_json()


def test_one_class_needs_no_list():
    assert localizer()(picture(), classes="owl").label == "owl"
    assert localizer()(picture(), classes=NAMES.index("owl")).label == "owl"


@pytest.mark.parametrize("image", [None, ["a.jpg"], torch.zeros(3, 8, 8)])
def test_an_object_of_another_type_is_not_an_image(image):
    with pytest.raises(InputError, match=type(image).__name__):
        localizer()(image)


def test_a_single_image_is_not_a_stream():
    with refused("images-invalid", "str"):
        next(localizer().stream("a.jpg"))


@pytest.mark.parametrize(
    ("images", "classes", "value"),
    [
        pytest.param(torch.rand(3, 16, 16), torch.tensor([0]), (3, 16, 16), id="one image"),
        pytest.param(torch.zeros(1, 3, 16, 16).byte(), torch.tensor([0]), "uint8", id="bytes"),
        pytest.param(np.zeros((1, 3, 16, 16)), torch.tensor([0]), "ndarray", id="array"),
        pytest.param(torch.rand(1, 3, 16, 16), [0], "list", id="list of classes"),
        pytest.param(torch.rand(1, 3, 16, 16), torch.tensor([0.0]), "float32", id="fractions"),
    ],
)
def test_class_maps_of_other_tensors_are_refused(images, classes, value):
    with refused("shape-mismatch", value):
        localizer().class_maps(images, classes)


@pytest.mark.parametrize(
    "options", [{"channels": 0}, {"channels": -1}, {"input_size": "16"}, {"input_size": (16, 16, 3)}]
)
def test_invalid_numbers_are_refused(options):
    with pytest.raises(InputError):
        localizer(**options)


def test_a_method_that_does_not_fit_is_refused_before_any_image():
    with refused("method-mismatch"):
        localizer(DeepHeadNet(16), method="cam")


@pytest.mark.parametrize("method", BRANCHES)
def test_methods_of_branches_need_a_network_with_branches(method):
    with refused("method-mismatch", ws.cams.METHODS[method].network):
        localizer(method=method)


def run_folder(folder, method="acol", **changes):
    """A run of a network with random weights, and that network."""
    options = {"width": 8} | {k: changes.pop(k) for k in ("multi_label", "backbone") if k in changes}
    found = built(method, **options)
    write_checkpoint(folder / MODEL_FILE, found.network.state_dict(), metadata_of(found, NAMES, **changes))
    return found.network


def as_input(image, one):
    return normalize_batch([resize_image(Image.fromarray(image), one.preprocessing)], one.preprocessing)


@pytest.mark.parametrize("as_given", [str, lambda folder: folder, lambda folder: folder / MODEL_FILE])
def test_a_run_brings_its_class_names_method_and_threshold(as_given, tmp_path):
    model = run_folder(tmp_path)
    one = ws.Localizer(as_given(tmp_path))
    assert (one.method, one.threshold, one.class_names) == ("acol", 0.35, NAMES)
    assert one.layers == ("head.branch_a", "head.branch_b")
    found = one(picture())
    with torch.no_grad():
        logits = model(as_input(picture(), one))
    assert found.class_index == int(logits.argmax())
    assert found.score == pytest.approx(float(logits.softmax(dim=1).amax()), rel=1e-4)
    assert found.heatmap.max() == 1


@pytest.mark.parametrize("method", ["acol", "acol_a", "acol_b"])
def test_class_maps_of_each_branch(method, tmp_path):
    model, kept = run_folder(tmp_path), []
    one = ws.Localizer(tmp_path, method=method)
    for branch in (model.head.branch_a, model.head.branch_b):
        branch.register_forward_hook(lambda _module, _inputs, output: kept.append(output.detach()[:, 2:3]))
    batch = as_input(picture(), one)
    model(batch)
    stretched = [(m - m.amin()) / (m.amax() - m.amin()) for m in kept]
    expected = {"acol_a": kept[0], "acol_b": kept[1], "acol": torch.maximum(*stretched)}[method]
    found = one.class_maps(batch, torch.tensor([[2]]))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert one.threshold == (0.35 if method == "acol" else 0.2)  # found out for the run's own method alone


@pytest.mark.parametrize("method", ["cam", "spg", "ts_cam"])
def test_runs_use_the_method_they_were_trained_for(method, tmp_path):
    model = run_folder(tmp_path, method)
    one = ws.Localizer(tmp_path)
    assert one.method == ("cam" if method == "spg" else method)
    batch = as_input(picture(), one)
    means = one.class_maps(batch, torch.tensor([[0, 1, 2, 3]])).mean(dim=(2, 3))
    with torch.no_grad():
        expected = model(batch)
        if method == "cam":
            expected = expected - model.head.classifier.bias
        if method == "ts_cam":
            kept = []
            model.trunk.attention.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
            model(batch)
            expected = (model.head.semantic(model.trunk(batch)) * kept[0]).mean(dim=(2, 3))
    torch.testing.assert_close(means, expected, rtol=1e-3, atol=1e-5)


def test_options_take_precedence_over_the_run(tmp_path):
    run_folder(tmp_path)
    one = ws.Localizer(tmp_path, threshold=0.5, class_names=list("abcd"), output_stride=8, input_size=32)
    assert (one.threshold, one.class_names) == (0.5, ("a", "b", "c", "d"))
    assert one.class_maps(torch.zeros(1, 3, 32, 32), torch.tensor([0])).shape == (1, 4, 4)
    assert ws.Localizer(tmp_path, method="gradcam").threshold == 0.15


def test_the_background_class_has_no_box(tmp_path):
    model = run_folder(tmp_path, "cam", background_index=3)
    with torch.no_grad():
        model.head.classifier.bias[3] = 100
    run_weights = model.state_dict()
    standing = metadata_of(built("cam", width=8), NAMES, background_index=3)
    write_checkpoint(tmp_path / MODEL_FILE, run_weights, standing)
    found = ws.Localizer(tmp_path)(picture(), top_k=2)
    assert (found.label, found.boxes.shape, found.notes) == ("fox", (0, 4), (NO_OBJECT,))
    assert found.others[0].boxes.shape == (1, 4)


def test_a_multi_label_run_returns_the_classes_that_are_present(tmp_path):
    found = built("cam", width=8, multi_label=True)
    with torch.no_grad():
        found.network.head.classifier.weight.mul_(0.01)
        found.network.head.classifier.bias.copy_(torch.tensor([-5.0, 4.0, -5.0, 5.0]))
    standing = metadata_of(found, NAMES)
    write_checkpoint(tmp_path / MODEL_FILE, found.network.state_dict(), standing)
    one = ws.Localizer(tmp_path)
    assert [each.label for each in one(picture())] == ["fox", "dog"]
    assert [round(each.score, 2) for each in one(picture())] == [0.99, 0.98]
    (cat,) = one(picture(), classes=["cat"])
    assert cat.boxes.shape == (1, 4)
    assert cat.heatmap.any()
    with torch.no_grad():
        found.network.head.classifier.bias.fill_(-5)
    write_checkpoint(tmp_path / MODEL_FILE, found.network.state_dict(), standing)
    (nothing,) = ws.Localizer(tmp_path).stream([picture()])
    assert (nothing.boxes.shape, nothing.notes) == ((0, 4), (NO_OBJECT,))


def test_weights_for_a_run_are_refused(tmp_path):
    run_folder(tmp_path)
    with refused("options-conflict", tmp_path):
        ws.Localizer(tmp_path, weights="other.pth")


@pytest.mark.parametrize("method", ["cam", "ts_cam"])
def test_a_method_that_a_run_was_not_trained_for_is_refused(method, tmp_path):
    run_folder(tmp_path)
    with refused("method-mismatch"):
        ws.Localizer(tmp_path, method=method)


def test_an_error_does_not_keep_the_image_alive(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-200])  # its decoder raises, and is the cause
    errors = []
    list(localizer().stream([tmp_path / "a.jpg"], on_error=lambda image, error: errors.append(error)))
    assert errors[0].__traceback__ is None
    assert errors[0].__cause__ is errors[0].__context__ is None


def test_an_accepted_image_above_the_default_limit_can_be_plotted(monkeypatch):
    monkeypatch.setattr("weakspot.inference.localization.MAX_PIXELS", 100)
    assert localizer(max_pixels=10_000)(picture()).plot().size == (40, 20)


def test_a_logit_of_minus_infinity_is_a_probability_of_zero():
    """A logit of minus infinity is a probability of 0."""

    class Masked(PooledNet):
        def forward(self, images):
            return super().forward(images) + torch.tensor([0.0, -torch.inf, 0.0, 0.0])

    found = localizer(Masked(), layer="features.3")(picture(), top_k=3)
    assert sum(one.score for one in found) == pytest.approx(1)
    assert "dog" not in {one.label for one in found}
