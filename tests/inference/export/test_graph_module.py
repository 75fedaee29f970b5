from dataclasses import replace

import numpy as np
import pytest
import torch
from activation_nets import ActivationNet, Recipe
from nets import DeepHeadNet, PooledNet
from refusals import refused
from small_networks import built
from torch import nn

from weakspot.data import Preprocessing
from weakspot.inference.backends import ClassSelection
from weakspot.inference.backends.onnx_export import to_onnx
from weakspot.inference.backends.onnx_metadata import CLASSES, IMAGES
from weakspot.inference.backends.onnx_session import Session
from weakspot.inference.backends.torch import ClassThresholds, TorchBackend
from weakspot.inference.export.graph_module import GraphModule, check_exportable, is_exportable
from weakspot.models import ForegroundHead, split_model

FRAME = Preprocessing(8, 8, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
ONE_PASS = ("cam", "gradcam", "gradcam++", "layercam", "xgradcam", "hirescam", "counterfactual")
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)


def backend_of(model, frame=FRAME, **options):
    example = torch.randn(1, 3, frame.height, frame.width)
    return TorchBackend(split_model(model.eval(), example, **options), frame)


def graph_of(module, size):
    example = {
        IMAGES: torch.randint(256, (2, size, size, 3), dtype=torch.uint8),
        CLASSES: torch.tensor([[-1, 1], [0, -2]]),
    }
    # Names of further methods' maps, which a file has one of.
    names = [name if name not in module.outputs[:i] else f"{name}{i}" for i, name in enumerate(module.outputs)]
    dynamic = {IMAGES: {0: "batch"}, CLASSES: {0: "batch", 1: "selected"}}
    found = to_onnx(module.eval(), example, names, dynamic=dynamic, metadata={})
    return Session(found), names


def assert_same(backend, methods, size, images=PIXELS, at=4):
    """For a batch and for one image, for classes by rank and by index."""
    session, names = graph_of(GraphModule(backend, methods), size)
    for batch in (images, images[:1]):
        expected = backend.run(list(batch), methods, ClassSelection(top_k=3))
        ranked = np.tile([-1, -2, -3], (len(batch), 1))
        for classes in (ranked, expected[0].classes):
            found = session.run({IMAGES: batch, CLASSES: classes}, names)
            np.testing.assert_array_equal(found["chosen"], expected[0].classes)
            np.testing.assert_allclose(found["logits"], expected[0].logits, rtol=1e-4, atol=1e-5)
            maps = [found["maps"], *(found[name] for name in names[at:] if name.startswith("reference_maps"))]
            for one, other in zip(maps, expected, strict=True):
                np.testing.assert_allclose(one, other.maps, rtol=1e-4, atol=1e-5 * np.ptp(other.maps) + 1e-7)
            np.testing.assert_array_equal(found["has_negative_activations"], expected[0].has_negative_activations)
            if "evidence" in names:  # else the maps are those of the method
                own_maps = expected[0].evidence
                np.testing.assert_allclose(found["evidence"], own_maps, rtol=1e-4, atol=1e-5 * np.ptp(own_maps))
            assert ("evidence" in names) == (len(backend.classifier.intermediates) > 0)
            if expected[0].foreground is not None:
                np.testing.assert_allclose(found["foreground"], expected[0].foreground, atol=1e-5)


def test_single_pass_methods_are_the_same_in_a_graph(one_thread):
    assert_same(backend_of(PooledNet()), ONE_PASS, 8)


@pytest.mark.exhaustive
@pytest.mark.long
@pytest.mark.parametrize(
    ("network", "methods"),
    [
        pytest.param("acol", ("acol", "acol_a", "acol_b"), id="acol with erasing"),
        pytest.param("ts_cam", ("ts_cam",), id="attention"),
        pytest.param("psol", ("psol",), id="drawn boxes"),
    ],
)
def test_weakspot_networks_are_the_same_in_a_graph(network, methods, one_thread):
    more = {"acol": {"width": 8}, "psol": {"backbone": "test_resnet", "teacher": built("cam", "test_resnet").config}}
    found = built(network, **more.get(network, {}))
    if network == "psol":  # its classifier begins at 0, where all classes are alike
        torch.nn.init.normal_(found.network.classifier.head.classifier.weight)
    images = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    assert_same(backend_of(found.network, found.preprocessing), methods, 64, images)


@pytest.mark.long
def test_propagation_foreground_and_class_thresholds_are_in_the_graph(one_thread):
    found = built("cam", "test_resnet")
    plain = backend_of(found.network, found.preprocessing, propagate=True)
    channels = sum(level.shape[1] for level in plain.classifier.run(torch.randn(1, 3, 64, 64)).intermediates)
    head = ForegroundHead(channels).eval()
    spread = plain.with_foreground_head(head)
    levelled = replace(spread, class_thresholds=ClassThresholds("cam", (0.3, 0.6, 0.5, 0.7), 0.45))
    images = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    assert_same(levelled, ("cam",), 64, images)
    spread_maps, levelled_maps = (
        one.run(list(images), ["cam"], ClassSelection())[0].maps for one in (spread, levelled)
    )
    assert not np.allclose(spread_maps, levelled_maps)


@pytest.mark.parametrize("name", ["eigencam", "scorecam", "ablationcam", "guided_gradcam"])
def test_methods_that_are_not_one_graph_are_refused(name):
    with refused("method-unsupported", name):
        check_exportable(backend_of(PooledNet()).classifier, name)


class PooledDeepNet(PooledNet):
    """Average pooling to 1 x 1, as a module, and two linear layers with a ReLU in place: as VGG's head, but smaller."""

    def __init__(self):
        super().__init__()
        rectified = nn.ReLU(inplace=True)
        self.fc = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 7), rectified, nn.Linear(7, 4))

    def forward(self, images):
        return self.fc(self.features(images))


@pytest.mark.exhaustive
@pytest.mark.long
@pytest.mark.parametrize("net", [DeepHeadNet, PooledDeepNet])
def test_gradients_of_a_nonlinear_head_are_in_the_graph(net, one_thread):
    assert_same(backend_of(net()), ("gradcam++", "hirescam"), 8)


@pytest.mark.exhaustive
@pytest.mark.parametrize("activation", ["F.relu in place", "leaky"])
def test_gradients_behind_a_functional_activation_are_in_the_graph(activation, one_thread):
    recipe = Recipe(activation, "average", 1, normalized=True, scale=4.0, seed=1)
    assert_same(backend_of(ActivationNet(recipe, torch.float32)), ("gradcam", "gradcam++"), 8)


class Shortcut(DeepHeadNet):
    """Something leads past the layer to the logits."""

    def forward(self, images):
        return super().forward(images) + images.mean(dim=(2, 3))[:, :1]


def test_logits_that_bypass_the_layer_are_refused():
    backend = backend_of(Shortcut(), layers=["features"])
    with refused("layer-unsupported", "features"):
        GraphModule(backend, ["gradcam"])


def test_is_exportable():
    several = backend_of(PooledNet(), layers=["features.1", "features.3"]).classifier
    with refused("options-conflict", 2):
        check_exportable(several, "gradcam")
    assert not is_exportable(several, "gradcam")
    assert not is_exportable(backend_of(PooledNet()).classifier, "acol")
    assert is_exportable(backend_of(PooledNet()).classifier, "layercam")
