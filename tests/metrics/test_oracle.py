"""The field's reference evaluator, run unmodified, said what is in the oracle: every array is equal to the last bit.

A small part of it is in ``tests/oracle`` (``extract.py`` made it); the whole is compared where there is one.
"""

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from oracle.extract import unpacked

from weakspot.errors import InputError
from weakspot.metrics import (
    MaxBoxAcc,
    MaxBoxAccV2,
    PxAP,
    average_precision,
    box_iou,
    pixel_counts,
    reference_boxes,
    reference_overlaps,
)
from weakspot.ops import normalize, reference_contours
from weakspot.ops.contours import THRESHOLDS

SMALL = Path(__file__).parents[1] / "support" / "oracle"
WHOLE = Path(os.environ.get("WEAKSPOT_ORACLE") or Path(__file__).parents[3] / "shared" / "oracle")
STEPS = {"0.001": THRESHOLDS, "0.01": np.arange(0, 1, 0.01)}
UNIT = json.loads((SMALL / "small.json").read_text(encoding="utf-8"))["unit"]
DRAWN = np.arange(0, 1, 0.05)


class Oracle:
    """Maps, what is true of them, and what the reference says."""

    def __init__(self, arrays, values):
        self.values = values
        self.arrays = {name: arrays[name] for name in arrays.files if not name.startswith(("rawcam", "mask", "ignore"))}
        stored = self.arrays["scoremaps"]
        self.maps = (unpacked(stored) if stored.dtype == np.uint8 else stored).astype(np.float64)
        self.boxes = [np.array(boxes) for boxes in values["boxes_resized_224"]]
        self.masks = self.arrays["gt_mask224"]
        self.contours = [reference_contours(map_) for map_ in self.maps]

    def at_cuts(self, i, by_cut, nothing):
        """Of image i what is given by cut, at each of the thousand thresholds."""
        found = self.contours[i]
        return by_cut[found.cut_indices()] if found.peak else np.full((1000, *np.shape(nothing)), nothing)


@cache
def load(folder, name):
    if not (folder / f"{name}.npz").is_file():
        pytest.skip(f"{folder} holds no {name}.npz: name the whole oracle's folder by WEAKSPOT_ORACLE")
    with np.load(folder / f"{name}.npz") as arrays:
        return Oracle(arrays, json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))


@pytest.fixture(params=[pytest.param((SMALL, "small"), id="small"), pytest.param((WHOLE, "oracle"), id="whole")])
def oracle(request):
    return load(*request.param)


@pytest.fixture
def whole():
    return load(WHOLE, "oracle")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("regions", "mode"), [("largest", "largest"), ("all", "multi")])
def test_best_overlaps_equal_the_references(oracle, regions, mode, step):
    found = [
        reference_overlaps(contours, boxes, regions, STEPS[step])
        for contours, boxes in zip(oracle.contours, oracle.boxes, strict=True)
    ]
    expected = oracle.arrays[f"max_iou_{mode}_itv{step}"]
    different = [name for name, a, b in zip(oracle.values["names"], found, expected, strict=True) if (a != b).any()]
    assert different == []


def test_best_overlaps_of_maps_equal_those_of_their_contours(oracle):
    """Without holes, where only the largest is asked for."""
    for map_, contours, boxes in zip(oracle.maps, oracle.contours, oracle.boxes, strict=True):
        for regions in ("largest", "all"):
            assert np.array_equal(
                reference_overlaps(map_, boxes, regions), reference_overlaps(contours, boxes, regions)
            )


def test_numbers_of_boxes_equal_the_references(oracle):
    for i, name in enumerate(oracle.values["names"]):
        found = oracle.at_cuts(i, oracle.contours[i].counts(), 1)
        assert np.array_equal(found, oracle.arrays["num_boxes_multi_itv0.001"][i]), name
    assert (oracle.arrays["num_boxes_largest_itv0.001"] == 1).all()


def test_largest_boxes_equal_the_references(oracle):
    for i, name in enumerate(oracle.values["names"]):
        found = oracle.at_cuts(i, oracle.contours[i].largest_boxes(), [0, 0, 0, 0])
        assert np.array_equal(found, oracle.arrays["boxes_largest_itv0.001"][i]), name


@pytest.mark.parametrize("step", STEPS)
def test_px_ap_of_each_image_equals_the_references(oracle, step):
    found = [
        average_precision(pixel_counts(map_, mask, float(step)))
        for map_, mask in zip(oracle.maps, oracle.masks, strict=True)
    ]
    np.testing.assert_allclose(found, oracle.values["metrics"][f"PxAP_itv{step}"]["per_image"], rtol=0, atol=1e-12)


def test_maps_in_single_precision_are_scored_as_in_double(oracle):
    """The reference refuses single precision; here it is cast to double first, which changes no value."""
    for map_, boxes, mask in zip(oracle.maps, oracle.boxes, oracle.masks, strict=True):
        single = map_.astype(np.float32)
        assert np.array_equal(single, map_)
        assert np.array_equal(reference_overlaps(single, boxes), reference_overlaps(map_, boxes))
        assert np.array_equal(pixel_counts(single, mask), pixel_counts(map_, mask))


def test_metrics_average_the_references_values(oracle):
    for metric, mode in [(MaxBoxAcc(), "largest"), (MaxBoxAccV2(), "multi")]:
        metric.update(oracle.maps.astype(np.float32), oracle.boxes)
        expected = [
            (oracle.arrays[f"max_iou_{mode}_itv0.001"] >= least).mean(axis=0) for least in metric.correct_boxes.overlaps
        ]
        np.testing.assert_allclose(metric.details()["curves"], 100 * np.array(expected), rtol=1e-14)


def reference_value(best_overlaps, least):
    """What the reference prints for overlaps (images, thresholds): the mean of its figures by least overlap."""
    figures = []
    for overlap in least:
        correct = np.zeros(best_overlaps.shape[1])
        for overlaps in best_overlaps:
            correct[np.where(overlaps >= overlap)[0]] += 1
        figures.append((correct * 100.0 / float(len(best_overlaps))).max())
    return float(np.average(figures))


@pytest.mark.parametrize(("kind", "mode"), [(MaxBoxAcc, "largest"), (MaxBoxAccV2, "multi")])
def test_values_of_random_sets_equal_the_references_to_the_last_bit(kind, mode):
    oracle, random = load(SMALL, "small"), np.random.default_rng(0)
    best_overlaps = oracle.arrays[f"max_iou_{mode}_itv0.001"]
    least = kind().correct_boxes.overlaps
    rows = kind().correct_boxes(oracle.maps, oracle.boxes)
    different = []
    for _ in range(400):
        chosen = random.integers(len(rows), size=random.integers(1, 80))
        metric = kind(groups=1)
        metric.add(rows[chosen], np.zeros(len(chosen), np.intp))
        expected = reference_value(best_overlaps[chosen], least)
        found = (metric.compute_from_sums(*metric.totals()), metric.per_group()[0], metric.at(metric.best()))
        different += [chosen.tolist()] if found != (expected, expected, expected) else []
    assert different == []


@pytest.mark.parametrize(
    ("metric", "mode", "curves", "percent"),
    [
        pytest.param(MaxBoxAcc, "largest", slice(1, 2), 41.667, id="MaxBoxAcc"),
        pytest.param(MaxBoxAccV2, "multi", slice(3), 47.222, id="MaxBoxAccV2"),
    ],
)
def test_headline_box_accuracy_on_the_whole(whole, metric, mode, curves, percent):
    metric = metric()
    metric.update(whole.maps, whole.boxes)
    assert metric.compute().item() == pytest.approx(percent, abs=5e-4)
    figures = whole.values["metrics"][f"{mode}_itv0.001"]
    assert metric.compute().item() == figures["mean_over_iou" if mode == "multi" else "at_iou50"]
    best = whole.values["metrics"][f"{mode}_itv0.001"]["best_threshold_index_per_iou(first argmax)"]
    assert metric.best() == tuple(best[curves])
    right = whole.arrays[f"num_correct_{mode}_itv0.001"][curves]
    assert metric.sums.reshape(-1, 1000).tolist() == right.tolist()


@pytest.mark.parametrize(("step", "percent"), [("0.001", 29.898466), ("0.01", 29.816518)])
def test_headline_px_ap_on_the_whole(whole, step, percent):
    metric = PxAP(float(step))
    metric.update(whole.maps, whole.masks)
    for counts, kind in zip(metric.sums.reshape(2, -1), ("true", "false"), strict=True):
        assert counts.tolist() == whole.arrays[f"hist_{kind}_itv{step}"].tolist()
    exact = float(metric.compute_from_sums(metric.sums.numpy(), metric.total.numpy()))
    assert exact == pytest.approx(whole.values["metrics"][f"PxAP_itv{step}"]["pooled"], abs=1e-12)
    assert metric.compute().item() == pytest.approx(percent, abs=5e-6)


def test_true_boxes_of_the_whole_equal_the_references(whole):
    originals, sizes = whole.values["boxes_original_x0y0x1y1"], whole.values["image_sizes_wh"]
    for original, (width, height), resized in zip(originals, sizes, whole.boxes, strict=True):
        assert reference_boxes(np.array(original), width=width, height=height).tolist() == resized.tolist()


@pytest.mark.parametrize(
    "case", UNIT["compute_bboxes"], ids=lambda case: "x".join(map(str, np.shape(case["scoremap"])))
)
def test_boxes_of_small_maps_equal_the_references(case):
    found = reference_contours(np.array(case["scoremap"]))
    largest, cuts = found.largest_boxes(), found.cut_indices(DRAWN)
    for cut, one, every in zip(cuts, case["largest"], case["multi"], strict=True):
        there = (found.birth <= cut) & (cut < found.death)
        assert sorted(found.boxes[there].tolist()) == sorted(every)
        assert [largest[cut].tolist()] == one


def test_true_boxes_are_resized_as_the_reference_does():
    for case in UNIT["resize_bbox"]:
        width, height = case["size_wh"]
        assert case["to"] == [224, 224]
        assert reference_boxes(np.array([case["box"]]), width=width, height=height).tolist() == [case["out"]]


def test_overlaps_equal_the_references():
    for case in UNIT["iou"]:
        assert box_iou(np.array(case["a"]), np.array(case["b"]), inclusive=True).tolist() == case["iou"]


@pytest.mark.parametrize("case", UNIT["normalize_scoremap"], ids=lambda case: case["in"])
def test_maps_are_normalised_as_the_reference_does(case):
    class_map = np.array(json.loads(case["in"].replace("nan", "NaN")))
    assert normalize(class_map).tolist() == np.array(case["out"], np.float32).tolist()


@pytest.mark.parametrize("case", UNIT["errors"], ids=lambda case: case["case"])
def test_what_the_reference_refuses_is_refused_but_for_single_precision(case):
    good = np.linspace(0, 1, 16).reshape(4, 4)
    bad = {
        "nan": np.where(good == 1, np.nan, good),
        "gt1": good * 1.5,
        "neg": good - 0.5,
        "3d": good[None],
    }
    if case["case"] == "float32":
        assert case["raises"] == "TypeError"
        single = good.astype(np.float32)
        assert reference_contours(single).boxes.tolist() == reference_contours(single.astype(float)).boxes.tolist()
    else:
        assert case["raises"] == "ValueError"
        with pytest.raises(InputError):
            reference_contours(bad[case["case"]])
