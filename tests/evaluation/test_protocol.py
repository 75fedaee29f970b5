"""Evaluations of a classifier whose maps are known, against slower ways to the same figures."""

import csv
from contextlib import suppress
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import refused
from squares import (
    FRAME,
    NAMES,
    SCENES,
    TEST,
    VALIDATION,
    Colours,
    Scene,
    localizer,
    mask,
    one_thread,  # noqa: F401 - a fixture
    path_of,
    plain_iou,
    write,
    write_csv,
)

import weakspot as ws
from weakspot.data import Dataset, ObjectAnnotation, Sample, read_dataset
from weakspot.errors import InputError
from weakspot.evaluation import EvaluationConfig, compare, evaluate, evaluate_boxes, evaluate_maps
from weakspot.evaluation.targets import resize_to_square
from weakspot.metrics import GTKnownLoc, MaskIoU, MaxBoxAcc, MaxBoxAccV2, PxAP, TopKLoc
from weakspot.models import resize_image
from weakspot.ops import heatmap_from_class_map, scale_boxes

QUICK = {"samples": 0}
GT = "GT-known Loc"
RED = Scene("red/a", (("red", (20, 10, 80, 60)),))
GREEN = Scene("green/b", (("green", (50, 30, 110, 75)),))
BOTH = Scene("mixed/c", (("yellow", (5, 5, 50, 40)), ("blue", (60, 20, 115, 75))))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Enough where figures are compared with figures."""
    return write(tmp_path_factory.mktemp("few"), (*VALIDATION[:2], *TEST[:3], RED))


@pytest.fixture(scope="module", params=[224, 96], ids=["224 px", "96 px"])
def size(request):
    return request.param


@pytest.fixture(scope="module")
def found(data, size):
    return evaluate(localizer(input_size=size), data, **QUICK)


@pytest.fixture(scope="module")
def plain(data):
    """The evaluation that others are compared with."""
    return evaluate(localizer(), data, **QUICK)


def figure(evaluation, metric=GT, row=None):
    return (evaluation.first if row is None else evaluation.rows[row]).metrics[metric]


def same_figures(one, other):
    """Whether figures are the same but for rounding."""
    assert set(one) == set(other)
    for name in one:
        ours = np.hstack([getattr(one[name], field) for field in FIELDS])
        np.testing.assert_allclose(ours, np.hstack([getattr(other[name], field) for field in FIELDS]), atol=1e-4)


FIELDS = ("images", "oracle", "oracle_thresholds", "fixed", "fixed_thresholds")


# What the maps are, by other means.


def maps(data, scenes, size=224, model=None):
    """Heatmaps (B, 224, 224) of the first class of each scene, made by the public parts."""
    model = model or localizer(input_size=size)
    found = []
    for scene in scenes:
        with Image.open(path_of(data, scene)) as image:
            pixels = resize_image(image.convert("RGB"), model.preprocessing)[None] / 255
        (one,) = model.class_maps(pixels, torch.tensor([NAMES.index(scene.objects[0][0])]))
        found.append(heatmap_from_class_map(one.numpy(), height=224, width=224))
    return np.stack(found)


def reference_truth(scene):
    width, height = scene.size
    across = np.array([width, height, width, height])
    return (np.array([box for _, box in scene.objects], np.float64) * 224 / across).astype(int)


def plain_truth(scene, size):
    boxes = np.array([box for _, box in scene.objects], np.float64)
    return scale_boxes(boxes, from_size=scene.size[::-1], to_size=(size, size))


@cache
def slow_box(path, label, threshold, size):
    return localizer(input_size=size, threshold=threshold)(path, classes=[label]).box


def slow_ious(data, scenes, threshold, size):
    """Localize one by one, and overlap by hand."""
    boxes = {one.name: slow_box(path_of(data, one), one.objects[0][0], threshold, size) for one in scenes}
    return boxes, {one.name: max(plain_iou(boxes[one.name], box) for _, box in one.objects) for one in scenes}


def ranks(data, scenes, size):
    """Place of the true class among the softmax scores of a classifier that is asked for all."""
    return [_rank(path_of(data, one), one.objects[0][0], size) for one in scenes]


@cache
def _rank(path, label, size):
    scores = {one.label: one.score for one in localizer(input_size=size)(path, classes=list(NAMES))}
    return sum(score > scores[label] for score in scores.values())


def test_convention_gt_known_loc_is_the_share_of_right_boxes_that_localizing_gives(data, size, found):
    (threshold,) = figure(found).fixed_thresholds
    _, ious = slow_ious(data, TEST, threshold, size)
    assert figure(found).fixed == pytest.approx(100 * np.mean([iou >= 0.5 for iou in ious.values()]))
    assert 0 < figure(found).fixed < 100
    (oracle,) = figure(found).oracle_thresholds
    _, ious = slow_ious(data, TEST, oracle, size)
    assert figure(found).oracle == pytest.approx(100 * np.mean([iou >= 0.5 for iou in ious.values()]), abs=1e-4)


def test_convention_the_validation_threshold_is_the_best_one_of_localizing(data, size, found):
    """The middle of the best of the thousand: none of others is better, and about as many lie below as above."""
    (chosen,) = figure(found).fixed_thresholds

    def right(threshold):
        return np.mean([iou >= 0.5 for iou in slow_ious(data, VALIDATION, round(threshold, 3), size)[1].values()])

    assert max(right(threshold) for threshold in (0.05, 0.4, 0.6, 0.9)) <= right(chosen)
    steps = np.arange(1, 300) / 1000
    below, above = (next(step for step in steps if right(chosen + sign * step) < right(chosen)) for sign in (-1, 1))
    assert above - below == pytest.approx(0, abs=0.0011)


def test_top_1_and_top_5_ask_the_classifier_as_well(data, size, found):
    (threshold,) = figure(found).fixed_thresholds
    right = np.array([iou >= 0.5 for iou in slow_ious(data, TEST, threshold, size)[1].values()])
    places = np.array(ranks(data, TEST, size))
    assert sorted(set(places)) == [0, 4, 6]
    for name, k in (("Top-1 Loc", 1), ("Top-5 Loc", 5)):
        assert figure(found, name).fixed == pytest.approx(100 * np.mean(right & (places < k)))
        assert figure(found, name).fixed_thresholds == (threshold,)
        assert figure(found, name).images == len(TEST)
    assert figure(found, "Top-1 Loc").fixed < figure(found, "Top-5 Loc").fixed < figure(found).fixed


def test_the_loc_metrics_are_those_of_the_metric_classes(data, size, found):
    heatmaps = np.stack(
        [localizer(input_size=size)(path_of(data, one), classes=[one.objects[0][0]]).heatmap for one in TEST]
    )
    boxes = [plain_truth(one, size) for one in TEST]
    for metric, name in ((GTKnownLoc(), GT), (TopKLoc(1), "Top-1 Loc"), (TopKLoc(5), "Top-5 Loc")):
        falling = np.tile(np.arange(7)[::-1], (len(TEST), 1))  # the class of the highest logit is 0, and so on
        asked = {} if name == GT else {"logits": falling, "labels": np.array(ranks(data, TEST, size))}
        metric.update(heatmaps, boxes, **asked)
        assert figure(found, name).oracle == pytest.approx(float(metric.compute()), abs=1e-4)
        assert figure(found, name).oracle_thresholds == tuple(metric.details()["best_threshold"])


@pytest.mark.parametrize(("metric", "name"), [(MaxBoxAcc, "MaxBoxAcc"), (MaxBoxAccV2, "MaxBoxAccV2")])
def test_convention_box_accuracy_is_the_metrics_fed_with_the_same_heatmaps(metric, name, data, size, found):
    test, validation = metric(), metric()
    test.update(maps(data, TEST, size), [reference_truth(one) for one in TEST])
    validation.update(maps(data, VALIDATION, size), [reference_truth(one) for one in VALIDATION])
    one = figure(found, name)
    assert one.oracle == pytest.approx(float(test.compute()), abs=1e-4)
    assert one.oracle_thresholds == tuple(test.details()["best_threshold"])
    assert one.fixed_thresholds == tuple(validation.thresholds[list(validation.middle())])
    assert one.fixed == pytest.approx(test.at(validation.middle()))
    assert one.fixed < one.oracle


def test_fixed_figures_are_the_oracle_of_a_run_on_the_validation_split(data, found, size):
    alone = evaluate(localizer(input_size=size), data, test_split="val", val_split="", **QUICK)
    for name in ("MaxBoxAcc", "MaxBoxAccV2", GT, "mask IoU"):
        at = alone.first.collection.metrics[name]
        assert figure(found, name).fixed_thresholds == tuple(at.thresholds[list(at.middle())])


def test_masks_are_scored_by_the_metric_classes(data, size, found):
    masked = [one for one in TEST if one.masked]
    truth = np.stack([resize_to_square(mask(one)).astype(np.uint8) for one in masked])
    pooled, overlap = PxAP(), MaskIoU()
    pooled.update(maps(data, masked, size), truth)
    overlap.update(maps(data, masked, size), truth)
    assert figure(found, "PxAP").images == figure(found, "mask IoU").images == len(masked) == 5
    assert figure(found, "PxAP").fixed == pytest.approx(float(pooled.compute()), abs=1e-4)
    assert figure(found, "mask IoU").oracle == pytest.approx(float(overlap.compute()), abs=1e-4)
    validation = MaskIoU()
    known = [one for one in VALIDATION if one.masked]
    validation.update(
        maps(data, known, size), np.stack([resize_to_square(mask(one)).astype(np.uint8) for one in known])
    )
    assert figure(found, "mask IoU").fixed == pytest.approx(overlap.at(validation.middle()))


def test_the_figures_are_not_all_the_same(found):
    """Else the tests above would show little."""
    fixed = {name: round(one.fixed, 3) for name, one in found.first.metrics.items()}
    assert len(set(fixed.values())) >= 5
    assert list(found.rows) == ["cam", "centred Gaussian", "full-image box"]
    assert found.split == "test"
    assert found.val_split == "val"
    assert found.first.fixed_by == "best on the validation split"
    assert found.notes == ()


# Groups, baselines, intervals.


def subset(data, chosen, target):
    """The same data set with some of its test images only."""
    kept = {one.name for one in (*VALIDATION, *chosen)}
    for name in ("annotations.csv", "splits.csv"):
        with (data / name).open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        write_csv(target / name, header, [row for row in rows if row[0] in kept])
    (target / "masks").symlink_to(data / "masks")
    for one in (*VALIDATION, *chosen):
        link = path_of(target, one)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path_of(data, one))
    return target


def size_group(scene):
    width, height = scene.size
    area = max((x2 - x1) * (y2 - y1) for _, (x1, y1, x2, y2) in scene.objects) * 224**2 / (width * height)
    return "small" if area < 1024 else "medium" if area < 9216 else "large"


@pytest.mark.parametrize("group", ["red", "magenta", "small", "large"])
def test_each_group_is_what_evaluating_its_images_alone_gives(group, data, plain, tmp_path):
    chosen = [one for one in TEST if group in (one.objects[0][0], size_group(one))]
    assert 0 < len(chosen) < len(TEST)
    alone = evaluate(localizer(), subset(data, chosen, tmp_path), **QUICK)
    said = plain.to_dict()["groups"][group]
    assert said["images"] == len(chosen)
    for name, one in alone.first.metrics.items():
        assert said[name] == pytest.approx(one.fixed, abs=1e-4), name


def test_groups_are_named_and_counted(found):
    assert found.group_names == (*NAMES, "small", "medium", "large")
    counts = dict(zip(found.group_names, found.group_counts, strict=True))
    for name in NAMES:
        assert counts[name] == sum(one.objects[0][0] == name for one in TEST)
    assert sum(counts[name] for name in ("small", "medium", "large")) == len(TEST)
    assert [counts[name] for name in ("small", "medium", "large")] == [
        sum(size_group(one) == name for one in TEST) for name in ("small", "medium", "large")
    ]


def test_the_full_image_baseline_by_hand(data, found):
    right = []
    for one in TEST:
        width, height = one.size
        right.append(max(plain_iou((0, 0, width, height), box) for _, box in one.objects) >= 0.5)
    whole = figure(found, row="full-image box")
    assert whole.oracle == pytest.approx(100 * np.mean(right), abs=1e-4)
    assert whole.fixed == pytest.approx(100 * np.mean(right))
    masked = [one for one in TEST if one.masked]
    share = [resize_to_square(mask(one)).mean() for one in masked]
    assert figure(found, "mask IoU", "full-image box").fixed == pytest.approx(100 * np.mean(share))
    assert figure(found, "PxAP", "full-image box").fixed == pytest.approx(100 * np.mean(share), abs=1e-4)


def test_the_centred_baseline_by_the_metric_classes(data, found):
    steps = (np.arange(224) + 0.5) / 224 - 0.5
    hill = np.exp(-2 * (steps[:, None] ** 2 + steps**2))
    hill = ((hill - hill.min()) / (hill.max() - hill.min())).astype(np.float32)
    metric = MaxBoxAccV2()
    metric.update(np.stack([hill] * len(TEST)), [reference_truth(one) for one in TEST])
    assert figure(found, "MaxBoxAccV2", "centred Gaussian").oracle == pytest.approx(float(metric.compute()), abs=1e-4)


def test_baselines_have_the_predictions_of_the_classifier(found, data, size):
    width_height = [(one, *one.size) for one in TEST]
    right = [max(plain_iou((0, 0, w, h), box) for _, box in one.objects) >= 0.5 for one, w, h in width_height]
    hits = np.array(ranks(data, TEST, size)) == 0
    assert figure(found, "Top-1 Loc", "full-image box").fixed == pytest.approx(100 * np.mean(np.array(right) & hits))


def test_the_same_seed_gives_the_same_figures_and_intervals(data):
    one, same, other = (evaluate(localizer(), data, samples=60, seed=seed) for seed in (1, 1, 2))
    assert one.to_dict() == same.to_dict()
    assert figure(one).fixed == figure(other).fixed
    assert figure(one, "mask IoU", "centred Gaussian") != figure(other, "mask IoU", "centred Gaussian")
    for name, metric in one.first.metrics.items():
        low, high = metric.oracle_interval
        assert 0 <= low <= high <= 100, name
        assert low <= metric.oracle + 1e-4, name


def test_batches_workers_and_devices_change_no_figure(data, plain):
    options = {"method": "cam", "device": "cpu", "quality": "plain", **QUICK, **FRAME}
    other = evaluate(Colours(), data, batch_size=3, workers=4, **options)
    same_figures(plain.first.metrics, other.first.metrics)


# Splits and thresholds.


def test_without_a_validation_split_the_default_of_the_method_is_taken_and_named(tmp_path):
    root = write(tmp_path, TEST[:4])
    for method, default in (("cam", 0.2), ("gradcam", 0.15)):
        found = evaluate(localizer(method=method), root, **QUICK)
        assert found.first.fixed_by == f"the default, {default}"
        assert found.val_split is None
        assert any("'val'" in note for note in found.notes)
        assert figure(found).fixed_thresholds == (default,)
        right = [iou >= 0.5 for iou in slow_ious(root, TEST[:4], default, 224)[1].values()]
        assert figure(found).fixed == pytest.approx(100 * np.mean(right))
        assert np.isnan(figure(found, row="centred Gaussian").fixed)


def test_a_localizers_own_threshold_is_its_default(tmp_path):
    found = evaluate(localizer(threshold=0.5), write(tmp_path, TEST[:4]), **QUICK)
    assert figure(found).fixed_thresholds == (0.5,)
    right = [iou >= 0.5 for iou in slow_ious(tmp_path, TEST[:4], 0.5, 224)[1].values()]
    assert figure(found).fixed == pytest.approx(100 * np.mean(right))


@pytest.mark.parametrize("threshold", [0.3, 1.0])
def test_a_threshold_that_is_given_is_taken(threshold, few):
    found = evaluate(localizer(), few, threshold=threshold, **QUICK)
    assert found.first.fixed_by == f"set to {threshold:g}"
    assert figure(found).fixed_thresholds == (threshold,)
    right = [iou >= 0.5 for iou in slow_ious(few, (*TEST[:3], RED), threshold, 224)[1].values()]
    assert figure(found).fixed == pytest.approx(100 * np.mean(right))


@pytest.mark.parametrize("threshold", [0, -0.1, 1.01, float("nan")])
def test_a_threshold_outside_its_range_is_refused(threshold, data):
    with pytest.raises(InputError, match=str(threshold)):
        evaluate(localizer(), data, threshold=threshold)


def test_all_takes_every_split_and_fixes_nothing(data):
    found = evaluate(localizer(), data, test_split="all", **QUICK)
    assert (found.split, found.val_split) == ("all", None)
    assert figure(found).images == len(SCENES)
    assert figure(found).fixed_thresholds == (0.2,)


def test_the_split_that_thresholds_are_fixed_on_is_not_the_one_that_is_scored(data):
    found = evaluate(localizer(), data, test_split="val", **QUICK)
    assert found.val_split is None
    assert figure(found).images == len(VALIDATION)
    assert figure(found).fixed_thresholds == (0.2,)


@pytest.mark.parametrize("split", ["all", "val"])
def test_a_split_that_is_there_is_not_said_to_be_missing(split, few):
    assert not [
        note for note in evaluate(localizer(), few, test_split=split, **QUICK).notes if "There is no split" in note
    ]


def test_a_data_set_without_splits_is_scored_whole(tmp_path):
    found = evaluate(localizer(), write(tmp_path, TEST[:3], splits=False), **QUICK)
    assert found.split == "all"
    assert figure(found).images == len(TEST[:3])


def test_splits_may_be_swapped(data, plain):
    found = evaluate(localizer(), data, config=EvaluationConfig(test_split="val", val_split="test", samples=0))
    assert (found.split, found.val_split) == ("val", "test")
    at = plain.first.collection.metrics[GT]
    assert figure(found).fixed_thresholds == tuple(at.thresholds[list(at.middle())])


def test_images_without_boxes_are_left_out_and_noted(tmp_path):
    root = write(tmp_path, (RED, GREEN), splits=False)
    with (root / "annotations.csv").open("a") as file:
        file.write("blue/c,,,,,blue\n")
    write(tmp_path / "more", (Scene("blue/c", (("blue", (1, 1, 9, 9)),)),))
    (root / "images/blue").symlink_to(tmp_path / "more/images/blue")
    found = evaluate(localizer(), root, **QUICK)
    assert figure(found).images == 2
    assert "1 images of the split have neither boxes nor masks and were skipped." in found.notes


def test_an_unreadable_image_counts_as_wrong_in_every_metric_and_is_noted(tmp_path):
    root = write(tmp_path, (*VALIDATION, *TEST[:3], RED._replace(masked=True)))
    whole = evaluate(localizer(), root, **QUICK)
    path_of(root, RED).write_bytes(b"no image")
    found = evaluate(localizer(), root, **QUICK)
    assert found.notes[-1] == "1 images could not be read and count as wrong."
    assert {name: one.images for name, one in found.first.metrics.items()} == {
        name: one.images for name, one in whole.first.metrics.items()
    }
    count = 4
    for name in ("MaxBoxAcc", GT, "Top-1 Loc", "Top-5 Loc"):
        assert figure(found, name).fixed == pytest.approx(figure(whole, name).fixed - 100 / count), name
    assert figure(found, "PxAP").fixed < figure(whole, "PxAP").fixed
    assert figure(found, "mask IoU").fixed < figure(whole, "mask IoU").fixed - 10
    centred = figure(found, row="centred Gaussian")
    assert centred.images == count


def test_an_unreadable_validation_image_is_noted(tmp_path):
    root = write(tmp_path, (*VALIDATION, RED))
    path_of(root, VALIDATION[0]).write_bytes(b"no image")
    assert any("could not be read" in note for note in evaluate(localizer(), root, **QUICK).notes)


def test_a_mask_without_foreground_is_refused_or_noted_but_spoils_no_figure(tmp_path):
    root = write(tmp_path)
    Image.new("L", (120, 80)).save(root / "masks/red/exact.png")
    with suppress(InputError):  # it may be refused
        found = evaluate(localizer(), root, **QUICK)
        assert not np.isnan(figure(found, "mask IoU").fixed)
        assert any("mask" in note for note in found.notes)


def test_convention_each_class_of_a_multi_label_image_is_a_case_of_its_own(tmp_path):
    root = write(tmp_path, (BOTH, RED), splits=False)
    found = evaluate(localizer(), root, threshold=0.2, **QUICK)
    assert figure(found).images == 3
    model = localizer(threshold=0.2)
    right = [
        plain_iou(model(path_of(root, one), classes=[c]).box, box) >= 0.5
        for one in (BOTH, RED)
        for c, box in one.objects
    ]
    assert figure(found).fixed == pytest.approx(100 * np.mean(right)) == 100
    assert dict(zip(found.group_names, found.group_counts, strict=True))["blue"] == 1
    # Only one of two classes can be the first prediction.
    assert figure(found, "Top-1 Loc").fixed == pytest.approx(200 / 3)


def test_a_class_with_two_boxes_is_right_with_either(tmp_path):
    two = Scene("green/two", (("green", (0, 40, 20, 70)), ("green", (60, 10, 110, 60))))
    for drawn in two.objects:
        root = write(tmp_path / str(drawn[1]), (two._replace(drawn=(drawn,)),), splits=False)
        assert figure(evaluate(localizer(), root, **QUICK)).fixed == 100


def test_convention_exif_does_not_turn_an_image_with_boxes_in_stored_pixels(tmp_path):
    root = write(tmp_path, (RED,), suffix=".jpg", splits=False)
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(path_of(root, RED, ".jpg")) as image:
        image.load()
    image.save(path_of(root, RED, ".jpg"), exif=exif, quality=95)
    assert figure(evaluate(localizer(), root, **QUICK)).fixed == 100


def test_a_model_of_one_class(tmp_path):
    one = ws.Localizer(Colours(names=("red",)), method="gradcam", **(FRAME | {"class_names": ["red"]}))
    found = evaluate(one, write(tmp_path, (RED,), splits=False), **QUICK)
    assert figure(found).fixed == figure(found, "Top-1 Loc").fixed == figure(found, "Top-5 Loc").fixed == 100


def test_odd_names_are_names(tmp_path):
    scenes = [RED._replace(name=f"red/{name}") for name in ("ünï code", "a.b.c", "a.b", " # ?", "100%", "'\"", "日本")]
    found = evaluate(localizer(), write(tmp_path, scenes, splits=False), **QUICK)
    assert figure(found).images == 7
    assert figure(found).fixed == 100


# What cannot be evaluated.


def test_a_class_that_the_model_has_not_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    root = write(tmp_path, (RED, Scene("purple/x", (("purple", (1, 1, 9, 9)),), drawn=(("red", (1, 1, 9, 9)),))))
    model = localizer()
    monkeypatch.setattr(model, "class_maps_of", lambda *_: pytest.fail("The model was run."))
    with refused("unknown-class", "1 classes", "purple"):
        evaluate(model, root)


def test_boxes_of_no_image_are_refused(tmp_path):
    root = write(tmp_path, (RED,), splits=False)
    (root / "annotations.csv").write_text("image_id,xmin,ymin,xmax,ymax\nred/a,,,,\n")
    with refused("missing-annotations"):
        evaluate(localizer(), root)


def test_masks_without_any_foreground_are_refused(tmp_path):
    root = write(tmp_path, (RED._replace(masked=True),), splits=False)
    Image.new("L", (120, 80)).save(root / "masks/red/a.png")
    with refused("mask-empty", "red/a.png"):
        evaluate(localizer(), root, **QUICK)


@pytest.mark.parametrize(
    ("option", "value"), [("batch_size", 0), ("batch_size", -1), ("samples", -1), ("seed", -1)], ids=str
)
def test_an_option_outside_its_range_is_refused(option, value, few):
    with refused("out-of-range", option, value):
        evaluate(localizer(), few, **({"samples": 5} | {option: value}))


def test_an_option_that_would_be_passed_over_is_refused(few):
    """A Localizer is made already: what it takes comes too late, and a misspelt option is none."""
    with pytest.raises((InputError, TypeError)):
        evaluate(localizer(), few, treshold=0.4, **QUICK)


# Several at once.


def test_methods_side_by_side_are_what_each_is_alone(few):
    together = compare([localizer()], few, methods=("eigencam", "gradcam++", "cam"), **QUICK)
    assert set(together.rows) == {"eigencam", "gradcam++", "cam", "centred Gaussian", "full-image box"}
    for method in ("eigencam", "gradcam++", "cam"):
        alone = evaluate(localizer(method=method), few, **QUICK)
        same_figures(together.rows[method].metrics, alone.first.metrics)
        assert together.rows[method].fixed_by == alone.first.fixed_by
    same_figures(together.rows["full-image box"].metrics, alone.rows["full-image box"].metrics)


def test_all_methods_of_a_batch_are_read_from_one_forward_pass(few):
    model, passes = localizer(), []
    model.model.register_forward_hook(lambda module, images, output: passes.append(len(images[0])))
    compare([model], few, batch_size=3, **QUICK)
    assert passes == [2, 3, 1]  # the validation split, then the test split


@pytest.fixture(scope="module")
def compared(data):
    return compare([localizer()], data, methods=("eigencam", "cam"), **QUICK)


def test_the_best_comes_first_and_the_baselines_last(compared):
    assert list(compared.rows) == ["cam", "eigencam", "centred Gaussian", "full-image box"]
    assert figure(compared, row="cam").fixed > figure(compared, row="eigencam").fixed


def test_each_row_has_a_histogram_of_its_own(compared, plain):
    assert next(iter(compared.rows)) == "cam"
    assert compared.first.iou_histogram == plain.first.iou_histogram
    assert compared.rows["eigencam"].iou_histogram != plain.first.iou_histogram


def test_rows_of_several_models_are_named_by_them(few):
    found = compare([localizer(), localizer(Colours(cell=32))], few, methods=("cam", "gradcam"), **QUICK)
    ours = [f"model {i}, {method}" for i in (1, 2) for method in ("cam", "gradcam")]
    assert sorted(list(found.rows)[:4]) == sorted(ours)
    coarse = evaluate(localizer(Colours(cell=32)), few, **QUICK)
    same_figures(found.rows["model 2, cam"].metrics, coarse.first.metrics)
    assert figure(found, "mask IoU", "model 1, cam").oracle > figure(found, "mask IoU", "model 2, cam").oracle


def test_rows_of_several_strides_are_named_by_them(few):
    options = {"weights": None, "class_names": NAMES, "quality": "plain", **QUICK}
    found = compare(["colours_of_tests"], few, methods=("cam",), output_strides=(32, 8), **options)
    assert set(found.rows) == {"cam, stride 32", "cam, stride 8", "centred Gaussian", "full-image box"}
    for stride in (32, 8):
        alone = evaluate(localizer(Colours(cell=stride)), few, **QUICK)
        same_figures(found.rows[f"cam, stride {stride}"].metrics, alone.first.metrics)


def test_rows_of_several_qualities_are_named_by_them_and_have_their_own_figures(few):
    names = ("plain", "fast", "balanced")
    found = compare([Colours()], few, methods=("cam",), qualities=names, **FRAME, **QUICK)
    assert set(found.rows) == {*(f"cam, {name}" for name in names), "centred Gaussian", "full-image box"}
    for name in ("plain", "fast"):
        alone = evaluate(localizer(quality=name), few, **QUICK)
        same_figures(found.rows[f"cam, {name}"].metrics, alone.first.metrics)
        np.testing.assert_array_equal(found.rows[f"cam, {name}"].group_metrics[GT], alone.first.group_metrics[GT])
    header, _, *lines = found.sizes_to_markdown().splitlines()
    assert [one.split("(")[0].strip() for one in header.split("|")[1:-1]] == ["map", "small", "medium", "large"]
    assert {line.split("|")[1].strip() for line in lines} == {f"cam, {name}" for name in names}


def test_of_several_qualities_the_models_own_method_is_compared(few):
    found = compare([Colours()], few, qualities=("plain", "fast"), **FRAME, **QUICK)
    assert set(found.rows) == {"gradcam, plain", "gradcam, fast", "centred Gaussian", "full-image box"}


def test_a_stride_is_refused_for_a_localizer_which_has_its_own(few):
    with refused("options-conflict", "output_stride"):
        compare([localizer()], few, methods=("cam",), output_strides=(16, 8), **QUICK)


def test_no_row_is_lost_where_two_have_the_same_name(few):
    found = compare(["colours_of_tests"] * 2, few, methods=("cam",), weights=None, class_names=NAMES, **QUICK)
    assert len(found.rows) == 4


class Twisted(Colours):
    """No linear layer behind the pooling: CAM has nothing to read."""

    def forward(self, images):
        return torch.tanh(super().forward(images) * 9)


def test_a_method_that_does_not_fit_is_left_out_and_noted(few):
    found = compare([Twisted()], few, methods=("cam", "gradcam"), **QUICK, **FRAME)
    assert list(found.rows) == ["gradcam", "centred Gaussian", "full-image box"]
    (note,) = found.notes
    assert note.startswith("cam was skipped: ")


def test_no_method_that_fits_is_an_error(few):
    with refused("method-mismatch"):
        compare([Twisted()], few, methods=("cam",), **QUICK, **FRAME)


def test_a_method_that_is_not_known_is_refused(few):
    with pytest.raises(InputError, match="gradcm"):
        compare([localizer()], few, methods=("cam", "gradcm"))


# Files of others.


@pytest.fixture(scope="module")
def saved(data, tmp_path_factory):
    """The maps of the classifier, written as others do."""
    folder = tmp_path_factory.mktemp("files") / "my maps"
    for scene in SCENES:
        path = folder / f"{scene.name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, localizer()(path_of(data, scene), classes=[scene.objects[0][0]]).heatmap)
    return folder


def test_convention_maps_of_files_are_worth_what_the_model_is(data, saved, plain):
    of_model, of_files = plain, evaluate_maps(saved, data, config=EvaluationConfig(samples=0))
    assert list(of_files.rows) == ["my maps", "centred Gaussian", "full-image box"]
    there = {name: one for name, one in of_model.first.metrics.items() if not name.startswith("Top")}
    same_figures(of_files.first.metrics, there)
    assert of_files.first.iou_histogram == of_model.first.iou_histogram
    assert of_files.group_counts == of_model.group_counts


def test_maps_of_images_that_are_not_scored_may_be_missing(saved, data, tmp_path):
    for scene in VALIDATION:
        (tmp_path / f"{scene.name}.npy").parent.mkdir(exist_ok=True)
        (tmp_path / f"{scene.name}.npy").write_bytes((saved / f"{scene.name}.npy").read_bytes())
    assert figure(evaluate_maps(tmp_path, data, config=EvaluationConfig(test_split="val", samples=0))).images == len(
        VALIDATION
    )
    with refused("map-not-found", f"{len(TEST)} images of {len(SCENES)}"):
        evaluate_maps(tmp_path, data)


def test_an_unreadable_image_does_not_stop_the_maps_of_the_others(saved, tmp_path):
    """Its map is there; only its size is not known."""
    root = write(tmp_path)
    path_of(root, TEST[0]).write_bytes(b"no image")
    found = evaluate_maps(saved, root, config=EvaluationConfig(samples=0))
    assert figure(found).images == len(TEST)
    assert found.notes[-1] == "1 images could not be read and count as wrong."


def found_boxes(path, data, scenes, threshold):
    boxes, _ = slow_ious(data, scenes, threshold, 224)
    write_csv(path, ("image_id", "xmin", "ymin", "xmax", "ymax"), [(name, *box) for name, box in boxes.items()])
    return path


def test_convention_found_boxes_are_worth_what_the_model_is_at_their_threshold(data, tmp_path):
    threshold = 0.2
    file = found_boxes(tmp_path / "found.csv", data, SCENES, threshold)
    of_boxes = evaluate_boxes(file, data, config=EvaluationConfig(samples=0))
    of_model = evaluate(localizer(), data, threshold=threshold, **QUICK)
    assert figure(of_boxes).fixed == pytest.approx(figure(of_model).fixed)
    assert figure(of_boxes).oracle == pytest.approx(figure(of_boxes).fixed, abs=1e-4)
    assert list(of_boxes.rows) == ["found.csv", "centred Gaussian", "full-image box"]
    for name in ("MaxBoxAcc", "MaxBoxAccV2", GT):
        whole = (figure(one, name, "full-image box") for one in (of_boxes, of_model))
        assert len({(one.images, one.oracle, one.fixed) for one in whole}) == 1


def test_true_boxes_are_all_right(data, tmp_path):
    file = tmp_path / "true.csv"
    rows = [(one.name, *box, name) for one in SCENES for name, box in one.objects]
    write_csv(file, ("image_id", "xmin", "ymin", "xmax", "ymax", "class"), rows)
    found = evaluate_boxes(file, data, config=EvaluationConfig(samples=0))
    for name in ("MaxBoxAcc", "MaxBoxAccV2", GT):
        assert figure(found, name).oracle == figure(found, name).fixed == 100


def test_images_without_a_found_box_count_as_wrong_and_are_noted(data, tmp_path):
    file = found_boxes(tmp_path / "found.csv", data, TEST[:4], 0.2)
    found = evaluate_boxes(file, data, config=EvaluationConfig(samples=0))
    assert figure(found).images == len(TEST)
    right = [iou >= 0.5 for iou in slow_ious(data, TEST[:4], 0.2, 224)[1].values()]
    assert figure(found).fixed == pytest.approx(100 * sum(right) / len(TEST))
    assert found.notes[-1] == f"{len(TEST) - 4} images have no predicted box and count as wrong."


def test_boxes_are_not_compared_with_masks(data, tmp_path):
    file, mask = found_boxes(tmp_path / "found.csv", data, TEST, 0.2), tmp_path / "mask.png"
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(mask)
    dataset = read_dataset(data)

    def masked(sample):
        objects = tuple(replace(item, box=None, mask_files=(mask,)) for item in sample.objects)
        return replace(sample, objects=objects)

    samples = dataset.samples
    with refused("missing-annotations", "masks"):
        evaluate_boxes(file, replace(dataset, samples=tuple(map(masked, samples))))
    first = next(i for i, sample in enumerate(samples) if sample.split == "test")
    mixed = (*samples[:first], masked(samples[first]), *samples[first + 1 :])
    notes = evaluate_boxes(file, replace(dataset, samples=mixed), config=EvaluationConfig(samples=0)).notes
    assert any(note.startswith("1 images have masks") for note in notes)


def test_boxes_of_another_split_are_refused(data, tmp_path):
    file = found_boxes(tmp_path / "found.csv", data, VALIDATION, 0.2)
    with refused("split-mismatch", file, "--test-split"):
        evaluate_boxes(file, data)


def test_refined_maps_have_the_boxes_that_localizing_gives(few):
    """Cut where they were refined for; the figures beside the single box count every region."""
    finer, boxes = localizer(refine="grabcut", threshold=0.3), {}

    def noted(outcome, chosen):
        (at,) = chosen["cam"][GT]
        found = outcome.regions["cam"]
        scaled = scale_boxes(found.boxes[at][None], from_size=found.tree.shape, to_size=outcome.size)
        boxes[outcome.sample.image.path] = (scaled[0], outcome.sample.annotations[outcome.target_index].label)

    measured = evaluate(finer, few, threshold=0.3, on_prediction=noted, **QUICK)
    assert len(boxes) == 4
    for path, (box, label) in boxes.items():
        assert finer(path, classes=[label]).box == pytest.approx(box)
    plain = evaluate(localizer(threshold=0.3), few, threshold=0.3, **QUICK)
    assert measured.first.metrics["mask IoU"].fixed != plain.first.metrics["mask IoU"].fixed
    assert measured.first.instance_metrics().keys() == {"precision", "recall", "F1"}
    assert measured.to_dict()["rows"]["cam"]["instances"]["recall"] > 0
    assert "recall" in measured.instances_to_markdown()


def test_instances_of_a_file_are_all_of_its_boxes(few, tmp_path):
    """One image has its object twice, another beside a wrong box; the others have none."""
    red, wrong = (20, 10, 80, 60), (100, 70, 110, 78)
    rows = [(RED.name, *red, "red"), (RED.name, *red, "red"), ("red/exact", *red, "red"), ("red/exact", *wrong, "red")]
    write_csv(tmp_path / "found.csv", ("image_id", "xmin", "ymin", "xmax", "ymax", "class"), rows)
    found = evaluate_boxes(tmp_path / "found.csv", few, config=EvaluationConfig(**QUICK)).first.instance_metrics()
    assert found == pytest.approx({"precision": 50, "recall": 50, "F1": 50})


def test_boxes_of_classes_that_their_image_does_not_have_are_wrong(tmp_path):
    """By hand: 2 of 7 boxes are right, 2 of the other 3 are of absent classes; 2 of 3 true boxes are found."""
    one, two = (20.0, 10.0, 80.0, 60.0), (50.0, 30.0, 110.0, 75.0)
    data = write(
        tmp_path / "data",
        [Scene("red/a", (("red", one), ("green", two))), Scene("red/b", (("red", one),))],
    )
    rows = [
        ("red/a", *one, "red"),  # right
        ("red/a", *two, "Green"),  # right, whatever the case
        ("red/a", *two, "blue"),  # absent: wrong, and wrong once although two classes are there
        ("red/b", *two, "red"),  # at another place: wrong
        ("red/b", *one, "green"),  # absent, though at the place of an object
        ("red/b", *one, "unheard of"),  # absent
        ("red/b", 0.0, 0.0, 5.0, 5.0, "red"),  # at another place: wrong
    ]
    file = tmp_path / "found.csv"
    write_csv(file, ("image_id", "xmin", "ymin", "xmax", "ymax", "class"), rows)
    found = evaluate_boxes(file, data, config=EvaluationConfig(**QUICK))
    expected = {"precision": 100 * 2 / 7, "recall": 100 * 2 / 3, "F1": 100 * 2 * 2 / (7 + 3)}
    assert found.first.instance_metrics() == pytest.approx(expected)
    assert found.first.precision_of_present() == pytest.approx(100 * 2 / 4)
    assert [row.absent for row in found.rows.values()] == [3, 0, 0]
    (note,) = (note for note in found.notes if "3 predicted boxes" in note)
    assert "50.0 %" in note
    table = found.instances_to_markdown().splitlines()
    assert [cell.strip() for cell in table[2].split("|")[1:5]] == ["found.csv", "28.6", "66.7", "40.0"]
    without = [row for row in rows if row[5] in ("red", "Green")]
    write_csv(file, ("image_id", "xmin", "ymin", "xmax", "ymax", "class"), without)
    fewer = evaluate_boxes(file, data, config=EvaluationConfig(**QUICK))
    assert fewer.first.instance_metrics()["precision"] == pytest.approx(50)
    assert not any("predicted boxes are of classes" in note for note in fewer.notes)
    for name, metric in fewer.first.metrics.items():  # those of the classes that an image has stay as they are
        assert found.first.metrics[name].oracle == metric.oracle


def test_file_with_boxes_of_absent_classes_only_has_a_precision_of_0(few, tmp_path):
    write_csv(
        tmp_path / "found.csv",
        ("image_id", "xmin", "ymin", "xmax", "ymax", "class"),
        [(RED.name, 20, 10, 80, 60, "unheard of")],
    )
    found = evaluate_boxes(tmp_path / "found.csv", few, config=EvaluationConfig(**QUICK))
    assert found.first.instance_metrics()["precision"] == 0
    assert np.isnan(found.first.precision_of_present())
    assert any("1 predicted boxes" in note for note in found.notes)


def test_boxes_in_images_without_an_object_are_wrong(tmp_path):
    """By hand: 1 of 4 boxes is right; two are in an image without an object, and one of an absent class."""
    red = (20.0, 10.0, 80.0, 60.0)
    for name in ("a", "empty", "unboxed"):
        Image.new("RGB", (100, 80)).save(tmp_path / f"{name}.png")
    kinds = {"a": (ObjectAnnotation("red", red),), "empty": (), "unboxed": (ObjectAnnotation("red", None),)}
    samples = tuple(Sample(name, tmp_path / f"{name}.png", "test", objects) for name, objects in kinds.items())
    data = Dataset(tmp_path, "made up", ("green", "red"), samples)
    rows = [("a", *red, "red"), ("a", *red, "green"), ("empty", *red, "red"), ("empty", *red, "")]
    rows.append(("unboxed", *red, "red"))  # nobody knows where its object is
    write_csv(tmp_path / "found.csv", ("image_id", "xmin", "ymin", "xmax", "ymax", "class"), rows)
    found = evaluate_boxes(tmp_path / "found.csv", data, config=EvaluationConfig(**QUICK))
    assert found.first.instance_metrics() == pytest.approx({"precision": 25, "recall": 100, "F1": 40})
    assert found.first.absent == 3
    assert found.first.precision_of_present() == pytest.approx(100)
    assert any("3 predicted boxes" in note for note in found.notes)


def test_boxes_of_a_class_that_has_no_true_box_in_the_image_are_left_out(tmp_path):
    """Nobody knows where the object is."""
    Image.new("RGB", (100, 80)).save(tmp_path / "a.png")
    objects = (ObjectAnnotation("red", (20.0, 10.0, 80.0, 60.0)), ObjectAnnotation("green", None))
    data = Dataset(tmp_path, "made up", ("green", "red"), (Sample("a", tmp_path / "a.png", "test", objects),))
    rows = [("a", 20, 10, 80, 60, "red"), ("a", 0, 0, 9, 9, "green")]
    write_csv(tmp_path / "found.csv", ("image_id", "xmin", "ymin", "xmax", "ymax", "class"), rows)
    found = evaluate_boxes(tmp_path / "found.csv", data, config=EvaluationConfig(**QUICK))
    assert found.first.instance_metrics() == pytest.approx({"precision": 100, "recall": 100, "F1": 100})
    assert found.first.absent == 0
