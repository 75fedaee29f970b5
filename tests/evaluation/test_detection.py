"""Metrics of small objects and of images without an object, of a whole evaluation, against the metrics alone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import refused
from squares import (
    HEADER,
    NAMES,
    Scene,
    localizer,
    mask,
    one_thread,  # noqa: F401 - a fixture
    path_of,
    write,
    write_csv,
)

from weakspot.data import Annotation, Sample
from weakspot.evaluation import EvaluationConfig, compare, evaluate, evaluate_boxes, evaluate_maps
from weakspot.evaluation.detection import (
    ALARM_SHARE,
    ALARMS,
    AUROC,
    DETECTION_METRICS,
    IMAGE_AP,
    PIXEL_AP,
    POINTING,
    REGIONS,
    DetectionCollection,
)
from weakspot.evaluation.map_scores import regions_of_heatmap, score_regions
from weakspot.evaluation.normal_images import NormalResult
from weakspot.evaluation.predictions import Prediction
from weakspot.evaluation.samples import EvaluationSample
from weakspot.evaluation.targets import SIDE, make_target, resize_to_square
from weakspot.metrics import AUPRO, ImageAP, ImageAUROC, ImagePixelAP, PointingGame
from weakspot.models import resize_image
from weakspot.ops.presence import Presence

QUICK = {"samples": 0}
MASKED = (
    Scene("red/a", (("red", (20, 10, 80, 60)),), masked=True),
    Scene("green/b", (("green", (50, 30, 110, 75)),), masked=True),
    Scene("blue/tiny", (("blue", (60, 40, 66, 46)),), masked=True),
    Scene("blue/val", (("blue", (10, 10, 70, 50)),), "val", masked=True),
)
NORMALS = (
    Scene("background/dark", (), drawn=()),
    Scene("background/lit", (), drawn=(("red", (5, 5, 30, 40)), ("red", (70, 10, 110, 60)))),
    Scene("background/val", (), "val", drawn=()),
)
BOXED = tuple(scene._replace(masked=False) for scene in MASKED)
OF_OBJECTS = {POINTING, PIXEL_AP, REGIONS}
OF_IMAGES = {AUROC, IMAGE_AP, ALARMS, ALARM_SHARE}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data"), (*MASKED, *NORMALS))


@pytest.fixture(scope="module")
def found(data):
    return evaluate(localizer(), data, **QUICK)


@pytest.fixture(scope="module")
def maps(data, tmp_path_factory):
    """Noisy maps of all images, whose peaks differ."""
    folder, random = tmp_path_factory.mktemp("maps"), np.random.default_rng(0)
    for i, scene in enumerate((*MASKED, *NORMALS)):
        truth = resize_to_square(mask(scene)) if scene.masked else np.zeros((SIDE, SIDE))
        score_map = np.clip(0.4 * truth + 0.5 * random.random((SIDE, SIDE)), 0, 1) * (1 - 0.04 * i)
        file = folder / f"{scene.name}.npy"
        file.parent.mkdir(exist_ok=True)
        np.save(file, score_map)
    return folder


def values(evaluation, row=None):
    of_row = evaluation.first if row is None else evaluation.rows[row]
    return {name: one.value for name, one in of_row.detection.items()}


def test_values_are_those_of_the_metrics_alone(data, maps):
    evaluation = evaluate_maps(maps, data, config=EvaluationConfig(samples=0))
    test = [scene for scene in MASKED if scene.split == "test"]
    normals = [scene for scene in NORMALS if scene.split == "test"]
    loaded = np.stack([np.load(maps / f"{scene.name}.npy") for scene in (*test, *normals)])
    masks = np.stack([resize_to_square(mask(scene)) for scene in test])
    empty = np.zeros((len(normals), SIDE, SIDE), bool)
    peaks, has = loaded.max(axis=(1, 2)), np.arange(len(loaded)) < len(test)
    metrics = {POINTING: PointingGame(4), PIXEL_AP: ImagePixelAP(), REGIONS: AUPRO()}
    metrics[POINTING].update(loaded[: len(test)], masks=masks)
    metrics[PIXEL_AP].update(loaded[: len(test)], masks)
    metrics[REGIONS].update(loaded, np.concatenate([masks, empty]))
    for name, metric in ((AUROC, ImageAUROC()), (IMAGE_AP, ImageAP())):
        metric.update(peaks, has)
        metrics[name] = metric
    for name, metric in metrics.items():
        assert values(evaluation)[name] == pytest.approx(float(metric.compute())), name
    assert {name: one.images for name, one in evaluation.first.detection.items()} == {
        **dict.fromkeys((POINTING, PIXEL_AP), 3),
        **dict.fromkeys((REGIONS, AUROC, IMAGE_AP), 5),
        **dict.fromkeys((ALARMS, ALARM_SHARE), 2),
    }


def test_normal_images_change_no_other_metric(data, maps, found, tmp_path):
    without = write(tmp_path / "data", MASKED)
    of_maps = [evaluate_maps(maps, folder, config=EvaluationConfig(samples=0)) for folder in (data, without)]
    for one, other in ((found, evaluate(localizer(), without, **QUICK)), of_maps):
        assert one.details_to_markdown() == other.details_to_markdown()
        assert one.instances_to_markdown() == other.instances_to_markdown()
        assert set(other.first.detection) == OF_OBJECTS
        assert set(one.first.detection) == OF_OBJECTS | OF_IMAGES
        for name in (POINTING, PIXEL_AP):
            assert values(one)[name] == values(other)[name]


def test_boxes_without_masks_and_normal_images_have_the_pointing_game_alone(tmp_path):
    evaluation = evaluate(localizer(), write(tmp_path, BOXED), **QUICK)
    assert [set(row.detection) for row in evaluation.rows.values()] == [{POINTING}] * 3
    assert evaluation.first.detection[POINTING].images == 3
    assert values(evaluation)[POINTING] == 100
    assert values(evaluation, "full-image box")[POINTING] == 0
    assert evaluation.to_dict()["image_score"] is None


def test_boxes_and_normal_images_have_no_metric_of_masks(tmp_path):
    evaluation = evaluate(localizer(), write(tmp_path, (*BOXED, *NORMALS)), **QUICK)
    assert set(evaluation.first.detection) == {POINTING} | OF_IMAGES


def test_without_a_background_class_the_peak_of_the_most_probable_class_is_the_image_score(data, found):
    peaks = []
    for scene in (*MASKED[:3], *NORMALS[:2]):
        with Image.open(path_of(data, scene)) as image:
            pixels = resize_image(image.convert("RGB"), localizer().preprocessing)[None] / 255
        best = localizer().model(pixels).argmax(dim=1)
        peaks.append(float(localizer().class_maps(pixels, best).max()))
    metric = ImageAUROC()
    metric.update(peaks, np.arange(5) < 3)
    assert values(found)[AUROC] == pytest.approx(float(metric.compute()))
    assert "peak" in found.detection_legend()
    assert values(found, "centred Gaussian")[AUROC] == 50
    assert values(found, "centred Gaussian")[IMAGE_AP] == pytest.approx(60)


def with_background(name, presence=None):
    """The classifier of colours, one of which means that there is no object."""
    made = localizer()
    info = replace(made.config.info, background_index=NAMES.index(name), presence=presence)
    made._pipeline = replace(made._pipeline, config=replace(made.config, info=info))
    return made


def test_with_a_background_class_its_probability_is_the_image_score(tmp_path):
    free = Scene("white/free", (), drawn=(("white", (10, 10, 110, 70)),))
    lit = Scene("white/lit", (), drawn=(("red", (5, 5, 30, 40)),))
    data, model = write(tmp_path, (*MASKED, free, lit)), with_background("white")
    evaluation = evaluate(model, data, **QUICK)
    scores = []
    for scene in (*MASKED[:3], free, lit):
        with Image.open(path_of(data, scene)) as image:
            pixels = resize_image(image.convert("RGB"), model.preprocessing)[None] / 255
        logits = model.model(pixels)[0].detach()
        scores.append(1 - float(torch.softmax(logits, 0)[NAMES.index("white")]))
    metric = ImageAUROC()
    metric.update(scores, np.arange(5) < 3)
    assert values(evaluation)[AUROC] == pytest.approx(float(metric.compute()))
    assert "white" in evaluation.detection_legend()
    assert values(evaluation)[ALARM_SHARE] == 50  # where white is most probable, there is no box
    assert any("2 images of the split hold no object" in note for note in evaluation.notes)


@pytest.mark.parametrize("threshold", [0.3, 0.999])
def test_with_presence_what_is_measured_is_what_localizing_gives(tmp_path, threshold):
    """The bias is such that the classifier alone decides otherwise for some images."""
    free = Scene("white/free", (), drawn=(("white", (10, 10, 110, 70)),))
    lit = Scene("white/lit", (), drawn=(("red", (5, 5, 30, 40)),))
    data, model = write(tmp_path, (*MASKED, free, lit)), with_background("white", Presence(0.5, 0.1, 1.0, threshold))
    shown: list = []
    evaluation = evaluate(model, data, on_prediction=lambda one, _: shown.append(one), **QUICK)
    paths = [path_of(data, scene) for scene in (*MASKED[:3], free, lit)]
    found = [model(path, top_k=len(NAMES)) for path in paths]
    scores = [1 - next(one.score for one in of_image if one.label == "white") for of_image in found]
    metric = ImageAUROC()
    metric.update(scores, np.arange(5) < 3)
    assert values(evaluation)[AUROC] == pytest.approx(float(metric.compute()))
    assert values(evaluation)[ALARM_SHARE] == 50 * sum(one.label != "white" for one in found[3:])
    for one, score in zip(found, scores, strict=True):
        assert (one.label == "white") == (score <= threshold) == (not len(one.boxes))
        assert sum(other.score for other in one) == pytest.approx(1)
    assert [NAMES[one.predicted] for one in shown if one.target_index == 0][:3] == [one.label for one in found[:3]]
    assert "calibrated" in evaluation.detection_legend()


@pytest.mark.parametrize("threshold", [0.2, 0.6])
def test_convention_false_alarms_are_the_boxes_that_localizing_gives(data, threshold):
    evaluation = evaluate(localizer(), data, threshold=threshold, **QUICK)
    model = localizer(threshold=threshold, boxes="all")
    counts = [len(model(path_of(data, scene)).boxes) for scene in NORMALS[:2]]
    assert values(evaluation)[ALARMS] == np.mean(counts)
    assert values(evaluation)[ALARM_SHARE] == 100 * np.mean(np.array(counts) > 0)
    assert values(evaluation, "full-image box")[ALARMS] == 1


def test_boxes_of_a_multi_label_model_are_those_of_all_classes_that_it_finds(tmp_path):
    two = Scene("background/two", (), drawn=(("red", (5, 5, 55, 75)), ("blue", (65, 5, 115, 75))))
    data = write(tmp_path, (*MASKED, two, NORMALS[0]))
    model = localizer(multi_label=True, threshold=0.3, boxes="all")
    expected = 0
    for scene in (two, NORMALS[0]):
        first = model(path_of(data, scene))
        expected += sum(len(one.boxes) for one in (first, *first.others))
    evaluation = evaluate(localizer(multi_label=True), data, threshold=0.3, **QUICK)
    assert values(evaluation)[ALARMS] == expected / 2


def test_with_masks_alone_false_alarms_are_counted_at_the_threshold_of_mask_iou(tmp_path):
    data = write(tmp_path, (*MASKED, *NORMALS))
    write_csv(data / "annotations.csv", HEADER[:5], [(scene.name, "", "", "", "") for scene in MASKED])
    evaluation = evaluate(localizer(), data, **QUICK)
    (threshold,) = evaluation.first.metrics["mask IoU"].fixed_thresholds
    model = localizer(threshold=threshold, boxes="all")
    assert values(evaluation)[ALARMS] == np.mean([len(model(path_of(data, scene)).boxes) for scene in NORMALS[:2]])


def test_boxes_of_a_file_have_false_alarms_alone(tmp_path):
    data = write(tmp_path / "data", (*MASKED, *NORMALS))
    rows = [("red/a", 20, 10, 80, 60), ("background/lit", 0, 0, 9, 9), ("background/lit", 5, 5, 20, 20)]
    write_csv(tmp_path / "found.csv", ("image_id", "xmin", "ymin", "xmax", "ymax"), rows)
    evaluation = evaluate_boxes(tmp_path / "found.csv", data, config=EvaluationConfig(**QUICK))
    assert values(evaluation) == {ALARMS: 1, ALARM_SHARE: 50}
    assert len(evaluation.detection_to_markdown().splitlines()) == 4


def test_normal_images_without_a_map_are_left_out_and_noted(data, maps, tmp_path):
    for file in maps.rglob("*.npy"):
        target = tmp_path / file.relative_to(maps)
        target.parent.mkdir(exist_ok=True)
        target.symlink_to(file)
    (tmp_path / "background/dark.npy").unlink()
    evaluation = evaluate_maps(tmp_path, data, config=EvaluationConfig(**QUICK))
    assert set(evaluation.first.detection) == OF_OBJECTS
    assert any("2 images of the split hold no object and were skipped" in note for note in evaluation.notes)


def test_a_normal_image_that_cannot_be_read_is_left_out_and_noted(tmp_path):
    data = write(tmp_path, (*MASKED, *NORMALS))
    path_of(data, NORMALS[0]).write_bytes(b"no image")
    evaluation = evaluate(localizer(), data, **QUICK)
    assert evaluation.first.detection[ALARMS].images == 1
    assert any("1 images without an object could not be read" in note for note in evaluation.notes)


def test_an_image_with_an_object_that_cannot_be_read_is_wrong_for_every_metric(tmp_path):
    data = write(tmp_path, (*MASKED, *NORMALS))
    before = evaluate(localizer(), data, **QUICK)
    path_of(data, MASKED[0]).write_bytes(b"no image")
    after = evaluate(localizer(), data, **QUICK)
    for name in (POINTING, PIXEL_AP, REGIONS, AUROC):
        assert values(after)[name] < values(before)[name]
        assert after.first.detection[name].images == before.first.detection[name].images


def test_sizes_are_those_of_the_groups(found):
    counts = found.group_counts[-3:]
    for name in (POINTING, PIXEL_AP, REGIONS, AUROC, IMAGE_AP):
        assert found.first.detection[name].size_counts == counts == (1, 0, 2)
        assert np.isnan(found.first.detection[name].sizes).tolist() == [False, True, False]
    assert found.first.detection[ALARMS].sizes == ()


def test_intervals_hold_their_value_and_come_again_with_the_seed(data, maps):
    one, same = (evaluate_maps(maps, data, config=EvaluationConfig(samples=60, seed=3)) for _ in range(2))
    for name, value in one.first.detection.items():
        low, high = value.interval
        assert low <= value.value <= high, name
        assert same.first.detection[name].interval == value.interval


def test_tolerance_of_the_pointing_game_may_be_set(tmp_path):
    off = Scene("red/off", (("red", (0, 0, 10, 10)),), drawn=(("red", (60, 40, 90, 70)),))
    data = write(tmp_path, (off,), splits=False)
    assert values(evaluate(localizer(), data, **QUICK))[POINTING] == 0
    wide = evaluate(localizer(), data, tolerance=200, **QUICK)
    assert values(wide)[POINTING] == 100
    assert wide.to_dict()["pointing_tolerance"] == 200


@pytest.mark.parametrize("tolerance", [-1, float("nan")])
def test_a_tolerance_out_of_range_is_refused(tolerance):
    with refused("out-of-range", tolerance):
        EvaluationConfig(tolerance=tolerance)


def test_compare_measures_every_method_on_normal_images(data, found):
    evaluation = compare([localizer()], data, methods=["cam", "gradcam"], **QUICK)
    assert values(evaluation, "cam") == pytest.approx(values(found))
    assert set(evaluation.rows["gradcam"].detection) == set(DETECTION_METRICS)


def test_values_are_written_by_size_and_as_json(found):
    content = json.loads(json.dumps(found.to_dict()))
    written = content["rows"]["cam"]["detection"]
    assert list(written) == list(DETECTION_METRICS)
    assert written[POINTING]["sizes"]["small"] == {"images": 1, "value": 100}
    assert written[POINTING]["sizes"]["medium"] == {"images": 0, "value": None}
    assert written[ALARMS]["sizes"] == {}
    assert "peak" in content["image_score"]


def test_the_largest_object_is_the_size_of_an_image_of_several_classes():
    boxes = [np.array([[0.0, 0.0, side, side]]) for side in (10.0, 150.0, 50.0)]
    annotations = tuple(Annotation(name, boxes=box) for name, box in zip("abc", boxes, strict=True))
    sample = EvaluationSample(Sample("a", Path("a.jpg")), annotations, (), (0, 1, 2))
    heatmap = np.eye(SIDE, dtype=np.float32)
    regions = regions_of_heatmap(heatmap, heatmap)
    targets = [make_target(one, height=SIDE, width=SIDE) for one in annotations]
    collection = DetectionCollection(tolerance=4)
    collection.update(
        [
            Prediction(sample, i, one, (SIDE, SIDE), {"cam": score_regions(regions, one)})
            for i, one in enumerate(targets)
        ],
        "cam",
    )
    collection.update_normals([NormalResult(image_score=-1.0)], None)
    found = collection.compute()
    assert found[POINTING].size_counts == (1, 1, 1)
    assert found[AUROC].size_counts == (0, 0, 1)
    assert (found[AUROC].images, found[AUROC].value) == (2, 100)
    assert ALARMS not in found  # there is no threshold
