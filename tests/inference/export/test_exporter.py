import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from small_graphs import NAMES, exported, photos, run_folder

import weakspot as ws
from weakspot.errors import InputError, ModelError
from weakspot.inference.backends import Asked, onnx
from weakspot.inference.backends.onnx_metadata import OnnxMetadata
from weakspot.inference.export import export, parity
from weakspot.inference.export.parity import Difference, difference, refuse_different


@pytest.fixture(scope="module")
def graph(one_thread, exported_run):
    """A run's file, and the run in PyTorch."""
    outcome, run = exported_run
    return outcome, run, ws.Localizer(outcome.path, uncertainty=True)


def test_a_file_localizes_as_the_run_does(graph):
    _, run, one = graph
    assert (one.method, one.quality, one.threshold, one.class_names) == ("cam", "fast", 0.35, NAMES)
    assert one.backend == "onnx"
    for photo in photos(seed=3):
        expected, found = (localizer(photo, top_k=2) for localizer in (run, one))
        assert found.label == expected.label
        assert [other.label for other in found.others] == [other.label for other in expected.others]
        assert found.score == pytest.approx(expected.score, abs=0.01)
        # Pillow squashes, not torch: pixels differ by 2 of 255 at most.
        assert np.abs(found.heatmap - expected.heatmap).mean() < 0.01
        assert found.uncertainty is not None


def test_a_file_sees_what_pytorch_does_in_the_same_pixels(graph):
    outcome, run, one = graph
    assert max(outcome.difference.logits, outcome.difference.maps) < 1e-4
    assert outcome.difference.photos == 3
    squashed = [run.resize(Image.fromarray(photo)) for photo in photos(seed=4)]
    (expected,) = run.read(squashed, np.array([[2, 0]] * 3), ["cam"])
    (found,) = one.read(squashed, np.array([[2, 0]] * 3), ["cam"])
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-4)
    np.testing.assert_array_equal(found.classes, expected.classes)


def test_a_stream_of_a_file_is_that_of_its_images_one_by_one(graph):
    *_, one = graph
    images = photos(5, seed=5)
    for streamed, photo in zip(one.stream(images, batch_size=2), images, strict=True):
        np.testing.assert_allclose(streamed.heatmap, one(photo).heatmap, atol=1e-5)


def test_views_are_looked_into_by_a_file_as_well(graph):
    outcome, run, _ = graph
    best, in_torch = ws.Localizer(outcome.path, quality="best"), ws.Localizer(outcome.path.parent, quality="best")
    photo = photos(seed=6)[0]
    found, expected = best(photo, classes=["dog"]).heatmap, in_torch(photo, classes=["dog"]).heatmap
    assert np.abs(found - expected).mean() < 0.02
    assert not np.allclose(found, run(photo, classes=["dog"]).heatmap)


def test_what_a_file_says_of_itself(graph):
    outcome, _, one = graph
    session = one.sight.backend.session
    assert session.inputs == {"images": ["batch", 64, 64, 3], "classes": ["batch", "asked"]}
    assert session.outputs["logits"] == ["batch", 4]
    told = outcome.graph
    assert isinstance(told, OnnxMetadata)
    assert (told.source, told.witness, told.views, told.int8) == (outcome.path.parent.name, "layercam", True, False)


def test_no_torch_is_imported_by_a_file_and_the_command_line_starts_at_once(graph, tmp_path):
    outcome, *_ = graph
    photo = tmp_path / "photo.png"
    Image.fromarray(photos()[0]).save(photo)
    script = f"""
import sys
from weakspot.cli.app import main
code = main(["localize", {str(photo)!r}, "--model", {str(outcome.path)!r}, "--output", {str(tmp_path / "out")!r}])
heavy = {{"torch", "torchvision", "timm", "lightning", "numba", "scipy", "skimage", "matplotlib"}}
print(code, sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
    assert (tmp_path / "out" / "boxes.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"method": "gradcam"}, r"holds the class maps of cam, not of 'gradcam'.\nExport them"),
        ({"quality": "plain"}, r"exported in quality fast, not plain.\nExport it again"),
        ({"layer": "head"}, r"has its own layer.\nLeave it out"),
        ({"output_stride": 8}, r"has its own output_stride"),
        ({"device": "cuda"}, r"run on the CPU, not on 'cuda'"),
        ({"backend": "torch"}, r"a graph, which PyTorch cannot run"),
        ({"class_names": ["one"]}, r"1 class names were given for 4 classes"),
    ],
)
def test_what_a_file_cannot_do_is_refused(graph, options, problem):
    with pytest.raises(InputError, match=problem):
        ws.Localizer(graph[0].path, **options)


def test_a_file_gives_the_other_method_that_it_holds(graph):
    photo = photos()[0]
    asked = ws.Localizer(graph[0].path, method="layercam")(photo)
    assert asked.method == "layercam"
    np.testing.assert_array_equal(asked.heatmap, graph[2].with_options(method="layercam")(photo).heatmap)


def test_what_needs_the_model_in_pytorch_says_so(graph):
    *_, one = graph
    for ask in (lambda: one.model, lambda: one.device, lambda: one.adapt(photos())):
        with pytest.raises(ModelError, match=r"holds a graph, and no PyTorch model.\nGive the model or the run"):
            ask()
    with pytest.raises(InputError, match="Class index 9 is out of range: the model has 4 classes"):
        one.read(photos(1, (64, 64)), np.array([[9]]), ["cam"])


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"missing.onnx does not exist"):
        ws.Localizer(tmp_path / "missing.onnx")
    (tmp_path / "damaged.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="is damaged or not an ONNX file"):
        ws.Localizer(tmp_path / "damaged.onnx")


def test_a_graph_of_somebody_else_is_refused(tmp_path):
    import onnx

    info = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Identity", ["a"], ["b"])
    graph = onnx.helper.make_graph([node], "g", [info("a", 1, [1])], [info("b", 1, [1])])
    onnx.save(onnx.helper.make_model(graph, ir_version=10), tmp_path / "other.onnx")
    with pytest.raises(ModelError, match="was not written by weakspot export"):
        ws.Localizer(tmp_path / "other.onnx")


@pytest.mark.long
def test_a_model_of_several_labels_finds_all_that_are_there(tmp_path, one_thread, monkeypatch):
    outcome, run = exported(run_folder(tmp_path, multi_label=True, quality="plain"), tmp_path / "many.onnx")
    one, most = ws.Localizer(outcome.path), 0
    for at_once in (8, 1):  # with 1 the graph has to be asked again
        monkeypatch.setattr(onnx, "_PRESENT", at_once)
        for photo in photos(6, seed=8):
            found = [other.label for other in one(photo)]
            assert found == [other.label for other in run(photo)]
            most = max(most, len(found))
    assert most > 1


@pytest.mark.long
def test_integers_see_nearly_the_same(tmp_path, one_thread):
    outcome, _ = exported(run_folder(tmp_path, quality="plain"), tmp_path / "small.onnx", int8=True)
    assert outcome.int8 is not None
    assert 1e-4 < outcome.int8.maps < 0.5
    assert ws.Localizer(outcome.path)(photos()[0], classes=["cat"]).heatmap.shape == (64, 64)
    assert outcome.graph.int8


def test_a_graph_that_is_not_the_model_is_refused_and_nothing_is_written(graph, tmp_path, monkeypatch):
    monkeypatch.setattr("weakspot.inference.export.exporter.difference", lambda *_: Difference(3, 0.1, 0.2, 0.5))
    monkeypatch.setattr("weakspot.inference.export.exporter.graph_of", lambda *_: graph[0].path.read_bytes())
    folder = run_folder(tmp_path, quality="plain")
    with pytest.raises(ModelError, match=r"logits differ by 0.1 of their spread, maps by 0.2 of their range"):
        export(folder, tmp_path / "wrong.onnx", images=photos())
    assert not list(tmp_path.glob("*.onnx"))


def test_what_is_asked_wrongly_of_an_export_is_refused_before_anything_is_done(tmp_path):
    began = time.monotonic()
    with pytest.raises(InputError, match=r"does not end in .onnx.\nName it model.onnx"):
        export("tf_efficientnet_lite0", tmp_path / "model.pt", images=photos())
    with pytest.raises(InputError, match=r"model.onnx is a file of weakspot export already"):
        export("model.onnx", tmp_path / "a.onnx", images=photos())
    assert time.monotonic() - began < 1
    folder = run_folder(tmp_path, quality="plain")
    with pytest.raises(InputError, match="no photo to compare"):
        export(folder, tmp_path / "a.onnx", images=[tmp_path / "missing.jpg"])


class Constant:
    """A backend that sees the same in each photo."""

    def __init__(self, logits, maps):
        self.logits, self.maps = np.array(logits), np.array(maps)

    def run(self, photos, _methods, asked):
        from weakspot.inference.backends import ClassifierOutput

        count = len(photos)
        classes = np.zeros((count, 1), int) if asked.classes is None else asked.classes
        maps = np.broadcast_to(self.maps, (count, 1, *self.maps.shape))
        return [ClassifierOutput(np.tile(self.logits, (count, 1)), classes, maps, np.zeros(count, bool))]


def test_differences_are_shares_of_the_ranges():
    one, other = Constant([0.0, 4.0], [[0.0, 10.0]]), Constant([0.0, 5.0], [[0.0, 9.0]])
    found = difference(one, other, photos(), "cam")
    assert (found.logits, found.maps, found.agree, found.photos) == (0.25, 0.1, 1.0, 3)
    flipped = difference(one, Constant([4.0, 0.0], [[0.0, 10.0]]), photos(), "cam")
    assert (flipped.agree, flipped.maps) == (0.0, 0.0)


@pytest.mark.parametrize("logits", [1.1 * parity.TOLERANCE, float("nan")])
def test_what_differs_or_is_not_finite_is_refused(logits):
    with pytest.raises(ModelError, match="The graph is not the model"):
        refuse_different(Difference(3, logits, 0.0, 1.0))
    refuse_different(Difference(3, parity.TOLERANCE, 0.0, 1.0))


def test_asked_has_defaults():
    assert (Asked().classes, Asked().top_k, Asked().present) == (None, 1, False)
