import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from refusals import refused
from small_graphs import NAMES, exported, random_images, run_folder

import weakspot as ws
from weakspot.errors import ModelError
from weakspot.inference.backends import ClassSelection, onnx
from weakspot.inference.backends.onnx_metadata import OnnxMetadata
from weakspot.inference.export import export, parity
from weakspot.inference.export.parity import Difference, check_parity, compare_backends


@pytest.fixture(scope="module")
def graph(one_thread, exported_run):
    """A run's file, and the run in PyTorch."""
    outcome, run = exported_run
    return outcome, run, ws.Localizer(outcome.path, uncertainty=True)


def test_a_file_localizes_like_the_run(graph):
    _, run, one = graph
    assert (one.method, one.quality, one.threshold, one.class_names) == ("cam", "fast", 0.35, NAMES)
    assert one.backend == "onnx"
    for image in random_images(seed=3):
        expected, found = (localizer(image, top_k=2) for localizer in (run, one))
        assert found.label == expected.label
        assert [other.label for other in found.others] == [other.label for other in expected.others]
        assert found.score == pytest.approx(expected.score, abs=0.01)
        # Pillow squashes, not torch: pixels differ by 2 of 255 at most.
        assert np.abs(found.heatmap - expected.heatmap).mean() < 0.01
        assert found.uncertainty is not None


def test_a_file_equals_pytorch_on_the_same_pixels(graph):
    outcome, run, one = graph
    assert max(outcome.difference.logits, outcome.difference.maps) < 1e-4
    assert outcome.difference.images == 3
    squashed = [run.resize(Image.fromarray(image)) for image in random_images(seed=4)]
    (expected,) = run.class_maps_of(squashed, np.array([[2, 0]] * 3), ["cam"])
    (found,) = one.class_maps_of(squashed, np.array([[2, 0]] * 3), ["cam"])
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-4)
    np.testing.assert_array_equal(found.classes, expected.classes)


def test_a_stream_of_a_file_equals_single_calls(graph):
    *_, one = graph
    images = random_images(5, seed=5)
    for streamed, image in zip(one.stream(images, batch_size=2), images, strict=True):
        np.testing.assert_allclose(streamed.heatmap, one(image).heatmap, atol=1e-5)


@pytest.mark.parametrize("quality", ["plain", "balanced", "best"])
def test_a_quality_that_needs_what_a_file_lacks_is_refused(graph, quality):
    outcome, _, _ = graph  # exported with quality fast, without a foreground head
    with refused("options-conflict", quality):
        ws.Localizer(outcome.path, quality=quality)


def test_inputs_outputs_and_metadata_of_a_file(graph):
    outcome, _, one = graph
    session = one._pipeline.backend.session
    assert session.inputs == {"images": ["batch", 64, 64, 3], "classes": ["batch", "selected"]}
    assert session.outputs["logits"] == ["batch", 4]
    metadata = outcome.metadata
    assert isinstance(metadata, OnnxMetadata)
    assert (metadata.source, metadata.reference_method) == (outcome.path.parent.name, "layercam")
    assert not metadata.int8


def test_no_torch_is_imported_by_a_file_and_the_command_line_starts_at_once(graph, tmp_path):
    outcome, *_ = graph
    image = tmp_path / "photo.png"
    Image.fromarray(random_images()[0]).save(image)
    script = f"""
import sys
from weakspot.cli.app import main
code = main(["localize", {str(image)!r}, "--model", {str(outcome.path)!r}, "--output", {str(tmp_path / "out")!r}])
heavy = {{"torch", "torchvision", "timm", "lightning", "numba", "scipy", "skimage", "matplotlib"}}
print(code, sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
    assert (tmp_path / "out" / "boxes.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("options", "code", "value"),
    [
        ({"method": "gradcam"}, "method-mismatch", "gradcam"),
        ({"quality": "plain"}, "options-conflict", "plain"),
        ({"layer": "head"}, "options-conflict", "head"),
        ({"output_stride": 8}, "options-conflict", 8),
        ({"device": "cuda"}, "options-conflict", "cuda"),
        ({"backend": "torch"}, "options-conflict", "torch"),
        ({"class_names": ["one"]}, "class-names-invalid", 1),
    ],
)
def test_options_that_a_file_does_not_support_are_refused(graph, options, code, value):
    with refused(code, value):
        ws.Localizer(graph[0].path, **options)


def test_a_file_offers_the_reference_method(graph):
    image = random_images()[0]
    asked = ws.Localizer(graph[0].path, method="layercam")(image)
    assert asked.method == "layercam"
    np.testing.assert_array_equal(asked.heatmap, graph[2].with_options(method="layercam")(image).heatmap)


def test_a_file_is_not_a_pytorch_model(graph):
    *_, one = graph
    for ask in (lambda: one.model, lambda: one.device, lambda: one.adapt(random_images())):
        with refused("not-a-torch-model", kind=ModelError):
            ask()
    with refused("unknown-class", 9):
        one.class_maps_of(random_images(1, (64, 64)), np.array([[9]]), ["cam"])


def test_missing_and_damaged_files_are_refused(tmp_path):
    with refused("model-not-found", "missing.onnx", kind=ModelError):
        ws.Localizer(tmp_path / "missing.onnx")
    (tmp_path / "damaged.onnx").write_bytes(b"no graph")
    with refused("damaged-file", "damaged.onnx", kind=ModelError):
        ws.Localizer(tmp_path / "damaged.onnx")


def test_a_graph_of_another_tool_is_refused(tmp_path):
    import onnx

    info = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Identity", ["a"], ["b"])
    graph = onnx.helper.make_graph([node], "g", [info("a", 1, [1])], [info("b", 1, [1])])
    onnx.save(onnx.helper.make_model(graph, ir_version=10), tmp_path / "other.onnx")
    with refused("metadata-invalid", "other.onnx", kind=ModelError):
        ws.Localizer(tmp_path / "other.onnx")


@pytest.mark.exhaustive
def test_a_multi_label_file_returns_all_present_classes(tmp_path, one_thread, monkeypatch):
    outcome, run = exported(run_folder(tmp_path, multi_label=True, quality="plain"), tmp_path / "many.onnx")
    one, most = ws.Localizer(outcome.path), 0
    for at_once in (8, 1):  # with 1 the graph has to be asked again
        monkeypatch.setattr(onnx, "_FIRST_CLASSES", at_once)
        for image in random_images(6, seed=8):
            found = [other.label for other in one(image)]
            assert found == [other.label for other in run(image)]
            most = max(most, len(found))
    assert most > 1


@pytest.mark.exhaustive
def test_int8_is_close_to_float32(tmp_path, one_thread):
    outcome, _ = exported(run_folder(tmp_path, quality="plain"), tmp_path / "small.onnx", int8=True)
    assert outcome.int8 is not None
    assert 1e-4 < outcome.int8.maps < 0.5
    assert ws.Localizer(outcome.path)(random_images()[0], classes=["cat"]).heatmap.shape == (64, 64)
    assert outcome.metadata.int8


def test_a_graph_that_differs_is_refused_and_not_written(graph, tmp_path, monkeypatch):
    monkeypatch.setattr("weakspot.inference.export.exporter.compare_backends", lambda *_: Difference(3, 0.1, 0.2, 0.5))
    monkeypatch.setattr("weakspot.inference.export.exporter.build_graph", lambda *_: graph[0].path.read_bytes())
    folder = run_folder(tmp_path, quality="plain")
    with refused("graph-mismatch", 0.1, 0.2, kind=ModelError):
        export(folder, tmp_path / "wrong.onnx", images=random_images())
    assert not list(tmp_path.glob("*.onnx"))


def test_invalid_arguments_of_an_export_are_refused_before_a_model_is_loaded(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("weakspot.inference.export.exporter.Localizer", lambda *_, **__: pytest.fail("it was loaded"))
        with refused("suffix-invalid", "model.pt"):
            export("tf_efficientnet_lite0", tmp_path / "model.pt", images=random_images())
        with refused("model-unsupported", "model.onnx"):
            export("model.onnx", tmp_path / "a.onnx", images=random_images())
    folder = run_folder(tmp_path, quality="plain")
    with refused("images-empty", "missing.jpg"):
        export(folder, tmp_path / "a.onnx", images=[tmp_path / "missing.jpg"])


class Constant:
    """A backend that sees the same in each image."""

    def __init__(self, logits, maps):
        self.logits, self.maps = np.array(logits), np.array(maps)

    def run(self, images, _methods, selection):
        from weakspot.inference.backends import ClassifierOutput

        count = len(images)
        classes = np.zeros((count, 1), int) if selection.indices is None else selection.indices
        maps = np.broadcast_to(self.maps, (count, 1, *self.maps.shape))
        return [ClassifierOutput(np.tile(self.logits, (count, 1)), classes, maps, maps, np.zeros(count, bool))]


def test_differences_are_relative_to_the_range():
    one, other = Constant([0.0, 4.0], [[0.0, 10.0]]), Constant([0.0, 5.0], [[0.0, 9.0]])
    found = compare_backends(one, other, random_images(), "cam")
    assert (found.logits, found.maps, found.agreement, found.images) == (0.25, 0.1, 1.0, 3)
    flipped = compare_backends(one, Constant([4.0, 0.0], [[0.0, 10.0]]), random_images(), "cam")
    assert (flipped.agreement, flipped.maps) == (0.0, 0.0)


@pytest.mark.parametrize("logits", [1.1 * parity.TOLERANCE, float("nan")])
def test_a_difference_above_the_tolerance_or_nan_is_refused(logits):
    with refused("graph-mismatch", kind=ModelError):
        check_parity(Difference(3, logits, 0.0, 1.0))
    check_parity(Difference(3, parity.TOLERANCE, 0.0, 1.0))


def test_a_selection_counts_its_classes_and_repeats_them_for_each_image():
    assert (ClassSelection().count, ClassSelection(top_k=3).count, ClassSelection().rows(2)) == (1, 3, None)
    assert ClassSelection(np.array([4, 2])).rows(2).tolist() == [[4, 2], [4, 2]]
    assert ClassSelection(np.array([[4], [2]])).rows(2).tolist() == [[4], [2]]
