"""``--method mil``: small discs among images without any."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import refused
from small_runs import disc, small

from weakspot.data import ObjectAnnotation, Sample, read_dataset
from weakspot.data.rle import encode_rle
from weakspot.errors import ModelError
from weakspot.evaluation import EvaluationConfig, evaluate
from weakspot.inference.backends import ClassSelection
from weakspot.inference.export import export
from weakspot.inference.localization import NO_OBJECT
from weakspot.inference.localizer import Localizer
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.ops import heatmap_from_class_map
from weakspot.ops.iou import box_iou
from weakspot.training import positions as module
from weakspot.training.labels import Labels
from weakspot.training.options import TrainOptions
from weakspot.training.positions import _draw, fit_run_positions
from weakspot.training.run_config import TrainRequest
from weakspot.training.start import _read
from weakspot.training.teach import teach

MIL = {"method": "mil", "backbone": "test_resnet", "output_stride": 16, "batch_size": 8, "input_size": 96}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Red and blue discs of 8 pixels, and as many images of noise alone, for training and validation."""
    root = tmp_path_factory.mktemp("small")
    for split, count in (("train", 24), ("val", 20)):
        for label in ("red", "blue", "background"):
            (root / split / label).mkdir(parents=True)
            for i in range(count):
                draw(label, 1000 * (split == "val") + i)[0].save(root / split / label / f"{i}.png")
    return root


def draw(label, seed):
    if label != "background":
        return disc(label, seed, size=96, radius=4)
    noise = np.random.default_rng(seed).integers(90, 160, (96, 96, 1)).repeat(3, axis=2)
    return Image.fromarray(noise.astype(np.uint8)), None


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    return small(folder, tmp_path_factory.mktemp("runs") / "mil", **MIL)


@pytest.fixture(scope="module")
def localizer(run):
    return Localizer(run, backend="torch")


def test_the_peak_of_a_small_object_is_on_it(localizer):
    hits = 0
    for seed in range(2000, 2010):
        image, (x1, y1, x2, y2) = draw("red", seed)
        heatmap = localizer(image, classes=["red"]).heatmap
        y, x = divmod(int(heatmap.argmax()), heatmap.shape[1])
        hits += x1 - 8 <= x < x2 + 8 and y1 - 8 <= y < y2 + 8  # half a stride around it
    assert hits >= 9


def test_it_knows_whether_an_image_holds_an_object(localizer):
    assert localizer.config.info.presence.peak_weight > 0
    normal = [localizer(draw("background", 3000 + i)[0]) for i in range(10)]
    discs = [localizer(draw(label, 3000 + i)[0]) for label in ("red", "blue") for i in range(5)]
    assert sum(one.label == "background" for one in normal) >= 8
    assert sum(one.label in ("red", "blue") and len(one.boxes) > 0 for one in discs) >= 8
    for one in (*normal, *discs):
        assert (NO_OBJECT in one.notes) == (one.label == "background") == (not len(one.boxes))
    (several,) = localizer.batch([draw("red", 3000)[0]], top_k=3)
    assert sum(one.score for one in several) == pytest.approx(1)


def test_the_largest_box_has_the_same_decision(run, localizer):
    largest = Localizer(run, backend="torch", boxes="largest")
    for image in (draw("background", 3000)[0], draw("red", 3000)[0]):
        assert largest(image).score == pytest.approx(localizer(image).score)
        assert largest(image).label == localizer(image).label


def test_another_quality_or_head_does_not_decide_by_these_maps(run):
    assert Localizer(run, backend="torch", quality="plain").config.info.presence is None
    assert Localizer(run, backend="torch", method="gradcam").config.info.presence is None
    assert Localizer(run, backend="torch", quality="balanced").config.info.presence is not None
    changed = Localizer(run, backend="torch")
    changed.set_foreground_head(None)
    assert (changed.config.info.presence, changed.config.info.zooms) == (None, 0)


def test_it_says_that_boxes_teach_it(folder, tmp_path, capsys):
    rows = "".join(f"red/{i},{','.join(map(str, draw('red', i)[1]))}\n" for i in range(4)) + "background/1,1,1,9,9\n"
    data = shutil.copytree(folder / "train", tmp_path / "data" / "images").parent
    (data / "annotations.csv").write_text(f"image_id,xmin,ymin,xmax,ymax\n{rows}")
    small(data, tmp_path / "run", **{**MIL, "epochs": 1, "learn_from": "all"})
    told = "It learns from 4 boxes of 1 class, 44 images by label alone, 24 images without an object."
    assert told in capsys.readouterr().err


def of_zooms(run, zooms):
    """Return a localizer with larger images, in which discs are small."""
    localizer = Localizer(run, backend="torch", input_size=192)
    localizer.set_zooms(zooms)
    return localizer


@pytest.fixture(scope="module")
def zooming(run):
    return of_zooms(run, 3)


def test_a_small_object_is_looked_at_again_and_its_box_is_tighter(run, zooming):
    whole, overlaps = of_zooms(run, 0), {}
    for seed in range(2000, 2010):
        image, box = draw("red", seed)
        for one in (zooming, whole):
            found = one(image, classes=["red"])
            overlaps.setdefault(one, []).append(box_iou(found.box[None], np.array([box], float))[0, 0])
            assert found.score == pytest.approx(whole(image, classes=["red"]).score)
    assert np.mean(overlaps[zooming]) > np.mean(overlaps[whole]) + 0.05


def test_a_tight_box_keeps_the_evidence_of_its_region(zooming):
    found = zooming(draw("red", 2000)[0], classes=["red"])
    x1, y1, x2, y2 = found.box * 2  # in pixels of the heatmap
    assert (x2 - x1) * (y2 - y1) < 0.05 * 192**2
    assert found.box_evidence[0] > 0.2
    assert found.uncontested.shape == found.heatmap.shape
    assert found.uncontested.argmax() == found.heatmap.argmax()


def test_the_background_class_is_not_zoomed_into(zooming, monkeypatch):
    seen = []
    monkeypatch.setattr("weakspot.inference.zoom.zoomed_views", lambda *_: seen.append(1) or iter(()))
    image = draw("red", 2000)[0]
    zooming(image, classes=["background"])
    assert seen == []
    zooming(image, classes=["red"])
    assert seen == [1]


def test_only_maps_that_trained_the_run_are_looked_at_again(run, localizer, zooming):
    assert localizer.config.info.zooms == 3
    for changed in (Localizer(run, method="gradcam"), Localizer(run, quality="plain")):
        assert changed.config.info.zooms == 0
    image = draw("red", 2000)[0]
    gradcam = Localizer(run, backend="torch", method="gradcam", input_size=192)
    expected, found = (one(image, classes=["red"]).heatmap for one in (gradcam, zooming.with_options(method="gradcam")))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_evaluating_looks_again_as_localizing_does(zooming, folder):
    dataset = read_dataset(folder / "val")
    reds = [sample for sample in dataset.samples if sample.path.parent.name == "red"][:6]
    boxes = {sample.image_id: draw("red", 1000 + int(sample.path.stem))[1] for sample in reds}
    samples = [
        replace(sample, split="test", objects=(ObjectAnnotation("red", boxes[sample.image_id]),)) for sample in reds
    ]
    found = []
    evaluate(
        zooming,
        replace(dataset, samples=tuple(samples)),
        config=EvaluationConfig(val_split="", samples=0),
        on_prediction=lambda prediction, _: found.append(prediction),
    )
    at = int(np.abs(NATIVE_THRESHOLDS - zooming.threshold).argmin())
    localizer = zooming.with_options(threshold=float(NATIVE_THRESHOLDS[at]))
    assert len(found) == 6
    for prediction in found:
        sample = prediction.sample.image
        box = localizer(sample.path, classes=["red"]).box
        expected = box_iou(box[None], np.array([boxes[sample.image_id]]))[0, 0]
        assert prediction.scores["cam"].native[at] == pytest.approx(expected, abs=1e-6)


def test_an_image_that_is_deleted_before_it_is_looked_at_again_fails(zooming, tmp_path):
    draw("red", 2000)[0].save(tmp_path / "0.png")
    decoded = zooming.decode(tmp_path / "0.png")
    (tmp_path / "0.png").unlink()
    (failed,) = zooming.batch([decoded], classes=["red"])
    assert failed.code == "image-not-found"


def test_maps_are_those_of_the_head(run):
    localizer = Localizer(run, backend="torch")
    head = localizer.torch_backend.classifier.foreground
    localizer.set_foreground_head(head)  # removes the thresholds of the classes, to which maps are remapped
    localizer.set_zooms(0)
    image = np.array(draw("red", 7)[0])
    features = localizer.torch_backend.object_inputs([image], "cam", torch.tensor([[1]])).features
    expected = head.positions(features.float(), torch.tensor([[1]]))[0, 0].numpy()
    heatmap = localizer(Image.fromarray(image), classes=[1]).heatmap
    np.testing.assert_allclose(heatmap, heatmap_from_class_map(expected, height=96, width=96), atol=0.02)
    (found,) = localizer.torch_backend.run([image], ["cam"], ClassSelection(np.array([1])))
    np.testing.assert_allclose(found.evidence[0, 0], expected, atol=0.05)  # by which the first region is chosen


@pytest.mark.exhaustive
def test_an_exported_file_has_the_maps(run, localizer, tmp_path):
    images = [draw("red", seed)[0] for seed in range(3)]
    files = [tmp_path / f"{i}.png" for i in range(3)]
    for image, file in zip(images, files, strict=True):
        image.save(file)
    export(localizer, tmp_path / "mil.onnx", images=files)
    exported = Localizer(tmp_path / "mil.onnx")
    for file in files:
        expected, found = (one(file, classes=["red"]) for one in (localizer, exported))
        assert np.abs(found.heatmap - expected.heatmap).max() < 0.05
        np.testing.assert_allclose(found.box, expected.box, atol=2)
        expected, found = (one(file) for one in (localizer, exported))
        assert found.label == expected.label
        assert found.score == pytest.approx(expected.score, abs=0.02)
    draw("background", 3000)[0].save(tmp_path / "none.png")
    assert exported(tmp_path / "none.png").notes == localizer(tmp_path / "none.png").notes


def test_boxes_do_not_teach_it_after_its_training(run, folder):
    with refused("method-unsupported", run):
        teach(run, [])


@pytest.fixture
def located(localizer, folder, monkeypatch):
    """Fit a head to images with objects in them, and return what is told of where they are."""

    def fit(objects, **options):
        seen = {}
        monkeypatch.setattr(module, "fit_position_head", lambda *_, **known: seen.update(known))
        names = localizer.class_names
        labels = Labels(names, False, names.index("background"), "background")
        paths = {
            label: sorted((folder / "train" / label).iterdir())[: len(objects) + 1] for label in ("red", "background")
        }
        samples = [Sample(str(i), paths["red"][i], objects=items) for i, items in enumerate(objects)]
        samples.append(Sample("none", paths["background"][0], objects=(ObjectAnnotation("background"),)))
        monkeypatch.setattr(module, "_draw", lambda is_normal, _: range(len(is_normal)))
        fit_run_positions(localizer, samples, labels, seed=0, **options)
        return seen["located"]

    return fit


def test_boxes_teach_a_position_head_where_objects_are_and_labels_do_not(located):
    box, label = ObjectAnnotation("red", (24.0, 48.0, 48.0, 96.0)), ObjectAnnotation("red")
    whole, some, point, none, empty = located([(box,), (box, label), (replace(label, point=(12.0, 24.0)),), (label,)])
    assert whole.boxes.tolist() == some.boxes.tolist() == [[0.25, 0.5, 0.5, 1]]
    assert (whole.is_complete, some.is_complete) == (True, False)
    assert point.points.tolist() == [[0.125, 0.25]]
    assert (none, empty) == (None, None)
    assert located([(box,)], use_boxes=False) == [None, None]


def test_a_box_outside_its_image_teaches_its_label_alone(located, caplog):
    assert located([(ObjectAnnotation("red", (200.0, 0.0, 240.0, 40.0)),)]) == [None, None]
    assert "teaches its label alone" in caplog.text


def test_a_black_mask_teaches_its_label_alone(located, caplog):
    assert located([(ObjectAnnotation("red", mask=encode_rle(np.zeros((96, 96), bool))),)]) == [None, None]
    assert "teaches its label alone: The mask of red is black." in caplog.text


def test_an_image_with_a_mask_is_read_in_the_orientation_of_the_mask(localizer, tmp_path, monkeypatch):
    """Masks are of the stored pixels, whatever EXIF says."""
    pixels = np.zeros((96, 96, 3), np.uint8)
    pixels[:, 48:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    masked = ObjectAnnotation("red", mask=encode_rle(pixels[..., 0] > 0))
    samples = [Sample("a", tmp_path / "turned.png", objects=(masked,))]
    samples.append(Sample("b", tmp_path / "turned.png", objects=(ObjectAnnotation("background"),)))
    seen = []
    backend = type(localizer.torch_backend)
    inputs = backend.object_inputs
    monkeypatch.setattr(
        backend, "object_inputs", lambda self, images, *rest: (seen.extend(images), inputs(self, images, *rest))[1]
    )
    monkeypatch.setattr(module, "fit_position_head", lambda *_, **__: None)
    monkeypatch.setattr(module, "_draw", lambda is_normal, _: range(len(is_normal)))
    names = localizer.class_names
    labels = Labels(names, False, names.index("background"), "background")
    for use_boxes in (True, False):
        seen.clear()
        fit_run_positions(localizer, samples, labels, seed=0, use_boxes=use_boxes)
        np.testing.assert_array_equal(seen[0], pixels if use_boxes else np.rot90(pixels, -1))
        np.testing.assert_array_equal(seen[1], np.rot90(pixels, -1))


def test_a_quality_that_keeps_maps_is_refused_before_training(folder, tmp_path):
    with refused("options-conflict", "plain"):
        small(folder, tmp_path / "run", **MIL, quality="plain")
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_a_backbone_without_intermediate_features_is_refused(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("weakspot.models.split_classifier.find_intermediates", lambda *_: ())
    with refused("backbone-mismatch", "test_resnet", kind=ModelError):
        small(folder, tmp_path / "run", **MIL)


def test_without_images_of_the_background_it_is_refused(discs, tmp_path):
    with refused("missing-background"):
        small(discs, tmp_path / "run", **MIL)


def test_the_class_good_is_that_of_images_without_an_object(folder, tmp_path):
    root = shutil.copytree(folder, tmp_path / "parts")
    for split in ("train", "val"):
        (root / split / "background").rename(root / split / "good")
    for options, background in ((TrainOptions(**MIL), "good"), (TrainOptions(), "")):
        assert _read(TrainRequest(root, options)).background == background


def test_images_without_an_object_are_drawn_first():
    is_normal = np.zeros(3000)
    is_normal[:60] = 1
    drawn = _draw(is_normal, seed=0)
    assert len(drawn) == len(set(drawn)) == 1000
    assert is_normal[drawn[:50]].all()
    assert is_normal[drawn].sum() < 60 + 1
    assert _draw(is_normal, seed=1) != drawn
    assert sorted(_draw(np.array([1.0, 0, 0]), seed=0)) == [0, 1, 2]
