"""Thresholds of a run: on validation boxes, and without boxes by Otsu's method and the edges of the images."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import load_file
from skimage.filters import threshold_otsu
from small_runs import small

from weakspot import Localizer
from weakspot.data import read_dataset, read_image
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS, box_iou
from weakspot.models import from_state_dict, normalize_batch, resize_image
from weakspot.models.checkpoint import read_metadata
from weakspot.ops import box_from_heatmap, heatmap_from_class_map, scale_boxes
from weakspot.training import thresholds
from weakspot.training.box_areas import typical_areas
from weakspot.training.edge_threshold import edge_threshold, outline_edges
from weakspot.training.thresholds import (
    Thresholds,
    best_class_thresholds,
    best_threshold,
    choose_thresholds,
    choose_zooms,
    otsu_threshold,
    thresholds_without_boxes,
)

HUNDREDTHS = np.arange(1, 100) / 100


@settings(max_examples=30)
@example(seed=364, share=0.1015625, gap=0.5)  # no pixel at the highest levels
@given(st.integers(0, 999), st.floats(0.1, 0.9), st.floats(0.05, 0.9))
def test_pixels_are_separated_as_by_skimage(seed, share, gap):
    random = np.random.default_rng(seed)
    low, high = random.normal(0.2, 0.06, 1000), random.normal(min(0.2 + gap, 0.95), 0.06, 1000)
    levels = (100 * np.where(random.random(1000) < share, low, high).clip(0, 1)).round().astype(int)
    threshold = otsu_threshold([levels[:300] / 100, levels[300:] / 100])
    assert ((levels > threshold_otsu(levels)) == (levels >= round(100 * threshold))).all()


@given(st.lists(arrays(np.float32, (3, 4), elements=st.floats(0, 1, width=32)), max_size=4))
def test_the_threshold_is_between_0_and_1(heatmaps):
    assert 0 < otsu_threshold(heatmaps) <= 1


def test_two_values_are_separated_in_the_middle():
    assert otsu_threshold([np.array([[0.2, 0.2, 0.8]])]) == 0.5


@pytest.mark.parametrize("heatmaps", [[], [np.zeros((2, 2))]])
def test_heatmaps_of_zeros_have_the_threshold_of_cam(heatmaps):
    assert otsu_threshold(heatmaps) == 0.2


def test_heatmaps_of_zeros_are_ignored():
    some = np.array([[0.1, 0.3, 0.9, 1.0]])
    assert otsu_threshold([some, np.zeros((9, 9))]) == otsu_threshold([some])


def test_the_order_does_not_matter():
    random = np.random.default_rng(0)
    heatmaps = [random.random((4, 4)) for _ in range(5)]
    assert otsu_threshold(heatmaps) == otsu_threshold(reversed(heatmaps))


@pytest.fixture(scope="module")
def run(scenes, tmp_path_factory):
    return small(scenes, tmp_path_factory.mktemp("run") / "run", lr=1e-2, epochs=3, backbone="test_resnet")


def val_split(data):
    dataset = read_dataset(data)
    return dataset, [example for example in dataset.samples if example.split in ("val", "")]


def without_thresholds(run):
    """Return the localizer of a run as it was before its thresholds were chosen."""
    localizer = Localizer(run)
    localizer.set_foreground_head(from_state_dict(foreground_of(run)))
    return localizer


def foreground_of(run):
    weights = load_file(run / "model.safetensors")
    return {
        name.removeprefix("foreground."): value for name, value in weights.items() if name.startswith("foreground.")
    }


def overlaps_of(localizer, validation):
    """Return for each image and each multiple of 0.01 whether the largest box is correct, by localizing."""
    correct = []
    for sample in validation:
        heatmap = localizer(sample.path, classes=[sample.annotations[0].label]).heatmap
        true = scale_boxes(
            sample.annotations[0].boxes, from_size=read_image(sample.path).size[::-1], to_size=heatmap.shape
        )
        cuts = [box_from_heatmap(heatmap, threshold)[None] for threshold in HUNDREDTHS]
        correct.append([box_iou(cut, true).max() >= 0.5 for cut in cuts])
    return np.array(correct, dtype=float)


def test_the_best_threshold_on_validation_boxes_is_chosen(run, scenes):
    localizer, (dataset, validation) = without_thresholds(run), val_split(scenes)
    chosen = choose_thresholds(localizer, dataset, validation)
    right = overlaps_of(localizer, validation).mean(axis=0)
    nearest = np.abs(HUNDREDTHS - chosen.value).argmin()
    assert right.max() - right[nearest] <= 1 / len(validation)  # one more may be correct between two multiples
    assert chosen.source.startswith("best GT-known Loc on ")
    trained = read_metadata(run)
    assert (trained.info.threshold, trained.threshold_from) == (chosen.value, chosen.source)
    assert trained.info.class_thresholds == chosen.per_class
    assert len(chosen.per_class) == len(localizer.class_names)
    assert trained.info.typical_areas == typical_areas(dataset.samples, localizer.class_names) != ()
    assert localizer.threshold == chosen.value


def test_one_threshold_gives_the_region_of_each_class_threshold(run, scenes):
    adjusted, raw, (_, validation) = Localizer(run), without_thresholds(run), val_split(scenes)
    trained = read_metadata(run)
    for sample in validation[:4]:
        for index, level in enumerate(trained.info.class_thresholds):
            heatmap, raw_heatmap = (localizer(sample.path, classes=[index]).heatmap for localizer in (adjusted, raw))
            # Class thresholds are applied before the map is enlarged, so edges move a little.
            expected, region = raw_heatmap >= level, heatmap >= trained.info.threshold
            assert (expected == region).mean() > 0.97


@pytest.mark.parametrize("quality", ["balanced", "best"])
def test_a_run_has_the_same_heatmap_in_all_qualities_that_propagate(run, scenes, quality):
    fast, other, (_, validation) = Localizer(run), Localizer(run, quality=quality), val_split(scenes)
    assert other.threshold == fast.threshold
    np.testing.assert_array_equal(other(validation[0].path).heatmap, fast(validation[0].path).heatmap)


def test_quality_plain_does_not_apply_class_thresholds(run, scenes):
    plain, (_, validation) = Localizer(run, quality="plain"), val_split(scenes)
    image = normalize_batch([resize_image(read_image(validation[0].path), plain.preprocessing)], plain.preprocessing)
    raw = plain.class_maps(image, torch.tensor([0]))[0]
    heatmap = heatmap_from_class_map(raw.numpy(), height=64, width=64)
    np.testing.assert_allclose(plain(validation[0].path, classes=[0]).heatmap, heatmap, atol=1e-5)


@pytest.fixture(scope="module")
def unboxed(run, discs):
    """Sixteen images without boxes, with the labels of the run."""
    dataset, validation = val_split(discs)
    names = Localizer(run).class_names
    return dataset, [
        replace(sample, objects=(replace(sample.objects[0], label=names[number % 2]),))
        for number, sample in enumerate(validation)
    ]


def own_heatmaps(localizer, samples):
    return [localizer(sample.path, classes=[sample.annotations[0].label]).heatmap for sample in samples]


def test_without_boxes_and_foreground_head_the_threshold_is_otsus(run, unboxed):
    localizer = Localizer(run)
    localizer.set_foreground_head(None)
    otsu = otsu_threshold(own_heatmaps(localizer, unboxed[1]))
    assert choose_thresholds(localizer, *unboxed) == Thresholds(otsu, "Otsu's method on 16 heatmaps")


def test_without_boxes_thresholds_are_moved_from_otsus_to_the_edges_of_the_images(run, unboxed):
    localizer = without_thresholds(run)
    heatmaps = own_heatmaps(localizer, unboxed[1])
    outlines = [
        outline_edges(heatmap, np.asarray(read_image(sample.path)))
        for heatmap, sample in zip(heatmaps, unboxed[1], strict=True)
    ]
    value = edge_threshold(outlines, otsu_threshold(heatmaps))
    per_class = (edge_threshold(outlines[::2], value), edge_threshold(outlines[1::2], value))
    chosen = choose_thresholds(localizer, *unboxed)
    assert (chosen.value, chosen.per_class) == (value, per_class if set(per_class) != {value} else ())


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        pytest.param([0.5, 0.5, 0.5], Thresholds(0.5, "Otsu's method on 16 heatmaps"), id="Otsu's"),
        pytest.param([0.7, 0.7, 0.7], Thresholds(0.7, "edges of 16 images"), id="one for all classes"),
        pytest.param([0.5, 0.6, 0.5], Thresholds(0.5, "edges of 16 images", (0.6, 0.5)), id="one for a class"),
    ],
)
def test_the_source_says_whether_edges_changed_a_threshold(run, unboxed, monkeypatch, edges, expected):
    """For all images, and for those of each class."""
    found = iter(edges)
    monkeypatch.setattr(thresholds, "edge_threshold", lambda *_: next(found))
    monkeypatch.setattr(thresholds, "_separate_counts", lambda _: 0.5)
    assert choose_thresholds(Localizer(run), *unboxed) == expected


def test_a_large_validation_split_is_represented_by_evenly_spaced_images(run, unboxed, monkeypatch):
    monkeypatch.setattr(thresholds, "_MAX_IMAGES", 7)
    dataset, samples = unboxed
    localizer = without_thresholds(run)
    assert choose_thresholds(localizer, dataset, samples) == thresholds_without_boxes(localizer, samples[::3])


@pytest.mark.parametrize(
    ("zoomed", "whole", "zooms"),
    [
        pytest.param(60.0, 50.0, 3, id="better"),
        pytest.param(60.0, 60.0, 3, id="as good"),
        pytest.param(60.0, 70.0, 0, id="worse"),
        pytest.param(None, None, 3, id="no boxes"),
    ],
)
def test_boxes_decide_whether_small_regions_are_looked_at_again(run, monkeypatch, zoomed, whole, zooms):
    localizer = Localizer(run, backend="torch")
    scores = {3: Thresholds(0.5, "zoomed", score=zoomed), 0: Thresholds(0.4, "whole", score=whole)}
    monkeypatch.setattr(thresholds, "choose_thresholds", lambda one, *_: scores[one.config.info.zooms])
    assert choose_zooms(localizer, None, ()) == scores[zooms]
    assert localizer.config.info.zooms == zooms


def scores_of(*ranges, count=20):
    """Return scores of images whose boxes are correct in a range of thresholds, and their classes."""
    rows = np.zeros((count * len(ranges), len(NATIVE_THRESHOLDS)))
    for number, (low, high) in enumerate(ranges):
        rows[number * count : (number + 1) * count, low:high] = 1
    return rows, np.repeat(np.arange(len(ranges)), count)


def test_the_middle_of_the_best_thresholds_is_chosen():
    assert best_threshold(scores_of((300, 501))[0]) == pytest.approx(0.401)


@pytest.mark.parametrize(("cut", "taken"), [(0, 0.01), (998, 0.99)])
def test_thresholds_are_limited_to_one_and_ninety_nine_hundredths(cut, taken):
    assert best_threshold(scores_of((cut, cut + 2))[0]) == taken


def test_each_class_has_a_threshold_and_a_class_without_images_that_of_all():
    rows, classes = scores_of((200, 301), (700, 801), (700, 801))
    assert best_class_thresholds(rows, classes, 4) == pytest.approx((0.251, 0.751, 0.751, 0.751))


def test_the_threshold_of_a_class_with_few_images_is_that_of_all():
    """Two images of the class against five with the mean score, which are correct in another range."""
    many, _ = scores_of((700, 801), count=98)
    few, _ = scores_of((200, 301), count=2)
    classes = np.repeat([0, 1], [98, 2])
    assert best_class_thresholds(np.concatenate([many, few]), classes, 2)[1] == pytest.approx(0.751)
    own = np.concatenate([many, np.repeat(few, 5, axis=0)])
    assert best_class_thresholds(own, np.repeat([0, 1], [98, 10]), 2)[1] == pytest.approx(0.251)
