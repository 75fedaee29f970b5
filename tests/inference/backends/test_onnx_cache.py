import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from activation_nets import ActivationNet, Recipe
from filelock import FileLock
from nets import DeepHeadNet, FunctionalNet, PooledNet
from refusals import refused
from small_graphs import random_images, run_folder

import weakspot as ws
from weakspot import concurrency
from weakspot.data import Preprocessing
from weakspot.errors import InputError, ModelError
from weakspot.inference import pipeline
from weakspot.inference.backends import ClassSelection, onnx_cache, onnx_session
from weakspot.inference.backends.onnx_cache import cache_folder, compile_onnx, content_hash, select_backend
from weakspot.inference.backends.torch import TorchBackend
from weakspot.models import split_model

FRAME = Preprocessing(8, 8)
IMAGES = list(np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch, one_thread):
    monkeypatch.setenv("WEAKSPOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WEAKSPOT_BACKEND")


@pytest.fixture(scope="module")
def cache_of_pooled(tmp_path_factory, one_thread):
    """A cache in which the graph of PooledNet lies: an export takes seconds, and most tests are of what comes after."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEAKSPOT_CACHE", str(folder))
        compile_onnx(pooled(), export=True)
    return folder


@pytest.fixture
def pooled_file(cache_of_pooled, tmp_path):
    """The graph of PooledNet in the test's own cache."""
    shutil.copytree(cache_of_pooled, tmp_path / "cache")
    (file,) = cache_folder().glob("*.onnx")
    return file


def deep_head_behind(activation):
    """A functional activation, and a head of two layers."""
    recipe = Recipe(activation, "average", 1, normalized=True, scale=4.0, seed=1)
    return lambda: ActivationNet(recipe, torch.float32)


def pooled():
    """PooledNet, with the same weights in every test."""
    torch.manual_seed(0)
    return backend_of(PooledNet())


def backend_of(model, **options):
    return TorchBackend(split_model(model.eval(), torch.randn(1, 3, 8, 8), **options), FRAME)


def assert_same(one, other, methods):
    for asked in (ClassSelection(top_k=2), ClassSelection(np.array([[0, 3]] * 3))):
        for found, expected in zip(other.run(IMAGES, methods, asked), one.run(IMAGES, methods, asked), strict=True):
            np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(found.maps, expected.maps, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("net", "methods"),
    [
        pytest.param(PooledNet, ["cam", "gradcam++", "eigencam", "scorecam", "ablationcam"], id="pooling and linear"),
        pytest.param(DeepHeadNet, ["gradcam", "gradcam++", "layercam", "hirescam"], id="a head that is differentiated"),
        pytest.param(FunctionalNet, ["gradcam", "layercam"], id="a ReLU that is no module"),
        pytest.param(deep_head_behind("F.relu in place"), ["gradcam", "ablationcam"], id="ReLU and a deep head"),
        pytest.param(deep_head_behind("silu in place"), ["gradcam", "ablationcam"], id="SiLU and a deep head"),
    ],
)
def test_compiled_classifiers_return_the_same_maps(net, methods):
    one = backend_of(net())
    other = compile_onnx(one, export=True)
    assert (one.name, other.name) == ("torch", "onnx")
    calls = []
    handle = one.classifier.model.features[0].register_forward_hook(
        lambda module, images, out: calls.append(len(images[0]))
    )
    other.run(IMAGES, methods[:1], ClassSelection())
    handle.remove()
    assert not [count for count in calls if count > 1]  # at most the stand-in goes through PyTorch's trunk
    assert_same(one, other, methods)


def test_the_head_runs_on_a_small_dummy_image(pooled_file):
    assert compile_onnx(backend_of(DeepHeadNet(8)), export=True).classifier.accelerated.dummy_size is not None
    assert compile_onnx(pooled(), export=False).classifier.accelerated.dummy_size is None  # no head is run


class Shortcut(PooledNet):
    """Something leads past the layer to the logits, through a head that is no linear one."""

    def forward(self, images):
        return torch.tanh(super().forward(images)) + images.mean(dim=(2, 3))[:, :1]


def test_logits_that_bypass_the_layer_are_differentiated_in_pytorch():
    one = backend_of(Shortcut(), layers=["features.3"])
    other = compile_onnx(one, export=True)
    assert other.classifier.head is None
    assert other.classifier.accelerated.dummy_size is None
    assert_same(one, other, ["gradcam"])


def test_images_of_another_size_stay_in_pytorch(pooled_file):
    other = compile_onnx(pooled(), export=False)
    images = torch.randn(2, 3, 16, 16)
    assert torch.equal(other.classifier.run(images).logits, other.classifier.model(images))


def test_a_graph_is_exported_once(monkeypatch):
    one = backend_of(PooledNet())
    assert compile_onnx(one, export=False) is one
    compile_onnx(one, export=True)
    (file,) = cache_folder().glob("*.onnx")
    monkeypatch.setattr(onnx_cache, "_export", lambda *_: pytest.fail("exported again"))
    assert compile_onnx(one, export=False).name == "onnx"
    assert compile_onnx(one, export=True).name == "onnx"
    assert list(cache_folder().glob("*.onnx")) == [file]


def test_the_hash_depends_on_weights_layers_and_input_size():
    one, images = backend_of(PooledNet()), torch.zeros(2, 3, 8, 8)
    first = content_hash(one.classifier, images)
    assert content_hash(one.classifier, images) == first
    assert content_hash(one.classifier, torch.zeros(2, 3, 16, 16)) != first
    assert content_hash(backend_of(one.classifier.model, layers=["features.0"]).classifier, images) != first
    with torch.no_grad():
        one.classifier.model.fc.bias[0] += 1e-3
    assert content_hash(one.classifier, images) != first


def test_a_damaged_graph_is_reported_and_removed(pooled_file):
    one = pooled()
    pooled_file.write_bytes(b"damaged")
    with refused("damaged-file", pooled_file, kind=ModelError):
        compile_onnx(one, export=True)
    assert compile_onnx(one, export=True).name == "onnx"


def test_auto_ignores_a_damaged_graph(pooled_file, caplog):
    one = pooled()
    pooled_file.write_bytes(b"damaged")
    assert select_backend(one, "auto", weights_frozen=True) == (one, False)
    assert "the model stays in PyTorch" in caplog.text


def test_an_unwritable_cache_is_reported_and_a_stream_continues(tmp_path, monkeypatch, caplog):
    (tmp_path / "cache").write_text("a file, where a folder is to be")
    with refused("not-writable", "WEAKSPOT_CACHE"):
        compile_onnx(backend_of(PooledNet()), export=True)
    monkeypatch.setattr(pipeline, "EXPORT_AFTER_IMAGES", 1)
    (tmp_path / "run").mkdir()
    one = ws.Localizer(run_folder(tmp_path / "run", quality="plain"))
    assert len(list(one.stream(random_images(3), batch_size=1))) == 3
    assert "the model stays in PyTorch: Cannot write to the cache folder" in caplog.text


def test_a_second_process_waits_for_the_export(pooled_file, monkeypatch):
    one = pooled()
    made = pooled_file.rename(pooled_file.with_suffix(".made"))
    monkeypatch.setattr(onnx_cache, "_export", lambda *_: pytest.fail("exported twice"))
    with ThreadPoolExecutor(1) as threads:
        with FileLock(pooled_file.with_suffix(".lock")):  # the other one is at it
            waiting = threads.submit(compile_onnx, one, export=True)
            time.sleep(0.3)
            assert not waiting.done()
            made.rename(pooled_file)
        assert waiting.result(60).name == "onnx"


def test_select_backend(monkeypatch):
    one = backend_of(PooledNet())
    assert select_backend(one, "torch", weights_frozen=True) == (one, False)
    assert select_backend(one, "auto", weights_frozen=False) == (one, False)
    assert select_backend(one, "auto", weights_frozen=True) == (one, True)
    monkeypatch.setenv("WEAKSPOT_BACKEND", "torch")
    assert select_backend(one, "auto", weights_frozen=True) == (one, False)
    found, may_export = select_backend(one, "onnx", weights_frozen=True)
    assert (found.name, may_export) == ("onnx", False)
    monkeypatch.delenv("WEAKSPOT_BACKEND")
    found, may_export = select_backend(one, "auto", weights_frozen=True)
    assert (found.name, may_export) == ("onnx", False)


def test_without_onnxruntime_the_model_stays_in_pytorch(monkeypatch):
    one = backend_of(PooledNet())
    monkeypatch.setattr(onnx_cache, "find_spec", lambda name: None)
    assert select_backend(one, "auto", weights_frozen=True) == (one, False)
    with refused("backend-unavailable", kind=ModelError):
        select_backend(one, "onnx", weights_frozen=True)


@pytest.mark.long
def test_a_localizer_exports_after_enough_images(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(pipeline, "EXPORT_AFTER_IMAGES", 4)
    one = ws.Localizer(run_folder(tmp_path, quality="plain"))
    images = random_images(6)
    assert one.backend == "torch"
    with caplog.at_level("INFO", "weakspot"):
        found = list(one.stream(images, batch_size=3))
    assert one.backend == "onnx"
    assert "exporting the model for onnxruntime, once" in caplog.text
    in_torch = ws.Localizer(tmp_path, backend="torch")
    for localized, image in zip(found, images, strict=True):
        np.testing.assert_allclose(localized.heatmap, in_torch(image).heatmap, atol=1e-4)
    assert ws.Localizer(tmp_path).backend == "onnx"  # from the cache


@pytest.fixture(scope="module")
def cache_of_both(tmp_path_factory):
    """One cache for two methods: their graph is the same."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.long
@pytest.mark.parametrize("method", ["cam", "gradcam++"])
def test_a_stream_in_onnxruntime_equals_single_calls_in_order(tmp_path, cache_of_both, monkeypatch, method):
    monkeypatch.setenv("WEAKSPOT_CACHE", str(cache_of_both))
    monkeypatch.setattr(onnx_session, "available_cores", lambda: 2)
    monkeypatch.setattr(concurrency, "available_cores", lambda: 2)
    one = ws.Localizer(run_folder(tmp_path), method=method, quality="balanced", backend="onnx")
    images = [*random_images(5), tmp_path / "missing.png", *random_images(4, (30, 40), seed=1)]
    failed = []
    found = list(one.stream(images, batch_size=4, on_error=lambda image, error: failed.append(image)))
    assert failed == [images.pop(5)]
    for localized, image in zip(found, images, strict=True):
        alone = one(image)
        assert (localized.class_index, localized.width) == (alone.class_index, alone.width)
        np.testing.assert_allclose(localized.heatmap, alone.heatmap, atol=1e-4)
    with pytest.raises(InputError, match=r"missing\.png"):
        list(one.stream([tmp_path / "missing.png"]))


def test_pytorch_uses_one_thread_in_single_threaded_batches(pooled_file, monkeypatch):
    monkeypatch.setattr(onnx_session, "available_cores", lambda: 2)
    torch.set_num_threads(2)
    backend = compile_onnx(pooled(), export=False)
    alone, seen = backend.single_threaded(), []
    session = alone.classifier.accelerated.session
    run = session.run
    monkeypatch.setattr(session, "run", lambda *inputs: seen.append(torch.get_num_threads()) or run(*inputs))
    alone.run(IMAGES, ["cam"], ClassSelection())
    assert (seen, torch.get_num_threads()) == ([1], 2)
    assert_same(backend, alone, ["cam", "gradcam++"])
    in_torch = backend_of(PooledNet())
    assert in_torch.single_threaded() is in_torch
    head_in_torch = compile_onnx(backend_of(DeepHeadNet()), export=True).single_threaded()
    assert not head_in_torch.limit_threads  # one thread at a time runs it, on all cores


def test_a_model_that_cannot_be_exported_stays_in_pytorch(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(pipeline, "EXPORT_AFTER_IMAGES", 1)

    def refuse(*_):
        raise ModelError("export-failed", "It has no graph.")

    monkeypatch.setattr(onnx_cache, "_export", refuse)
    one = ws.Localizer(run_folder(tmp_path, quality="plain"))
    assert len(list(one.stream(random_images(3), batch_size=1))) == 3
    assert one.backend == "torch"
    assert caplog.text.count("stays in PyTorch: It has no graph.") == 1
